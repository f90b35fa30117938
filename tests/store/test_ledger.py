"""The ledger of polls: what is counted by feed and day, what a gap is, what is our own downtime."""

import time
from dataclasses import replace

from sqlalchemy import case, insert, update

from pipeline.model import FeedKind, FeedState, Request, RequestKind
from pipeline.store.claims import claim_feeds, claim_hosts
from pipeline.store.coverage import Asked, Coverage, FeedDay, read_coverage, today
from pipeline.store.days import day_name, day_of, split_by_day
from pipeline.store.fetched import record_turn
from pipeline.store.frame import Change
from pipeline.store.ledger import count_crashed_poll, down_days
from pipeline.store.polled import record_hop, record_poll
from pipeline.store.status import read_counts
from pipeline.store.store import Store
from pipeline.store.subscriptions import (
    FeedChange,
    NewFeed,
    add_feeds,
    change_feeds,
    list_feeds,
    pause_feeds,
    remove_feeds,
    resume_feeds,
)
from pipeline.store.tables import feeds, hosts
from tests.cli.newsroom import OWNER, entry, polled

FEED, OTHER = "https://courier.example/feed.xml", "https://ledger.example/rss"
A, B, C, D = (f"https://courier.example/{name}" for name in "abcd")
DAY = 86_400.0


def watch(store: Store, *urls: str) -> None:
    add_feeds(store, [NewFeed(url=url) for url in urls], interval_s=900)


def make_due(store: Store, url: str, *, late_s: float = 0.0) -> None:
    with store.write() as connection:
        connection.execute(update(feeds).values(next_poll_at=store.now() + 900))
        connection.execute(update(feeds).where(feeds.c.url == url).values(next_poll_at=store.now() - late_s))
        connection.execute(update(hosts).values(next_request_at=0))


def poll(store: Store, url: str, *links: str, late_s: float = 0.0, **changed: object) -> None:
    """Poll a feed that shows these links; late by so many seconds."""
    make_due(store, url, late_s=late_s)
    [claim] = claim_feeds(store, owner=OWNER, limit=1)
    shown = polled(*(entry(link) for link in links), **changed)
    assert record_poll(store, claim, shown, host_delay_s=0.0)


def request(host: str, octets: int) -> Request:
    """Make a request that has just been answered with so many bytes."""
    now = time.monotonic()
    return Request(
        host=host,
        kind=RequestKind.FEED,
        began=now,
        ended=now,
        status=200,
        bytes=octets,
        is_conditional=False,
        pause_s=None,
    )


def covered(store: Store, *, back_days: int = 0) -> Coverage:
    end = today(store) + 1
    return read_coverage(store, Asked(first_day=end - 1 - back_days, end_day=end))


def of(store: Store, url: str) -> FeedDay:
    [found] = [day for day in covered(store).days if day.feed == url]
    return found


def minutes_down(store: Store) -> dict[str, int]:
    days = covered(store, back_days=1).days
    feeds = {day.feed for day in days}
    return {str(feed): round(sum(day.down_s for day in days if day.feed == feed) / 60) for feed in feeds}


def test_polls_are_counted_by_what_came_of_them(store: Store) -> None:
    watch(store, FEED)
    poll(store, FEED, A, B)
    poll(store, FEED, status=304, entries=None)
    poll(store, FEED, status=200, entries=None)
    poll(store, FEED, status=503, entries=None, error="http-503")
    poll(store, FEED, A, B, C)
    day = of(store, FEED)
    assert (day.polls, day.failed, day.not_modified, day.unchanged) == (5, 1, 1, 1)
    assert (day.entries, day.new, day.waiting) == (3, 3, 3)


def test_a_poll_that_wireroom_fails_at_is_counted_as_failed(store: Store) -> None:
    watch(store, FEED)
    make_due(store, FEED)
    [claim] = claim_feeds(store, owner=OWNER, limit=1)
    count_crashed_poll(store, claim, ())
    assert (of(store, FEED).polls, of(store, FEED).failed) == (1, 1)


def test_a_document_that_shares_no_entry_with_the_one_before_is_a_gap(store: Store) -> None:
    watch(store, FEED)
    poll(store, FEED, A, B)
    assert of(store, FEED).gaps == 0  # the first has none before it
    poll(store, FEED, B, C)
    assert of(store, FEED).gaps == 0
    poll(store, FEED, status=304, entries=None)
    poll(store, FEED, A, D)
    assert of(store, FEED).gaps == 1  # A was there once, but not in the document before


def test_the_same_guid_under_another_link_is_a_shared_entry(store: Store) -> None:
    watch(store, FEED)
    poll(store, FEED, A, B)
    make_due(store, FEED)
    [claim] = claim_feeds(store, owner=OWNER, limit=1)
    moved = replace(entry(C), guid=A)
    assert record_poll(store, claim, polled(moved, entry(D)), host_delay_s=0.0)
    assert of(store, FEED).gaps == 0


def test_a_feed_that_shows_one_entry_cannot_tell(store: Store) -> None:
    watch(store, FEED)
    poll(store, FEED, A)
    poll(store, FEED, B)
    assert (of(store, FEED).gaps, of(store, FEED).gaps_untold) == (0, 1)


