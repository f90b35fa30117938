"""A clock that is set while everything runs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.settings import read_settings
from workers.app import beat_schedule
from workers.clock import ClockWatch, SteadyClock

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTES = [(0, 0), (1, 1), (2, -60), (3, -59)]  # that went by, and that the wall says


def test_dates_never_go_back() -> None:
    at = [0, 0]
    clock = SteadyClock(wall=lambda: NOON + timedelta(minutes=at[1]), elapsed_s=lambda: 60.0 * at[0])
    told = []
    for at[0], at[1] in MINUTES:
        told.append((clock.now() - NOON) / timedelta(minutes=1))
    assert told == [0, 1, 2, 3]


def test_a_clock_that_was_set_forward_is_followed() -> None:
    at = [NOON]
    clock = SteadyClock(wall=lambda: at[0], elapsed_s=lambda: 0.0)
    at[0] += timedelta(hours=1)
    assert clock.now() == NOON + timedelta(hours=1)
    at[0] = NOON
    assert clock.now() == NOON + timedelta(hours=1)


@pytest.mark.parametrize(
    ("wall_s", "expected"), [(3610.0, 0.0), (10.0, 0.0), (7.0, 0.0), (-3590.0, 3600.0), (1.0, 9.0)]
)
def test_a_step_back_is_noticed_once(wall_s: float, expected: float) -> None:
    at = [0.0, 0.0]
    watch = ClockWatch(wall_s=lambda: at[0], elapsed_s=lambda: at[1])
    at[:] = [wall_s, 10.0]
    assert watch.set_back_s() == expected
    at[:] = [wall_s + 1, 11.0]
    assert watch.set_back_s() == 0.0


def test_a_tick_is_heard_by_a_worker_whose_clock_is_an_hour_ahead(tmp_path: Path) -> None:
    entries = beat_schedule(read_settings({"WIREROOM_HOME": str(tmp_path)}))
    assert {name: entry["options"]["expires"] > 3600 for name, entry in entries.items()} == {
        "tick": True,
        "tidy": True,
    }
