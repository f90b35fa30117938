"""A clock that is set while everything runs."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from pipeline.model import Stage
from pipeline.settings import read_settings
from pipeline.store.due import due_stages
from pipeline.store.migrations import migrate
from pipeline.store.store import Store, open_store
from pipeline.store.tables import articles, hosts
from tests.cli.newsroom import BRIDGE, FEED, entry, poll
from workers.app import beat_schedule
from workers.clock import ClockWatch, SteadyClock, Step, follow_clock

HOUR = 3600.0
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


class Hands:
    """Two clocks for a watch: what the wall says, and how much time went by."""

    def __init__(self) -> None:
        self.wall_s = self.elapsed_s = 0.0

    def watch(self) -> ClockWatch:
        return ClockWatch(wall_s=lambda: self.wall_s, elapsed_s=lambda: self.elapsed_s)

    def turn(self, *, by_s: float, set_by_s: float = 0.0) -> None:
        """Let time go by, and somebody set the wall's clock."""
        self.elapsed_s += by_s
        self.wall_s += by_s + set_by_s


@pytest.mark.parametrize(
    ("set_by_s", "expected"),
    [
        (HOUR, None),
        (0.0, None),
        (-3.0, None),
        (-9.0, Step(by_s=9.0, within_s=10.0)),
        (-HOUR, Step(by_s=HOUR, within_s=10.0)),
    ],
)
def test_a_step_back_is_noticed(set_by_s: float, expected: Step | None) -> None:
    hands = Hands()
    watch = hands.watch()
    hands.turn(by_s=10.0, set_by_s=set_by_s)
    assert watch.step() == expected


def test_a_step_back_is_told_until_it_was_followed() -> None:
    hands = Hands()
    watch = hands.watch()
    hands.turn(by_s=10.0, set_by_s=-HOUR)
    assert watch.step() == Step(by_s=HOUR, within_s=10.0)
    hands.turn(by_s=20.0)
    step = watch.step()
    assert step == Step(by_s=HOUR, within_s=30.0)
    watch.followed(step)
    hands.turn(by_s=1.0)
    assert watch.step() is None


def test_a_step_that_comes_while_another_is_followed_is_told_next() -> None:
    hands = Hands()
    watch = hands.watch()
    hands.turn(by_s=10.0, set_by_s=-HOUR)
    first = watch.step()
    assert first is not None
    hands.turn(by_s=1.0, set_by_s=-60.0)
    watch.followed(first)
    hands.turn(by_s=1.0)
    assert watch.step() == Step(by_s=60.0, within_s=2.0)


def test_a_step_back_that_is_taken_back_is_none() -> None:
    hands = Hands()
    watch = hands.watch()
    hands.turn(by_s=10.0, set_by_s=-HOUR)
    assert watch.step() is not None
    hands.turn(by_s=10.0, set_by_s=HOUR)
    assert watch.step() is None


def test_a_step_back_is_made_good_when_the_store_was_locked_at_first(tmp_path: Path) -> None:
    path = f"sqlite:///{tmp_path / 'wireroom.db'}"
    with closing(open_store(path)) as store, closing(open_store(path)) as other:
        migrate(store)
        poll(store, FEED, entry(BRIDGE))
        with store.write() as connection:
            in_an_hour = {"due_at": store.now() + HOUR, "stage": "fetch"}
            connection.execute(update(articles).values(**in_an_hour))
        with store.read() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=10")  # in the one connection that it keeps
        hands = Hands()
        watch = hands.watch()
        hands.turn(by_s=1.0, set_by_s=-HOUR)
        with other.write(), pytest.raises(OperationalError, match="database is locked"):
            follow_clock(store, watch)
        assert Stage.FETCH not in due_now(store)
        follow_clock(store, watch)
        assert Stage.FETCH in due_now(store)


def due_now(store: Store) -> set[Stage]:
    with store.write() as connection:
        connection.execute(update(hosts).values(next_request_at=0))
    return set(due_stages(store))


def test_a_tick_is_heard_by_a_worker_whose_clock_is_an_hour_ahead(tmp_path: Path) -> None:
    entries = beat_schedule(read_settings({"WIREROOM_HOME": str(tmp_path)}))
    assert {name: entry["options"]["expires"] > 3600 for name, entry in entries.items()} == {
        "tick": True,
        "tidy": True,
    }
