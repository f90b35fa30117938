"""What was due by a clock that was then set back."""

from typing import Any

import pytest
from sqlalchemy import Column, Double, insert, select, update

from pipeline.model import Stage
from pipeline.store.duty_tables import DUTY, heartbeats
from pipeline.store.ledger_tables import LEDGER, host_marks
from pipeline.store.set_back import MOMENTS, move_back
from pipeline.store.store import Store
from pipeline.store.subscriptions import NewFeed, add_feeds
from pipeline.store.tables import articles, feed_sitemaps, feeds, generations, hosts, metadata
from tests.cli.newsroom import BRIDGE, FEED, entry, poll

HOUR, MINUTE = 3600.0, 60.0
WITHIN_S = 1.0
HOST = "news.example:443"

# Columns of the tables that hold times, or other numbers with fractions, and stay as they are.
TOLD = {  # when something was, as other places tell it, too; nothing waits for it
    "articles": {"first_seen_at", "indexed_at", "text_dropped_at"},
    "cursors": {"saved_at"},
    "events": {"at"},
    "feed_changes": {"at"},
    "feed_moves": {"at", "undone_at"},
    "feeds": {"added_at", "state_since"},
    "generations": {"created_at"},
    "pages": {"fetched_at"},
    "reprocessing": {"begun_at"},
    "reruns": {"at"},
    "sightings": {"seen_at"},
}
ORDER = {  # what is put in order, or found again, by these
    "articles": {"news_at", "fair_at"},
    "cursors": {"read_at"},
    "shipped_events": {"at"},
}
PUBLISHED = {  # what publishers say
    "feed_sitemaps": {"changed_at", "read_changed_at"},
    "sightings": {"published_at", "updated_at"},
}
NO_MOMENTS = {
    "feed_days": {"down_s"},
    "feeds": {"interval_s", "min_interval_s", "max_interval_s", "failures"},
    "host_days": {"shortest_gap_s", "delay_s"},
    "hosts": {"crawl_delay_s"},
    "reprocessing": {"rate"},
}


@pytest.fixture
def watched(store: Store) -> Store:
    """Give a store with a feed, a host and an article that waits for its page."""
    add_feeds(store, [NewFeed(url=FEED)], interval_s=60.0)
    poll(store, FEED, entry(BRIDGE))
    return store


def put(store: Store, column: Column[Any], in_s: float) -> None:
    """Let a moment be so long after now, by the clock that has just been set back."""
    with store.write() as connection:
        connection.execute(update(column.table).values({column: store.read_clock(connection) + in_s}))


def comes_in(store: Store, column: Column[Any]) -> float:
    """Tell in how many seconds a moment comes."""
    with store.read() as connection:
        at = connection.execute(select(column).where(column.is_not(None))).scalars().first()
        assert at is not None
        return float(at) - store.read_clock(connection)


def roughly(seconds: float) -> Any:
    return pytest.approx(seconds, abs=10.0)


@pytest.mark.parametrize("column", [feeds.c.next_poll_at, articles.c.due_at, articles.c.refetch_at], ids=str)
@pytest.mark.parametrize("due_in_s", [-HOUR + MINUTE, -MINUTE, 0.0, MINUTE, HOUR, 30 * HOUR])
def test_what_was_due_by_the_old_clock_is_due_as_soon_by_the_new_one(
    watched: Store, column: Column[Any], due_in_s: float
) -> None:
    put(watched, feeds.c.last_polled_at, HOUR - 10 * MINUTE)
    put(watched, column, HOUR + due_in_s)
    move_back(watched, HOUR, within_s=WITHIN_S)
    assert comes_in(watched, column) == roughly(due_in_s)


@pytest.mark.parametrize("in_s", [-HOUR, -1.0])
def test_what_is_due_by_the_new_clock_already_is_left_alone(watched: Store, in_s: float) -> None:
    put(watched, articles.c.due_at, in_s)
    move_back(watched, HOUR, within_s=WITHIN_S)
    assert comes_in(watched, articles.c.due_at) == roughly(in_s)


