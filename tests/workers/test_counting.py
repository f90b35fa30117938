"""Counts of several processes, added up while others begin to count."""

from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict, mmap_key

from workers.monitoring.counting import counted_in


def test_a_file_that_a_process_has_just_opened_counts_nothing_yet(tmp_path: Path) -> None:
    counts = MmapedDict(str(tmp_path / "counter_one-main.db"))  # type: ignore[no-untyped-call]
    key = mmap_key("wireroom_steps", "wireroom_steps_total", (), (), "")  # type: ignore[no-untyped-call]
    counts.write_value(key, 3.0, 0.0)  # type: ignore[no-untyped-call]
    (tmp_path / "counter_two-main.db").touch()
    (metric,) = counted_in(tmp_path)
    assert [sample.value for sample in metric.samples] == [3.0]
    counts.close()  # type: ignore[no-untyped-call]
