"""The health of feeds: what the store knows of each, for `feeds.health` to judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlalchemy import Connection, and_, case, func, select
from sqlalchemy.sql.elements import ColumnElement

from pipeline.feeds.health import Ailment, Facts, judge, season, text_medians
from pipeline.model import FeedState
from pipeline.store.days import DAY_S, day_of
from pipeline.store.ledger_tables import feed_days
from pipeline.store.store import Store
from pipeline.store.subscriptions import WatchedFeed, list_feeds
from pipeline.store.tables import articles, documents, feeds, sightings

HISTORY_S = 400 * 86_400.0
"""How far back silences are looked for: a year, and this August beside the last."""

BEFORE_ADDED_S = 60 * 86_400.0
"""Entries that were older when their feed was added say nothing of its rhythm: many keep one at the top."""

FORTNIGHT_S, EARLIER_S = 14 * 86_400.0, 56 * 86_400.0
"""A fortnight is compared with the eight weeks before it."""

RECENT_DAYS = 28
"""Days over which polls, bytes and shared articles are counted."""

NEWEST = 60
"""Articles of a feed over which lags and lengths are taken."""

FEWEST_SHARED = 5
"""Articles below which nothing is said of redundancy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharingFeed:
    """Hold another feed of the same host and the share of this feed's articles that it shows, too."""

    url: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHealth:
    """Hold how a feed is. Polls and bytes: of the last 28 days, lags and lengths: its newest articles."""

    feed: WatchedFeed
    ailments: tuple[Ailment, ...]
    newest_at: float | None  # when its newest entry was published, or else first seen
    silence_s: float | None
    longest_silence_s: float | None
    season: float
    lag_found_s: float | None
    lag_indexed_s: float | None
    polls: int
    failed: int
    share_304: float | None
    bytes: int
    text_length: float | None
    text_length_before: float | None
    shared_with: tuple[SharingFeed, ...]


@dataclass(frozen=True, slots=True)
class _Arrivals:
    """Hold a feed's rhythm."""

    entries: int
    newest_at: float
    longest_silence_s: float | None
    fortnight: int
    earlier: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Polls:
    polls: int = 0
    failed: int = 0
    not_modified: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Known:
    """Hold what the store knows of all feeds, by their numbers."""

    arrivals: Mapping[int, _Arrivals]
    newest: Mapping[int, Sequence[Any]]  # rows of their newest articles
    polls: Mapping[int, _Polls]
    shared: Mapping[int, tuple[SharingFeed, ...]]
    season: float


def read_health(store: Store) -> tuple[FeedHealth, ...]:
    """Tell how each feed is, by address."""
    watched = list_feeds(store)
    with store.read() as connection:
        ids = {row.url: row.id for row in connection.execute(select(feeds.c.id, feeds.c.url))}
        now = store.read_clock(connection)
        arrivals = _arrivals(connection, now)
        known = _Known(
            arrivals=arrivals,
            newest=_newest(connection),
            polls=_polls(connection, now),
            shared=_shared(connection, now),
            season=season(list(_shares(arrivals))),
        )
    return tuple(_health(feed, ids[feed.url], known) for feed in watched if feed.url in ids)


def _health(feed: WatchedFeed, feed_id: int, known: _Known) -> FeedHealth:
    arrivals, newest = known.arrivals.get(feed_id), known.newest.get(feed_id, ())
    polls, shared = known.polls.get(feed_id, _Polls()), known.shared.get(feed_id, ())
    facts = _facts(feed, arrivals, newest, shared)
    indexed = [row.indexed_at - row.first_seen_at for row in newest if row.indexed_at is not None]
    recent, before = text_medians(facts.text_lengths)
    return FeedHealth(
        feed=feed,
        ailments=judge(facts, season=known.season),
        newest_at=arrivals.newest_at if arrivals else None,
        silence_s=facts.silence_s,
        longest_silence_s=facts.longest_silence_s,
        season=known.season,
        lag_found_s=median(facts.lags_s) if facts.lags_s else None,
        lag_indexed_s=median(indexed) if indexed else None,
        polls=polls.polls,
        failed=polls.failed,
        share_304=polls.not_modified / polls.polls if polls.polls else None,
        bytes=polls.bytes,
        text_length=recent,
        text_length_before=before,
        shared_with=shared,
    )


def _facts(
    feed: WatchedFeed,
    arrivals: _Arrivals | None,
    newest: Sequence[Any],
    shared: Sequence[SharingFeed],
) -> Facts:
    answered = feed.last_success_at
    silence = max(0.0, answered - arrivals.newest_at) if arrivals and answered else None
    dated = [row for row in newest if row.published_at is not None and row.published_at >= feed.added_at]
    return Facts(
        is_failing=feed.is_failing,
        is_active=feed.state == FeedState.ACTIVE,
        entries=arrivals.entries if arrivals else 0,
        silence_s=silence,
        longest_silence_s=arrivals.longest_silence_s if arrivals else None,
        lags_s=[max(0.0, row.first_seen_at - row.published_at) for row in dated],
        text_lengths=[row.text_length for row in newest if row.text_length is not None],
        most_shared=max((each.share for each in shared), default=0.0),
    )


