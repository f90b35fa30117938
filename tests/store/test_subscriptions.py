"""Feeds as people manage them."""

import sqlite3
import time

import pytest
from sqlalchemy import event, select

from pipeline.errors import WireroomError
from pipeline.model import FeedState
from pipeline.store.claims import claim_feeds
from pipeline.store.store import Store
from pipeline.store.subscriptions import (
    AT_ONCE,
    FeedChange,
    NewFeed,
    add_feeds,
    change_feeds,
    find_feeds,
    list_feeds,
    pause_feeds,
    poll_feeds,
    remove_feeds,
    resume_feeds,
    tag_each,
)
from pipeline.store.tables import feeds, sightings
from tests.cli.newsroom import BRIDGE, FEED, HARBOUR, OWNER, entry, poll

DAY_S = 86_400.0


def add(store: Store, *urls: str) -> tuple[str, ...]:
    return add_feeds(store, [NewFeed(url=url) for url in urls], interval_s=900.0)


def test_a_new_feed_can_be_claimed_at_once(store: Store) -> None:
    add(store, FEED)
    assert [claim.url for claim in claim_feeds(store, owner=OWNER, limit=10)] == [FEED]


@pytest.mark.parametrize(
    "spelling", [FEED, "http://courier.example/feed.xml", "https://COURIER.example:443/feed.xml#top"]
)
def test_one_feed_in_two_spellings_is_watched_once(store: Store, spelling: str) -> None:
    assert add(store, FEED) == (FEED,)
    assert add(store, spelling) == ()
    assert [feed.url for feed in find_feeds(store, [spelling])] == [FEED]


def test_a_list_that_repeats_a_feed_adds_it_once(store: Store) -> None:
    assert add(store, FEED, "http://courier.example/feed.xml") == (FEED,)


def test_a_list_longer_than_a_statement_can_be_is_tagged_paused_resumed_and_removed(store: Store) -> None:
    if store.engine.dialect.name == "sqlite":  # held to a limit below its own
        event.listen(store.engine, "connect", _limit_variables)
        store.engine.dispose()
    urls = [f"https://courier.example/{number}" for number in range(1_500)]
    add(store, *urls)
    assert len(tag_each(store, [NewFeed(url=url, tags=("city",)) for url in urls])) == len(urls)
    assert len(pause_feeds(store, urls)) == len(resume_feeds(store, urls)) == len(remove_feeds(store, urls))
    assert list_feeds(store) == ()


def _limit_variables(connection: sqlite3.Connection, record: object) -> None:
    connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 1_200)


def test_what_is_no_url_is_no_feed(store: Store) -> None:
    with pytest.raises(ValueError, match="mailto:"):
        add(store, "mailto:editor@courier.example")
    assert list_feeds(store) == ()


def test_the_first_thousand_feeds_of_a_list_are_due_at_once_and_the_rest_soon(store: Store) -> None:
    add(store, *(f"https://courier.example/{number}" for number in range(AT_ONCE + 20)))
    with store.read() as connection:
        due = sorted(connection.execute(select(feeds.c.next_poll_at)).scalars())
    assert due[AT_ONCE - 1] == due[0]
    assert due[-1] - due[0] == pytest.approx(1.0)


def test_entries_a_week_are_counted_by_publication_over_the_time_that_is_known(store: Store) -> None:
    now = time.time()
    ages = {BRIDGE: 2 * DAY_S, HARBOUR: 14 * DAY_S, "https://courier.example/old": 29 * DAY_S}
    poll(store, FEED, *(entry(link, published_at=now - age) for link, age in ages.items()))
    assert [feed.entries_per_week for feed in list_feeds(store)] == [1.0]


def test_an_entry_dated_in_the_future_does_not_count(store: Store) -> None:
    now = time.time()
    poll(store, FEED, entry(BRIDGE, published_at=now + DAY_S), entry(HARBOUR, published_at=now - 14 * DAY_S))
    assert [feed.entries_per_week for feed in list_feeds(store)] == [0.5]


def test_tags_keep_their_order_and_are_each_there_once(store: Store) -> None:
    add_feeds(store, [NewFeed(url=FEED, tags=("b", "a", "b"))], interval_s=900.0)
    change_feeds(store, [FEED], FeedChange(add_tags=("c", "a"), drop_tags=("b",)))
    assert [feed.tags for feed in list_feeds(store)] == [("a", "c")]


def test_a_change_touches_nothing_else(store: Store) -> None:
    add_feeds(store, [NewFeed(url=FEED, language="fr", tags=("a",))], interval_s=900.0)
    change_feeds(store, [FEED], FeedChange(min_interval_s=3600.0))
    [feed] = list_feeds(store)
    assert (feed.language, feed.tags, feed.min_interval_s) == ("fr", ("a",), 3600.0)


def test_a_paused_feed_is_not_claimed_and_a_resumed_one_is(store: Store) -> None:
    add(store, FEED)
    assert pause_feeds(store, [FEED]) == (FEED,)
    assert pause_feeds(store, [FEED]) == ()
    assert claim_feeds(store, owner=OWNER, limit=10) == ()
    assert resume_feeds(store, [FEED]) == (FEED,)
    assert len(claim_feeds(store, owner=OWNER, limit=10)) == 1


def test_a_feed_that_was_polled_is_due_again_on_demand(store: Store) -> None:
    poll(store, FEED, entry(BRIDGE))
    assert claim_feeds(store, owner=OWNER, limit=10) == ()
    assert [feed.url for feed in poll_feeds(store, [FEED])] == [FEED]
    assert len(claim_feeds(store, owner=OWNER, limit=10)) == 1


def test_a_paused_feed_is_not_polled_on_demand(store: Store) -> None:
    add(store, FEED)
    pause_feeds(store, [FEED])
    with pytest.raises(WireroomError, match="is paused"):
        poll_feeds(store, [FEED])


def test_a_gone_feed_can_be_resumed(store: Store) -> None:
    poll(store, FEED, state=FeedState.GONE, status=410, error="http-410", failures=1.0, entries=None)
    resume_feeds(store, [FEED])
    assert [(feed.state, feed.failures) for feed in list_feeds(store)] == [(FeedState.ACTIVE, 0)]


def test_removing_a_feed_keeps_what_it_said(store: Store) -> None:
    poll(store, FEED, entry(BRIDGE))
    remove_feeds(store, [FEED])
    assert list_feeds(store) == ()
    with store.read() as connection:
        assert connection.execute(select(sightings.c.feed_url)).scalars().all() == [FEED]


def test_one_unknown_feed_leaves_all_as_they_were(store: Store) -> None:
    add(store, FEED)
    with pytest.raises(WireroomError, match=r"nobody\.example"):
        remove_feeds(store, [FEED, "https://nobody.example/feed"])
    assert len(list_feeds(store)) == 1
