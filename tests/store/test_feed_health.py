"""What is known of feeds for their health: rhythm, lags, lengths of texts, shared articles."""

import pytest
from sqlalchemy import update

from pipeline.feeds.health import Ailment
from pipeline.store.claims import claim_feeds
from pipeline.store.health import FeedHealth, SharingFeed, read_health
from pipeline.store.polled import record_poll
from pipeline.store.store import Store
from pipeline.store.subscriptions import NewFeed, add_feeds
from pipeline.store.tables import articles, documents, feeds, hosts
from tests.cli.newsroom import OWNER, entry, polled

FEED, SECOND = "https://courier.example/feed.xml", "https://courier.example/world.xml"
DAY = 86_400.0


def clock(store: Store) -> float:
    with store.read() as connection:
        return store.read_clock(connection)


def poll(store: Store, url: str, published: dict[str, float | None], **changed: object) -> None:
    """Poll a feed that shows links, each with the time it was published at."""
    add_feeds(store, [NewFeed(url=url)], interval_s=900)
    with store.write() as connection:
        connection.execute(update(feeds).values(next_poll_at=store.now() + 900))
        connection.execute(update(feeds).where(feeds.c.url == url).values(next_poll_at=0))
        connection.execute(update(hosts).values(next_request_at=0))
    [claim] = claim_feeds(store, owner=OWNER, limit=1)
    shown = polled(*(entry(link, published_at=at) for link, at in published.items()), **changed)
    assert record_poll(store, claim, shown, host_delay_s=0.0)


def links(count: int, name: str = "a") -> list[str]:
    return [f"https://courier.example/{name}{number}" for number in range(count)]


def health(store: Store, url: str = FEED) -> FeedHealth:
    [found] = [each for each in read_health(store) if each.feed.url == url]
    return found


def test_a_feed_that_was_never_polled_has_no_figures(store: Store) -> None:
    add_feeds(store, [NewFeed(url=FEED)], interval_s=900)
    found = health(store)
    assert (found.ailments, found.polls, found.share_304, found.newest_at) == ((), 0, None, None)


def test_a_silence_beyond_the_longest_before_is_told(store: Store) -> None:
    now = clock(store)
    days = {link: now - (20 + 2 * number) * DAY for number, link in enumerate(links(10))}
    poll(store, FEED, days)
    found = health(store)
    assert found.longest_silence_s == pytest.approx(2 * DAY, abs=1)
    assert found.silence_s == pytest.approx(20 * DAY, abs=60)
    assert found.ailments == (Ailment.SILENT,)


def test_an_entry_that_was_old_when_its_feed_was_added_makes_no_rhythm(store: Store) -> None:
    now = clock(store)
    days = {link: now - number * DAY for number, link in enumerate(links(10))}
    poll(store, FEED, days | {"https://courier.example/about": now - 300 * DAY})
    assert health(store).longest_silence_s == pytest.approx(DAY, abs=1)


def test_a_feed_that_fails_is_failing_and_not_silent(store: Store) -> None:
    now = clock(store)
    poll(store, FEED, {link: now - number * 3_600 for number, link in enumerate(links(10))})
    poll(store, FEED, {}, status=503, error="http-503", entries=None, failures=1.0)
    found = health(store)
    assert (found.ailments, found.polls, found.failed) == ((Ailment.FAILING,), 2, 1)


def test_304s_are_a_share_of_the_polls(store: Store) -> None:
    poll(store, FEED, dict.fromkeys(links(2)))
    for _ in range(3):
        poll(store, FEED, {}, status=304, entries=None)
    assert health(store).share_304 == 0.75


def test_lags_run_from_publication_to_first_sight_and_on_to_the_index(store: Store) -> None:
    now = clock(store)
    poll(store, FEED, {"https://courier.example/before": now - 9 * DAY})  # older than the subscription
    with store.write() as connection:
        connection.execute(update(feeds).values(added_at=now - 2 * DAY))
    poll(store, FEED, dict.fromkeys(links(5), now - 4 * 3600))
    with store.write() as connection:
        connection.execute(update(articles).values(indexed_at=articles.c.first_seen_at + 30))
    found = health(store)
    assert found.lag_found_s == pytest.approx(4 * 3_600, abs=60)
    assert found.lag_indexed_s == pytest.approx(30, abs=0.01)
    assert found.ailments == (Ailment.SLOW,)


def test_lengths_of_recent_texts_are_compared_with_those_before(store: Store) -> None:
    poll(store, FEED, dict.fromkeys(links(20)))
    with store.write() as connection:
        for number, link in enumerate(links(20)):
            mine = articles.c.url == link
            connection.execute(update(articles).where(mine).values(first_seen_at=1_000.0 + number))
            [id] = connection.execute(articles.select().with_only_columns(articles.c.id).where(mine)).one()
            made = {"version": 1, "revision": 1, "sha256": "", "document": b"", "extractor": "", "rules": 1}
            length = 4_000 if number < 10 else 900
            connection.execute(documents.insert().values(article_id=id, text_length=length, **made))
    found = health(store)
    assert (found.text_length, found.text_length_before) == (900, 4_000)
    assert Ailment.SHORT in found.ailments


def test_the_smaller_of_two_feeds_of_a_host_that_show_the_same_is_redundant(store: Store) -> None:
    poll(store, FEED, dict.fromkeys(links(10)))
    poll(store, SECOND, dict.fromkeys(links(6)))
    assert health(store, SECOND).shared_with == (SharingFeed(url=FEED, share=1.0),)
    assert health(store, SECOND).ailments == (Ailment.REDUNDANT,)
    assert health(store, FEED).shared_with == ()


def test_of_two_equal_feeds_the_later_one_is_redundant(store: Store) -> None:
    poll(store, FEED, dict.fromkeys(links(6)))
    poll(store, SECOND, dict.fromkeys(links(6)))
    assert health(store, FEED).shared_with == ()
    assert health(store, SECOND).ailments == (Ailment.REDUNDANT,)
