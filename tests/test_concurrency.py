"""How much is done at once: as it is written, and as the machine's size allows."""

from pathlib import Path

import pytest

from pipeline.concurrency import Concurrency, Machine, enrichers, read_concurrency, this_machine
from pipeline.errors import SettingsError
from pipeline.settings import origins, read_settings

GIB = 1024**3
LAPTOP = Machine(cores=8.0, memory_bytes=16 * GIB)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("", Concurrency(poll=16, fetch=32, enrich=8, index=1)),
        ("4", Concurrency(poll=16, fetch=32, enrich=4, index=1)),
        ("poll=2,fetch=8,enrich=2,index=1", Concurrency(poll=2, fetch=8, enrich=2, index=1)),
        ("fetch=8, poll=2", Concurrency(poll=2, fetch=8, enrich=8, index=1)),
    ],
)
def test_a_plain_number_is_of_enrich_and_what_is_not_named_is_chosen(written: str, read: Concurrency) -> None:
    assert read_concurrency(written, LAPTOP) == read


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("0", "write numbers from 1 to 256"),
        ("enrich=257", "write numbers from 1 to 256"),
        ("many", "write a number, or poll=2,fetch=8,enrich=2,index=1"),
        ("poll=2,poll=3", "write a number, or poll=2,fetch=8,enrich=2,index=1"),
        ("read=2", "'read' is no stage; write poll, fetch, enrich, index"),
    ],
)
def test_what_cannot_be_read_is_told(written: str, said: str) -> None:
    with pytest.raises(SettingsError, match=f"^WIREROOM_CONCURRENCY={written}: {said}"):
        read_settings({"WIREROOM_CONCURRENCY": written})


def test_the_embedded_index_has_one_writer() -> None:
    with pytest.raises(SettingsError, match="the embedded index has one writer; write index=1"):
        read_settings({"WIREROOM_CONCURRENCY": "index=2"})
    elsewhere = {"WIREROOM_CONCURRENCY": "index=2", "WIREROOM_INDEX_URL": "http://localhost:9200"}
    assert read_settings(elsewhere).concurrency.index == 2


@pytest.mark.parametrize(
    ("machine", "processes"),
    [
        (Machine(cores=16.0, memory_bytes=2 * GIB), 5),  # 512 MiB for the others, 300 MiB each
        (Machine(cores=2.0, memory_bytes=24 * GIB), 2),
        (Machine(cores=1.5, memory_bytes=8 * GIB), 1),
        (Machine(cores=0.5, memory_bytes=GIB // 4), 1),
        (Machine(cores=4.0, memory_bytes=None), 4),
    ],
)
def test_as_many_processes_read_articles_as_cores_and_memory_allow(machine: Machine, processes: int) -> None:
    assert enrichers(machine) == processes


@pytest.mark.parametrize(
    "files",
    [
        {"cpu.max": "150000 100000\n", "memory.max": "1073741824\n"},
        {"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n",
         "memory/memory.limit_in_bytes": "1073741824\n"},
        {"up.slice/cpu.max": "150000 100000\n", "up.slice/up.service/memory.max": "1073741824\n"},
    ],
    ids=["container", "version 1", "service"],
)  # fmt: skip
def test_the_limits_of_a_group_count(tmp_path: Path, files: dict[str, str]) -> None:
    own = tmp_path / "own"
    own.write_text("0::/up.slice/up.service\n")
    for name, written in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(written)
    limited = this_machine(tmp_path / "groups", own)
    assert limited == Machine(cores=min(1.5, this_machine().cores), memory_bytes=GIB)


def test_a_group_without_limits_limits_nothing(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    nothing = this_machine(tmp_path / "nowhere", tmp_path / "nowhere")
    assert this_machine(tmp_path, tmp_path / "nowhere") == nothing


def test_it_is_shown_as_it_is_written() -> None:
    environ = {"WIREROOM_CONCURRENCY": "3"}
    (told,) = (
        each for each in origins(read_settings(environ), environ) if each.name == "WIREROOM_CONCURRENCY"
    )
    assert told.value == "poll=16,fetch=32,enrich=3,index=1"