def _shares(arrivals: Mapping[int, _Arrivals]) -> Sequence[float]:
    """Give each feed's share of what it used to bring in a fortnight, where that was something."""
    usual = {feed_id: each.earlier * FORTNIGHT_S / EARLIER_S for feed_id, each in arrivals.items()}
    return [arrivals[feed_id].fortnight / before for feed_id, before in usual.items() if before >= 1]


def _arrivals(connection: Connection, now: float) -> dict[int, _Arrivals]:
    seen = sightings.c.seen_at
    at = case((sightings.c.published_at < seen, sightings.c.published_at), else_=seen).label("at")
    known = select(sightings.c.feed_id, at).join(feeds, feeds.c.id == sightings.c.feed_id)
    timed = known.where(at > now - HISTORY_S, at > feeds.c.added_at - BEFORE_ADDED_S).subquery()
    before = func.lag(timed.c.at).over(partition_by=timed.c.feed_id, order_by=timed.c.at)
    each = select(timed.c.feed_id, timed.c.at, (timed.c.at - before).label("silence")).subquery()
    lately = each.c.at > now - FORTNIGHT_S
    earlier = and_(each.c.at <= now - FORTNIGHT_S, each.c.at > now - FORTNIGHT_S - EARLIER_S)
    query = select(
        each.c.feed_id,
        func.count().label("entries"),
        func.max(each.c.at).label("newest_at"),
        func.max(each.c.silence).label("longest_silence_s"),
        _count(lately).label("fortnight"),
        _count(earlier).label("earlier"),
    ).group_by(each.c.feed_id)
    names = _Arrivals.__dataclass_fields__
    return {
        row.feed_id: _Arrivals(**{name: getattr(row, name) for name in names})
        for row in connection.execute(query)
    }


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _newest(connection: Connection) -> dict[int, list[Any]]:
    rank = func.row_number().over(
        partition_by=articles.c.found_by, order_by=(articles.c.first_seen_at.desc(), articles.c.id)
    )
    ranked = select(articles.c.id, articles.c.found_by, rank.label("rank"))
    best = ranked.where(articles.c.found_by.is_not(None)).subquery()
    shown = and_(sightings.c.article_id == best.c.id, sightings.c.feed_id == best.c.found_by)
    query = (
        select(
            best.c.found_by,
            articles.c.first_seen_at,
            articles.c.indexed_at,
            sightings.c.published_at,
            documents.c.text_length,
        )
        .join_from(best, articles, articles.c.id == best.c.id)
        .outerjoin(sightings, shown)
        .outerjoin(documents, documents.c.article_id == best.c.id)
        .where(best.c.rank <= NEWEST)
        .order_by(best.c.found_by, best.c.rank)
    )
    found: dict[int, list[Any]] = {}
    for row in connection.execute(query):
        found.setdefault(row.found_by, []).append(row)
    return found


def _polls(connection: Connection, now: float) -> dict[int, _Polls]:
    names = tuple(_Polls.__dataclass_fields__)
    sums = [func.sum(feed_days.c[name]).label(name) for name in names]
    query = select(feed_days.c.feed_id, *sums).where(feed_days.c.day > day_of(now) - RECENT_DAYS)
    rows = connection.execute(query.group_by(feed_days.c.feed_id))
    return {row.feed_id: _Polls(**{name: int(getattr(row, name)) for name in names}) for row in rows}


def _shared(connection: Connection, now: float) -> dict[int, tuple[SharingFeed, ...]]:
    """Find feeds of one host that show the same articles. Of two that show all the same, the one that was
    added later is told."""
    since = now - RECENT_DAYS * DAY_S
    mine, theirs, me, other = sightings.alias(), sightings.alias(), feeds.alias(), feeds.alias()
    shown = select(sightings.c.feed_id, func.count().label("articles")).where(sightings.c.seen_at > since)
    rows = connection.execute(shown.group_by(sightings.c.feed_id))
    totals = {row.feed_id: row.articles for row in rows}
    pairs = (
        select(me.c.id, other.c.id.label("other_id"), other.c.url, func.count().label("both"))
        .join_from(me, other, and_(other.c.host == me.c.host, other.c.id != me.c.id))
        .join(mine, and_(mine.c.feed_id == me.c.id, mine.c.seen_at > since))
        .join(theirs, and_(theirs.c.feed_id == other.c.id, theirs.c.article_id == mine.c.article_id))
        .group_by(me.c.id, other.c.id, other.c.url)
    )
    found: dict[int, list[SharingFeed]] = {}
    for row in connection.execute(pairs):
        total, theirs_total = totals[row.id], totals.get(row.other_id, 0)
        is_the_one = (theirs_total, -row.other_id) > (total, -row.id)
        if total >= FEWEST_SHARED and is_the_one:
            found.setdefault(row.id, []).append(SharingFeed(url=row.url, share=row.both / total))
    return {
        feed_id: tuple(sorted(each, key=lambda one: (-one.share, one.url))) for feed_id, each in found.items()
    }
