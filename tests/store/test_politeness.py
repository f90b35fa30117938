"""The politeness ledger: what a host was asked, how far apart, and whether what it asked for was kept."""

import time
from dataclasses import replace

import pytest
from sqlalchemy import update

from pipeline.model import Request, RequestKind
from pipeline.store.asked_hosts import AskedHost, read_hosts
from pipeline.store.claims import claim_feeds, claim_host, claim_hosts
from pipeline.store.fetched import record_turn
from pipeline.store.ledger_tables import feed_marks, host_marks
from pipeline.store.politeness import count_requests
from pipeline.store.polled import record_hop, record_poll
from pipeline.store.store import Store
from pipeline.store.subscriptions import NewFeed, add_feeds, remove_feeds
from tests.cli.newsroom import OWNER, entry, polled

FEED = "https://courier.example/feed.xml"
HOST = "courier.example:443"


def request(*, ago: float = 0.0, lasting: float = 0.5, **changed: object) -> Request:
    """Make a request that ended so many seconds ago."""
    ended = time.monotonic() - ago
    plain = Request(
        host=HOST,
        kind=RequestKind.PAGE,
        began=ended - lasting,
        ended=ended,
        status=200,
        bytes=1_000,
        is_conditional=False,
        pause_s=None,
    )
    return replace(plain, **changed)  # type: ignore[arg-type]


def told(store: Store) -> AskedHost:
    [host] = read_hosts(store, "courier.example")
    return host


def test_a_poll_and_a_turn_count_their_requests(store: Store) -> None:
    add_feeds(store, [NewFeed(url=FEED)], interval_s=900)
    [claim] = claim_feeds(store, owner=OWNER, limit=1)
    asked = [request(ago=20, kind=RequestKind.FEED, status=304, is_conditional=True, bytes=0)]
    shown = polled(entry("https://courier.example/a"))
    assert record_poll(store, claim, shown, host_delay_s=0.0, asked=asked)
    [turn] = claim_hosts(store, owner=OWNER, limit=1, pages=1)
    asked = [request(ago=10, kind=RequestKind.ROBOTS), request(ago=3)]
    record_turn(store, turn, [], delay_s=5.0, robots=None, asked=asked)
    total = told(store).total
    assert (total.requests, total.feed, total.page, total.robots) == (3, 1, 1, 1)
    assert (total.conditional, total.not_modified, total.bytes) == (1, 1, 2_000)
    assert total.shortest_gap_s == pytest.approx(6.5, abs=0.3)
    assert total.delay_s == 0.0


@pytest.mark.parametrize("leads_on", [False, True])
def test_a_poll_that_lost_its_feed_frees_its_host_and_counts_its_requests(
    store: Store, leads_on: bool
) -> None:
    add_feeds(store, [NewFeed(url=FEED)], interval_s=900)
    [claim] = claim_feeds(store, owner=OWNER, limit=1)
    remove_feeds(store, [FEED])
    asked = [request(kind=RequestKind.FEED)]
    if leads_on:
        record_hop(store, claim, to=FEED + "?2", temporary=True, host_delay_s=0.0, asked=asked)
    else:
        assert record_poll(store, claim, polled(), host_delay_s=0.0, asked=asked) is None
    assert told(store).total.feed == 1
    assert claim_host(store, HOST, owner="elsewhere:2:test:0")


def test_the_shortest_pause_is_kept_over_all_transactions(store: Store) -> None:
    count_requests(store, [request(ago=60), request(ago=50)])
    count_requests(store, [request(ago=47)])
    count_requests(store, [request(ago=30)])
    assert told(store).total.shortest_gap_s == pytest.approx(2.5, abs=0.3)


def test_a_pause_that_is_too_short_shows(store: Store) -> None:
    add_feeds(store, [NewFeed(url=FEED)], interval_s=900)
    [claim] = claim_feeds(store, owner=OWNER, limit=1)
    close = [request(ago=10), request(ago=8)]
    assert record_poll(store, claim, polled(), host_delay_s=5.0, asked=close)
    assert not told(store).total.is_spaced


def test_a_single_request_keeps_any_pause(store: Store) -> None:
    count_requests(store, [request()])
    assert told(store).total.shortest_gap_s is None
    assert told(store).total.is_spaced


@pytest.mark.parametrize(("wait_s", "kept"), [(30.0, 1), (90.0, 0)])
def test_retry_after_counts_as_kept_when_the_next_request_came_later(
    store: Store, wait_s: float, kept: int
) -> None:
    count_requests(store, [request(ago=60, status=429, pause_s=wait_s)])
    assert (told(store).total.hints, told(store).total.limited) == (0, 1)  # nobody can tell yet
    count_requests(store, [request()])
    assert (told(store).total.hints, told(store).total.hints_kept) == (1, kept)


@pytest.mark.parametrize(("wait_s", "kept"), [(60.0, 1), (600.0, 0)])
def test_a_feeds_own_hint_is_checked_by_its_next_poll(store: Store, wait_s: float, kept: int) -> None:
    add_feeds(store, [NewFeed(url=FEED)], interval_s=900)
    [claim] = claim_feeds(store, owner=OWNER, limit=1)
    record_poll(store, claim, polled(wait_s=0.0, asked_s=wait_s), host_delay_s=0.0, asked=[request(ago=5)])
    with store.write() as connection:  # five minutes go by
        connection.execute(update(feed_marks).values(hint_until=feed_marks.c.hint_until - 300))
        connection.execute(update(host_marks).values(ended_at=host_marks.c.ended_at - 300))
    [claim] = claim_feeds(store, owner=OWNER, limit=1)
    record_poll(store, claim, polled(), host_delay_s=0.0, asked=[request()])
    assert (told(store).total.hints, told(store).total.hints_kept) == (1, kept)


def test_requests_before_and_after_midnight_are_of_two_days(store: Store) -> None:
    count_requests(store, [request(ago=86_400), request()])
    host = told(store)
    assert [counts.requests for _, counts in host.days] == [1, 1]
    assert host.total.shortest_gap_s == pytest.approx(86_399.5, abs=0.3)


def test_a_host_is_found_by_name_with_all_its_ports_and_nothing_else(store: Store) -> None:
    names = (HOST, "courier.example:8443", "xcourier.example:443")
    count_requests(store, [request(host=name) for name in names])
    assert {each.host for each in read_hosts(store, "courier.example")} == {HOST, "courier.example:8443"}
    assert {each.host for each in read_hosts(store, HOST)} == {HOST}
    assert read_hosts(store, "%") == ()
    assert len(read_hosts(store)) == 3
