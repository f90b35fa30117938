"""What was due by a clock that was then set back."""

import pytest
from sqlalchemy import insert, select

from pipeline.store.set_back import move_back
from pipeline.store.store import Store
from pipeline.store.subscriptions import NewFeed, add_feeds
from pipeline.store.tables import feeds, hosts

HOUR = 3600.0


def set_next_poll(store: Store, in_s: float) -> None:
    add_feeds(store, [NewFeed(url="https://news.example/feed")], interval_s=60.0)
    with store.write() as connection:
        connection.execute(feeds.update().values(next_poll_at=store.now() + in_s))


def next_poll_in(store: Store) -> float:
    with store.read() as connection:
        return connection.execute(select(feeds.c.next_poll_at - store.now())).scalar_one()


def test_a_poll_that_was_due_in_a_minute_is_due_in_a_minute_still(store: Store) -> None:
    set_next_poll(store, HOUR + 60.0)  # by the clock that has just been set back by an hour
    assert move_back(store, HOUR) == 1
    assert 50.0 < next_poll_in(store) <= 60.0


def test_what_was_planned_after_the_step_stays(store: Store) -> None:
    set_next_poll(store, 60.0)
    assert move_back(store, HOUR) == 0
    assert 50.0 < next_poll_in(store) <= 60.0


def test_a_host_that_asked_for_a_pause_gets_no_longer_one(store: Store) -> None:
    with store.write() as connection:
        now = store.read_clock(connection)
        connection.execute(insert(hosts).values(host="news.example:443", next_request_at=now + HOUR + 60))
    assert move_back(store, HOUR) == 1
    with store.read() as connection:
        pause_s = connection.execute(select(hosts.c.next_request_at - now)).scalar_one()
    assert pause_s == pytest.approx(60.0, abs=1e-3)