def test_a_long_document_is_known_again_by_a_part_of_its_entries(store: Store) -> None:
    links = [f"https://courier.example/{number}" for number in range(2_000)]
    watch(store, FEED)
    poll(store, FEED, *links[:1_990])
    poll(store, FEED, *links[10:])
    assert of(store, FEED).gaps == 0


def test_documents_of_five_hundred_entries_that_share_one_have_no_gap(store: Store) -> None:
    links = [f"https://courier.example/{number}" for number in range(1_499)]
    watch(store, FEED)
    poll(store, FEED, *links[:500])
    poll(store, FEED, links[497], *links[500:999])
    assert of(store, FEED).gaps == 0
    poll(store, FEED, *links[999:])
    assert (of(store, FEED).gaps, of(store, FEED).gaps_untold) == (1, 0)


def test_after_a_document_of_which_a_part_is_known_nobody_can_tell(store: Store) -> None:
    links = [f"https://courier.example/{number}" for number in range(1_200)]
    watch(store, FEED)
    poll(store, FEED, *links[:600])
    poll(store, FEED, *links[600:])
    assert (of(store, FEED).gaps, of(store, FEED).gaps_untold) == (0, 1)


def test_being_late_is_our_own_downtime_on_the_days_that_it_was(store: Store) -> None:
    watch(store, FEED)
    poll(store, FEED, A, late_s=2 * DAY)
    days = covered(store, back_days=2).days
    assert round(sum(day.down_s for day in days)) == 2 * DAY
    assert [round(day.down_s) for day in days][1] == DAY
    assert [day.polls for day in days] == [0, 0, 1]


def test_the_downtime_and_the_bytes_of_a_feed_that_redirects_are_told(store: Store) -> None:
    watch(store, FEED)
    make_due(store, FEED, late_s=7_200)
    [claim] = claim_feeds(store, owner=OWNER, limit=1)
    asked = [request(claim.host, 300)]
    record_hop(store, claim, to=OTHER, temporary=True, host_delay_s=0.0, asked=asked)
    [claim] = claim_feeds(store, owner=OWNER, limit=1)
    asked = [request(claim.host, 2_000)]
    record_poll(store, claim, polled(entry(A)), host_delay_s=0.0, asked=asked)
    days = covered(store, back_days=1).days
    assert round(sum(day.down_s for day in days), -1) == 7_200
    assert (sum(day.polls for day in days), sum(day.bytes for day in days)) == (1, 2_300)


def test_a_minute_is_not_late(store: Store) -> None:
    watch(store, FEED)
    poll(store, FEED, A, late_s=50)
    assert of(store, FEED).down_s == 0


def test_what_is_late_at_this_moment_is_told_before_it_is_polled(store: Store) -> None:
    watch(store, FEED)
    make_due(store, FEED, late_s=DAY)
    assert round(sum(day.down_s for day in covered(store, back_days=1).days)) == DAY


def test_the_feeds_of_one_host_are_told_the_same_downtime_before_and_after_their_polls(store: Store) -> None:
    siblings = [f"https://courier.example/{name}.xml" for name in ("world", "city", "sport")]
    watch(store, *siblings, OTHER)
    with store.write() as connection:
        connection.execute(update(feeds).values(next_poll_at=store.now() - 7_200))
        connection.execute(update(hosts).values(next_request_at=0))
    before = minutes_down(store)
    for _ in (*siblings, OTHER):
        with store.write() as connection:
            # The host rests after each request, and the next feed is asked when that is over.
            rested = case((hosts.c.next_request_at > store.now(), store.now()), else_=hosts.c.next_request_at)
            connection.execute(update(hosts).values(next_request_at=rested))
        [claim] = claim_feeds(store, owner=OWNER, limit=1)
        assert record_poll(store, claim, polled(entry(A)), host_delay_s=30.0)
    assert before == minutes_down(store) == dict.fromkeys((*siblings, OTHER), 120)


def test_a_page_that_is_asked_for_first_hides_no_downtime_of_its_hosts_feeds(store: Store) -> None:
    watch(store, FEED)
    poll(store, FEED, A)
    make_due(store, FEED, late_s=7_200)
    with store.write() as connection:
        connection.execute(update(hosts).values(next_request_at=0))
    [turn] = claim_hosts(store, owner=OWNER, limit=1, pages=1)
    now = time.monotonic()
    asked = Request(
        host=turn.host, kind=RequestKind.PAGE, began=now, ended=now, status=200, bytes=1,
        is_conditional=False, pause_s=None,
    )  # fmt: skip
    record_turn(store, turn, [], delay_s=30.0, robots=None, asked=[asked])
    assert minutes_down(store) == {FEED: 120}


