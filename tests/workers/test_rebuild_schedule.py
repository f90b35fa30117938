"""The rebuild that comes by itself."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.services import open_services, set_up
from pipeline.settings import Settings, read_settings
from pipeline.store.generations import live_generation
from workers.app import beat_schedule
from workers.schedule import REINDEX, Calendar, reindex_schedule, start_reindex


def scheduled(home: Path, schedule: str) -> Settings:
    return read_settings({"WIREROOM_HOME": str(home), "WIREROOM_REINDEX_SCHEDULE": schedule})


def test_beat_rebuilds_when_the_schedule_says_and_by_default_never(tmp_path: Path) -> None:
    assert "reindex" not in beat_schedule(scheduled(tmp_path, ""))
    entry = beat_schedule(scheduled(tmp_path, "30 3 * * sun"))["reindex"]
    assert (entry["task"], entry["options"]["queue"]) == (REINDEX, "index")


def test_a_schedule_falls_due_once_each_time(tmp_path: Path) -> None:
    at = [datetime(2026, 3, 1, 3, 29, tzinfo=UTC)]
    schedule = reindex_schedule(scheduled(tmp_path, "30 3 * * sun"), now=lambda: at[0])
    calendar = Calendar(schedule)
    due = []
    for minutes in range(4):
        at[0] = datetime(2026, 3, 1, 3, 29, tzinfo=UTC) + timedelta(minutes=minutes)
        due.append(calendar.is_due())
    assert due == [False, True, False, False]
    at[0] += timedelta(days=7)
    assert calendar.is_due()


def test_without_a_schedule_nothing_falls_due(tmp_path: Path) -> None:
    assert not Calendar(reindex_schedule(scheduled(tmp_path, ""))).is_due()


@pytest.mark.parametrize("schedule", ["daily", "30 3 * *", "30 3 * * sun extra"])
def test_a_schedule_of_another_shape_is_refused(tmp_path: Path, schedule: str) -> None:
    with pytest.raises(SettingsError, match=r"WIREROOM_REINDEX_SCHEDULE=.*five fields"):
        scheduled(tmp_path, schedule)


def test_a_schedule_of_times_that_are_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="WIREROOM_REINDEX_SCHEDULE=99 3 "):
        reindex_schedule(scheduled(tmp_path, "99 3 * * sun"))


@pytest.mark.parametrize("name", ["reindex.log", None])
def test_what_is_started_is_a_whole_rebuild_that_needs_no_file_of_its_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str | None
) -> None:
    settings = scheduled(tmp_path / "home", "30 3 * * sun")
    set_up(settings)
    log = tmp_path / name if name else None
    assert start_reindex(settings, log=log).wait(120) == 0
    services = open_services(settings)
    assert live_generation(services.store) == services.generations.exposed() is not None
    services.close()
    assert "equal: it is searched now" in (log.read_text() if log else capfd.readouterr().out)
    assert not settings.log_folder.exists()  # Compose mounts the home of index read-only