@pytest.mark.parametrize("polled_s", [-0.5, 0.0])
@pytest.mark.parametrize("column", [feeds.c.next_poll_at, feeds.c.not_before], ids=str)
def test_a_feed_that_was_polled_since_the_step_is_polled_when_it_was_to_be(
    watched: Store, column: Column[Any], polled_s: float
) -> None:
    put(watched, feeds.c.last_polled_at, polled_s)
    put(watched, column, MINUTE)
    move_back(watched, HOUR, within_s=WITHIN_S)
    assert comes_in(watched, column) == roughly(MINUTE)


@pytest.mark.parametrize(
    ("asked_s", "rests_s", "expected_s"),
    [
        pytest.param(HOUR - 600, HOUR - 590, -590.0, id="over by the old clock"),
        pytest.param(HOUR - 5, HOUR + 60, 60.0, id="asked by the old clock"),
        pytest.param(-6 * HOUR, HOUR + 60, 60.0, id="asked for a long pause long ago"),
        pytest.param(-0.5, 60.0, 60.0, id="asked since the step"),
        pytest.param(-0.5, 2 * HOUR, 2 * HOUR, id="asked for a long pause since the step"),
    ],
)
def test_a_host_rests_for_as_long_as_it_asked_for_and_no_longer(
    watched: Store, asked_s: float, rests_s: float, expected_s: float
) -> None:
    with watched.write() as connection:
        connection.execute(update(hosts).values(host=HOST))
        connection.execute(insert(host_marks).values(host=HOST, ended_at=0))
    put(watched, host_marks.c.ended_at, asked_s)
    put(watched, hosts.c.next_request_at, rests_s)
    move_back(watched, HOUR, within_s=WITHIN_S)
    assert comes_in(watched, hosts.c.next_request_at) == roughly(expected_s)


def test_a_sitemap_of_an_index_is_asked_again_as_soon(watched: Store) -> None:
    with watched.write() as connection:
        row = {"feed_id": 1, "url": "https://news.example/sitemap.xml", "depth": 1, "not_before": 0}
        connection.execute(insert(feed_sitemaps).values(**row))
    put(watched, feed_sitemaps.c.asked_at, HOUR - 600)
    put(watched, feed_sitemaps.c.not_before, HOUR + 600)
    move_back(watched, HOUR, within_s=WITHIN_S)
    assert comes_in(watched, feed_sitemaps.c.not_before) == roughly(600.0)


@pytest.mark.parametrize(
    ("until_s", "expected_s"),
    [pytest.param(120.0, 120.0, id="since the step"), pytest.param(HOUR + 60, 60.0, id="before it")],
)
def test_no_lease_is_cut_short_and_none_lasts_for_an_hour(
    watched: Store, until_s: float, expected_s: float
) -> None:
    put(watched, articles.c.lease_until, until_s)
    move_back(watched, HOUR, within_s=WITHIN_S)
    assert comes_in(watched, articles.c.lease_until) == roughly(expected_s)


def test_index_rests_no_longer_for_a_rebuild_than_it_was_to(store: Store) -> None:
    with store.write() as connection:
        connection.execute(insert(generations).values(name="g", state="building", created_at=0))
    put(store, generations.c.paused_until, HOUR + 20)
    move_back(store, HOUR, within_s=WITHIN_S)
    assert comes_in(store, generations.c.paused_until) == roughly(20.0)


def test_who_stood_still_by_the_old_clock_stands_still_by_the_new_one(store: Store) -> None:
    with store.write() as connection:
        connection.execute(insert(heartbeats).values(worker="here:1", stage=Stage.FETCH, at=0))
    put(store, heartbeats.c.at, HOUR - 200)
    move_back(store, HOUR, within_s=WITHIN_S)
    assert comes_in(store, heartbeats.c.at) == roughly(-200.0)


def test_every_time_in_the_store_moves_or_is_known_to_stay() -> None:
    times = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, Double)
    }
    stay = {
        f"{table}.{name}"
        for kind in (TOLD, ORDER, PUBLISHED, NO_MOMENTS)
        for table, names in kind.items()
        for name in names
    }
    move = {f"{each.column.table.name}.{each.column.name}" for each in MOMENTS}
    assert {each.name for each in (*LEDGER, *DUTY)} <= metadata.tables.keys()
    assert move & stay == set()
    assert move | stay == times