def test_a_pause_that_the_host_asked_for_is_no_downtime(store: Store) -> None:
    watch(store, FEED)
    make_due(store, FEED, late_s=7_200)
    with store.write() as connection:
        connection.execute(update(hosts).values(next_request_at=store.now() - 30))
    assert sum(day.down_s for day in covered(store, back_days=1).days) == 0
    [claim] = claim_feeds(store, owner=OWNER, limit=1)
    record_poll(store, claim, polled(entry(A)), host_delay_s=0.0)
    assert of(store, FEED).down_s == 0


def test_a_paused_feed_is_not_late(store: Store) -> None:
    watch(store, FEED)
    make_due(store, FEED, late_s=7_200)
    pause_feeds(store, [FEED])
    assert covered(store, back_days=1).days == ()


def test_all_days_together_hold_every_article_once(store: Store) -> None:
    watch(store, FEED, OTHER)
    poll(store, FEED, A, B)
    poll(store, OTHER, B, C)
    poll(store, FEED, A, B, C, D)
    days = covered(store).days
    counts = read_counts(store)
    assert sum(day.new for day in days) == counts.total == 4
    assert {day.feed: (day.entries, day.new) for day in days} == {FEED: (4, 3), OTHER: (2, 1)}
    for day in days:
        assert day.new == day.indexed + day.dropped + day.quarantined + day.waiting


def test_tags_and_outlets_choose_feeds(store: Store) -> None:
    watch(store, FEED, OTHER)
    change_feeds(store, [OTHER], FeedChange(add_tags=("money",)))
    poll(store, FEED, A)
    poll(store, OTHER, B)
    end = today(store) + 1
    by_tag = read_coverage(store, Asked(first_day=end - 1, end_day=end, tags=("money",)))
    by_outlet = read_coverage(store, Asked(first_day=end - 1, end_day=end, outlets=("courier.example",)))
    assert [day.feed for day in by_tag.days] == [OTHER]
    assert [day.feed for day in by_outlet.days] == [FEED]
    assert {change.feed for change in by_outlet.changes} == {FEED}


def test_the_frame_tells_when_feeds_were_watched_and_how_they_were_tagged(store: Store) -> None:
    watch(store, FEED)
    change_feeds(store, [FEED], FeedChange(add_tags=("city",)))
    change_feeds(store, [FEED], FeedChange(language="en"))
    pause_feeds(store, [FEED])
    resume_feeds(store, [FEED])
    poll(store, FEED, status=410, entries=None, error="http-410", state=FeedState.GONE)
    remove_feeds(store, [FEED])
    told = [(change.change, change.tags) for change in covered(store).changes]
    assert told == [
        (Change.ADDED, ()),
        (Change.TAGGED, ("city",)),
        (Change.PAUSED, ("city",)),
        (Change.RESUMED, ("city",)),
        (Change.GONE, ("city",)),
        (Change.REMOVED, ("city",)),
    ]


def test_a_removed_feed_keeps_its_days_and_its_number(store: Store) -> None:
    watch(store, FEED)
    poll(store, FEED, A)
    remove_feeds(store, [FEED])
    watch(store, OTHER)
    poll(store, OTHER, B)
    assert {day.feed: day.new for day in covered(store).days} == {FEED: 1, OTHER: 1}
    assert len(list_feeds(store)) == 1


def test_a_news_sitemap_that_robots_txt_names_and_nobody_watches_is_told(store: Store) -> None:
    watch(store, FEED, "https://courier.example/news-1.xml")
    robots = "".join(
        f"Sitemap: https://courier.example/{name}.xml\n" for name in ("news-1", "news-2", "pages")
    )
    elsewhere = {"host": "ledger.example:443", "robots_status": 200, "robots_body": robots.encode()}
    with store.write() as connection:
        connection.execute(insert(hosts).values(elsewhere))
    assert covered(store).unwatched_sitemaps == ()
    with store.write() as connection:
        mine = update(hosts).where(hosts.c.host == "courier.example:443")
        connection.execute(mine.values(robots_status=200, robots_body=robots.encode()))
    (told,) = covered(store).unwatched_sitemaps
    assert (told.outlet, told.sitemap) == ("courier.example", "https://courier.example/news-2.xml")


def test_a_sitemap_is_a_yardstick_for_the_feeds_of_its_outlet(store: Store) -> None:
    sitemap = "https://courier.example/latest.xml"  # what it is called says nothing
    watch(store, FEED, sitemap)
    poll(store, sitemap, A, B, C, kind=FeedKind.SITEMAP)
    poll(store, FEED, B, C, D, kind=FeedKind.FEED)
    [day] = covered(store).sitemaps
    assert (day.sitemap, day.outlet, day.listed, day.shown_by_feeds) == (sitemap, "courier.example", 3, 2)
    remove_feeds(store, [sitemap])
    assert covered(store).sitemaps == (day,)


def test_lateness_is_split_at_midnight() -> None:
    assert list(split_by_day(86_400 - 100, 86_400 + 50)) == [(0, 100), (1, 50)]
    assert down_days(0.0, 59.0) == []
    assert down_days(100.0, 160.0) == [(0, 60.0)]
    assert len(down_days(0.0, 1_000 * DAY)) == 400
    assert (day_of(1_790_000_000.0), day_name(20_717)) == (20_717, "2026-09-21")
