"""What was watched, what was asked, what came of it and what may have been missed: by feed and day (UTC).

Counters of polls are those of the ledger. Articles are counted as they stand now, each once: on the day on
which it was first seen, for the feed that showed it first.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from sqlalchemy import Connection, Select, and_, case, func, select

from pipeline.identity import outlet_of, url_key
from pipeline.model import State
from pipeline.store.children import UnreadSitemap, read_unread
from pipeline.store.claims import due_feed
from pipeline.store.days import DAY_S, day_in_sql, day_name, day_of
from pipeline.store.frame import FrameChange, read_frame
from pipeline.store.leases import free
from pipeline.store.ledger import down_days
from pipeline.store.ledger_tables import FEED_COUNTERS, feed_days
from pipeline.store.sitemaps import (
    KnownFeed,
    SitemapDay,
    UnwatchedSitemap,
    read_sitemap_days,
    read_unwatched_sitemaps,
)
from pipeline.store.store import Store
from pipeline.store.tables import articles, feeds, hosts

OUTCOMES = ("new", "indexed", "partial", "dropped", "quarantined", "waiting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Say which days and feeds are wanted: whole days of UTC, from the first up to before the last."""

    first_day: int
    end_day: int
    tags: tuple[str, ...] = ()  # feeds that have one of them
    outlets: tuple[str, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Tell whether all feeds are wanted."""
        return not (self.tags or self.outlets)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedDay:
    """Hold one feed's day; new = indexed + dropped + quarantined + waiting, partial are of the indexed."""

    day: str
    feed: str | None  # None: of articles found before it was written down by which feed
    polls: int = 0
    failed: int = 0
    not_modified: int = 0  # 304
    unchanged: int = 0  # 200 with the same body
    gaps: int = 0
    gaps_untold: int = 0
    down_s: float = 0.0  # the feed was due, its host free, and nobody asked
    entries: int = 0  # that this feed had not shown before
    edited: int = 0
    bytes: int = 0
    new: int = 0
    indexed: int = 0
    partial: int = 0
    dropped: int = 0
    quarantined: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Hold the answer: days by feed, the frame up to its end; what sitemaps listed, which more there are, and
    which of an index are not read yet. And the tags and outlets asked for that no feed has, nor ever had."""

    first_day: str
    last_day: str
    counted_since: str | None  # the first day with counters of polls
    days: tuple[FeedDay, ...]
    changes: tuple[FrameChange, ...]
    sitemaps: tuple[SitemapDay, ...]
    unwatched_sitemaps: tuple[UnwatchedSitemap, ...]
    unread_sitemaps: tuple[UnreadSitemap, ...]
    unknown_tags: tuple[str, ...]
    unknown_outlets: tuple[str, ...]


def today(store: Store) -> int:
    """Number the present day by the store's clock."""
    with store.read() as connection:
        return day_of(store.read_clock(connection))


def read_coverage(store: Store, asked: Asked) -> Coverage:
    """Read what is known of the days and feeds that are wanted."""
    with store.read() as connection:
        log = read_frame(connection, until=inf)
        frame = [change for change in log if change.at < asked.end_day * DAY_S]
        feeds_then = _known_feeds(connection, frame)
        known = {feed_id: feed for feed_id, feed in feeds_then.items() if _is_wanted(feed, asked)}
        tags, outlets = _names(feeds_then.values(), log)
        rows: dict[tuple[int | None, int], dict[str, Any]] = {}
        for counted in (_polls(connection, asked), _outcomes(connection, asked)):
            for key, values in counted.items():
                rows.setdefault(key, {}).update(values)
        for key, seconds in _down_now(connection, store, asked).items():
            row = rows.setdefault(key, {})
            row["down_s"] = row.get("down_s", 0.0) + seconds
        began = connection.execute(select(func.min(feed_days.c.day))).scalar_one()
        return Coverage(
            first_day=day_name(asked.first_day),
            last_day=day_name(asked.end_day - 1),
            counted_since=None if began is None else day_name(began),
            days=_named(rows, known, asked),
            changes=tuple(change for change in frame if change.feed_id in known),
            sitemaps=read_sitemap_days(connection, asked.first_day, asked.end_day, known),
            unwatched_sitemaps=read_unwatched_sitemaps(connection, known),
            unread_sitemaps=tuple(each for each in read_unread(connection) if each.feed_id in known),
            unknown_tags=tuple(name for name in asked.tags if name not in tags),
            unknown_outlets=tuple(name for name in asked.outlets if name not in outlets),
        )


def _known_feeds(connection: Connection, frame: Sequence[FrameChange]) -> dict[int, KnownFeed]:
    """Find the addresses and tags of all feeds, those that were removed as they were last."""
    rows = connection.execute(select(feeds.c.id, feeds.c.url, feeds.c.site, feeds.c.tags, feeds.c.kind))
    removed = {
        each.feed_id: KnownFeed(each.feed, each.tags, outlet_of(each.feed), each.kind) for each in frame
    }
    return removed | {row.id: KnownFeed(row.url, tuple(row.tags), _outlet(row), row.kind) for row in rows}


def _names(known: Collection[KnownFeed], log: Sequence[FrameChange]) -> tuple[set[str], set[str]]:
    """Collect the tags and the outlets that feeds have, or ever had."""
    tags = {tag for feed in known for tag in feed.tags} | {tag for change in log for tag in change.tags}
    return tags, {feed.outlet for feed in known} | {outlet_of(change.feed) for change in log}


def _outlet(row: Any) -> str:
    site = row.site if row.site and url_key(row.site) else row.url
    return outlet_of(site)


def _is_wanted(feed: KnownFeed, asked: Asked) -> bool:
    by_tag = not asked.tags or bool(set(asked.tags) & set(feed.tags))
    return by_tag and (not asked.outlets or feed.outlet in asked.outlets)


def _polls(connection: Connection, asked: Asked) -> dict[tuple[int | None, int], dict[str, Any]]:
    names = (*FEED_COUNTERS, "down_s")
    query = select(feed_days).where(feed_days.c.day >= asked.first_day, feed_days.c.day < asked.end_day)
    return {
        (row.feed_id, row.day): {name: getattr(row, name) for name in names}
        for row in connection.execute(query)
    }


def _outcomes(connection: Connection, asked: Asked) -> dict[tuple[int | None, int], dict[str, Any]]:
    rows = connection.execute(_counted_outcomes(connection, asked))
    return {(row.found_by, row.day): {name: getattr(row, name) for name in OUTCOMES} for row in rows}


def _counted_outcomes(connection: Connection, asked: Asked) -> Select[Any]:
    at = articles.c.first_seen_at
    seen = select(
        articles.c.found_by, articles.c.state, articles.c.partial, day_in_sql(connection, at).label("day")
    ).where(at >= asked.first_day * DAY_S, at < asked.end_day * DAY_S)
    each = seen.subquery()

    def count(*conditions: Any) -> Any:
        return func.sum(case((and_(*conditions), 1), else_=0))

    ended = (State.INDEXED, State.DROPPED, State.QUARANTINED)
    return select(
        each.c.found_by,
        each.c.day,
        func.count().label("new"),
        count(each.c.state == State.INDEXED).label("indexed"),
        count(each.c.state == State.INDEXED, each.c.partial.is_not(None)).label("partial"),
        count(each.c.state == State.DROPPED).label("dropped"),
        count(each.c.state == State.QUARANTINED).label("quarantined"),
        count(each.c.state.not_in(ended)).label("waiting"),
    ).group_by(each.c.found_by, each.c.day)


def _down_now(connection: Connection, store: Store, asked: Asked) -> dict[tuple[int | None, int], float]:
    """Tell how late the feeds are that are due at this moment: no poll has written it down yet."""
    now, at = store.now(), store.read_clock(connection)
    free_at = func.coalesce(hosts.c.next_request_at, 0.0).label("free_at")
    query = select(feeds.c.id, feeds.c.next_poll_at, free_at)
    query = query.outerjoin_from(feeds, hosts, hosts.c.host == feeds.c.host)
    query = query.where(due_feed(now), free_at <= now, free(hosts, now))
    return {
        (row.id, day): seconds
        for row in connection.execute(query)
        for day, seconds in down_days(max(row.next_poll_at, row.free_at), at)
        if asked.first_day <= day < asked.end_day
    }


def _named(
    rows: Mapping[tuple[int | None, int], Mapping[str, Any]], known: Mapping[int, KnownFeed], asked: Asked
) -> tuple[FeedDay, ...]:
    wanted = [
        FeedDay(day=day_name(day), feed=feed.url if feed else None, **values)
        for (feed_id, day), values in rows.items()
        if (feed := None if feed_id is None else known.get(feed_id)) or asked.is_everything
    ]
    return tuple(sorted(wanted, key=lambda each: (each.feed or "", each.day)))
