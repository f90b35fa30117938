"""Feeds as people manage them: add, list, change, pause, remove. Their articles are never touched here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from sqlalchemy import Connection, Row, case, delete, func, select, update
from sqlalchemy.sql.elements import ColumnElement

from pipeline.errors import WireroomError
from pipeline.feeds.hints import opening, unpacked
from pipeline.feeds.schedule import spoken
from pipeline.identity import host_of, origin_of, url_key
from pipeline.model import FeedState
from pipeline.store.children import forget_children
from pipeline.store.events import Happening, record
from pipeline.store.frame import Change, log_changes, next_feed_id
from pipeline.store.pauses import Pause, read_pauses
from pipeline.store.store import Store, insert_new, portions
from pipeline.store.tables import feeds, hosts, sightings
from pipeline.store.watched import key_of, require_feeds, rows_by_key

AT_ONCE = 1_000
"""Feeds of one list whose first poll is due at once: a thousand answers are a few minutes' work."""

SPREAD_S = 0.05
"""Seconds between the first polls of further feeds, so that a huge list does not stay one lump for ever."""

STATE_CHANGES = {FeedState.ACTIVE: Change.RESUMED, FeedState.PAUSED: Change.PAUSED}

FREQUENCY_WEEKS = 4
WEEK_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFeed:
    """Hold a feed that is to be watched."""

    url: str
    title: str = ""
    site: str | None = None
    language: str | None = None
    tags: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # of its own: secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedFeed:
    """Hold a feed as people see it. Times are seconds since the epoch."""

    url: str
    site: str | None
    title: str
    language: str | None
    tags: tuple[str, ...]
    state: FeedState
    next_poll_at: float | None  # and its host may be asked; None: it is not polled
    interval_s: float
    why: str
    last_polled_at: float | None
    last_status: int | None
    last_success_at: float | None
    failures: int  # in a row; what passes by itself weighs less, and is rounded up
    last_error: str | None
    entries_per_week: float | None  # over the last four weeks; None: not a week of it is known yet
    entries_without_link: int
    added_at: float
    state_since: float
    min_interval_s: float | None
    max_interval_s: float | None
    last_error_detail: str | None
    failing_since: float | None
    header_names: tuple[str, ...]  # of its own headers; their values are secrets
    host_pause: Pause | None  # its host asked to be left alone for longer than the feed itself waits

    @property
    def is_failing(self) -> bool:
        """Tell whether its last poll failed and another one will follow."""
        return self.state == FeedState.ACTIVE and self.last_error is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class DueFeed:
    """Hold when a feed will be asked that a person wants asked (seconds since the epoch)."""

    url: str
    at: float
    now: float
    host_pause: Pause | None  # its host is left alone for longer, whatever the person wants


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedChange:
    """Hold what is to be changed of a feed. `None`: nothing; no language is "", no interval is 0."""

    add_tags: tuple[str, ...] = ()
    drop_tags: tuple[str, ...] = ()
    language: str | None = None
    min_interval_s: float | None = None
    max_interval_s: float | None = None
    headers: tuple[tuple[str, str], ...] | None = field(default=None, repr=False)  # (): none any more


def add_feeds(store: Store, wanted: Sequence[NewFeed], *, interval_s: float) -> tuple[str, ...]:
    """Watch feeds from now on; return the addresses that were not watched yet, in order.

    `http` and `https`, and other spellings of one address, are one feed. Raises ValueError for what is no
    http(s) URL.
    """
    with store.write() as connection:
        known = set(rows_by_key(connection, [feed.url for feed in wanted]))
        fresh: dict[str, NewFeed] = {}
        for feed in wanted:
            key = key_of(feed.url)
            if key not in known:
                fresh.setdefault(key, feed)
        at = store.read_clock(connection)
        insert_new(connection, hosts, [{"host": host_of(feed.url)} for feed in fresh.values()])
        rows = [_row(feed, at, interval_s, place) for place, feed in enumerate(fresh.values())]
        if connection.dialect.name == "sqlite":  # PostgreSQL gives no number twice
            rows = [{**row, "id": number} for number, row in enumerate(rows, next_feed_id(connection))]
        insert_new(connection, feeds, rows)
        log_changes(connection, store, Change.ADDED, _rows_of(connection, fresh.values()))
    return tuple(feed.url for feed in fresh.values())


def list_feeds(store: Store) -> tuple[WatchedFeed, ...]:
    """List all feeds by address."""
    with store.read() as connection:
        return _watched_feeds(
            connection, store, connection.execute(select(feeds).order_by(feeds.c.url)).all()
        )


def find_feeds(store: Store, urls: Sequence[str]) -> tuple[WatchedFeed, ...]:
    """Read the feeds of given addresses, in order. Raises WireroomError when one is not watched."""
    with store.read() as connection:
        rows = require_feeds(connection, urls)
        return _watched_feeds(connection, store, rows)


def watched_as(store: Store, urls: Sequence[str]) -> dict[str, str]:
    """Tell under which addresses those that are watched are, by address as it was given."""
    keyed = {url: key for url in urls if (key := url_key(url))}
    with store.read() as connection:
        rows = rows_by_key(connection, list(keyed))
    return {url: rows[key].url for url, key in keyed.items() if key in rows}


def read_own_headers(store: Store, url: str) -> tuple[tuple[tuple[str, str], ...], str | None]:
    """Read a feed's own headers, which are secrets, and the origin that may have them; none if nobody watches
    it."""
    with store.read() as connection:
        row = rows_by_key(connection, [url]).get(key_of(url)) if url_key(url) else None
    if row is None:
        return (), None
    return tuple((str(name), str(value)) for name, value in row.headers or ()), row.headers_origin


def change_feeds(store: Store, urls: Sequence[str], change: FeedChange) -> tuple[str, ...]:
    """Change feeds, all or none; return their addresses. Raises as `find_feeds` does, and when the shortest
    interval would be longer than the longest."""
    with store.write() as connection:
        rows = require_feeds(connection, urls)
        for row in rows:
            values = _changed(row, change)
            _require_room(row, values)
            connection.execute(update(feeds).where(feeds.c.id == row.id).values(values))
        _log_tags(connection, store, rows)
    return tuple(row.url for row in rows)


def head_feeds(store: Store, wanted: Sequence[NewFeed]) -> None:
    """Give their headers to feeds that are watched already, too. Raises as `find_feeds` does."""
    for feed in wanted:
        if feed.headers:
            change_feeds(store, [feed.url], FeedChange(headers=feed.headers))


def tag_each(store: Store, wanted: Sequence[NewFeed]) -> frozenset[str]:
    """Add to watched feeds the tags that each is wanted with; return the addresses, as they are written in
    `wanted`, of those that lacked any."""
    with store.write() as connection:
        watched = rows_by_key(connection, [feed.url for feed in wanted])
        lacking: dict[str, Row[Any]] = {}
        for feed in wanted:
            row = watched[key_of(feed.url)]
            if set(feed.tags) - set(row.tags):
                lacking[feed.url] = row
                values = _changed(row, FeedChange(add_tags=feed.tags))
                connection.execute(update(feeds).where(feeds.c.id == row.id).values(values))
        _log_tags(connection, store, list(lacking.values()))
    return frozenset(lacking)


def poll_feeds(store: Store, urls: Sequence[str], *, force: bool = False) -> tuple[DueFeed, ...]:
    """Make feeds due now, or as soon as their publishers let them be asked; `force` does not wait for these.

    Raises WireroomError when one is not polled at all.
    """
    with store.write() as connection:
        at = store.read_clock(connection)
        rows = require_feeds(connection, urls)
        for row in rows:
            if row.state != FeedState.ACTIVE:
                raise WireroomError(
                    f"{row.url} is {row.state}: `wireroom feeds resume {row.url}` polls it again"
                )
        pauses = read_pauses(connection, store)
        due = [_due(row, at, at if force else _lets_ask(row, at), pauses) for row in rows]
        # One that is late already stays so: how long it was not asked is told by `wireroom coverage`.
        for row, feed in zip(rows, due, strict=True):
            values = {"next_poll_at": min(row.next_poll_at, feed.at), "forced": force}
            connection.execute(update(feeds).where(feeds.c.id == row.id).values(values))
    return tuple(due)


def _due(row: Row[Any], now: float, at: float, pauses: Mapping[str, Pause]) -> DueFeed:
    return DueFeed(url=row.url, at=at, now=now, host_pause=_longer(pauses.get(row.host), at))


def _longer(pause: Pause | None, at: float) -> Pause | None:
    return pause if pause is not None and pause.until > at else None


def _lets_ask(row: Row[Any], at: float) -> float:
    """Tell when a feed's publisher lets it be asked, at the earliest."""
    return opening(unpacked(row.hints).hints, max(at, row.not_before or 0.0))


def pause_feeds(store: Store, urls: Sequence[str]) -> tuple[str, ...]:
    """Poll feeds no more until they are resumed; return the addresses of those that were not paused."""
    return _set_state(store, urls, FeedState.PAUSED, {})


def resume_feeds(store: Store, urls: Sequence[str]) -> tuple[str, ...]:
    """Poll paused or gone feeds again, as soon as their publishers let them be asked.

    Return the addresses of those that were.
    """
    now = store.now()
    soonest = case((feeds.c.not_before > now, feeds.c.not_before), else_=now)
    values = {"next_poll_at": soonest, "failures": 0, "failing_since": None}
    return _set_state(store, urls, FeedState.ACTIVE, values)


def remove_feeds(store: Store, urls: Sequence[str]) -> tuple[str, ...]:
    """Forget feeds; their articles stay, and what they said of them. Return their addresses."""
    with store.write() as connection:
        rows = require_feeds(connection, urls)
        for portion in portions([row.id for row in rows]):
            connection.execute(delete(feeds).where(feeds.c.id.in_(portion)))
        forget_children(connection, [row.id for row in rows])
        record(connection, store, [_happening(row, "removed") for row in rows])
        log_changes(connection, store, Change.REMOVED, rows)
    return tuple(row.url for row in rows)


def _rows_of(connection: Connection, wanted: Iterable[NewFeed]) -> list[Row[Any]]:
    return list(rows_by_key(connection, [feed.url for feed in wanted]).values())


def _row(feed: NewFeed, at: float, interval_s: float, place: int) -> dict[str, Any]:
    return {
        "url": feed.url,
        "host": host_of(feed.url),
        "title": feed.title,
        "site": feed.site,
        "language": feed.language,
        "tags": list(dict.fromkeys(feed.tags)),
        "state": FeedState.ACTIVE,
        "added_at": at,
        "state_since": at,
        "next_poll_at": at + max(0, place - AT_ONCE + 1) * SPREAD_S,
        "interval_s": interval_s,
        "why": "not polled yet",
        "headers": feed.headers or None,
        "headers_origin": origin_of(feed.url) if feed.headers else None,
    }


def _changed(row: Row[Any], change: FeedChange) -> dict[str, Any]:
    tags = dict.fromkeys([*row.tags, *change.add_tags])
    values: dict[str, Any] = {"tags": [tag for tag in tags if tag not in change.drop_tags]}
    if change.language is not None:
        values["language"] = change.language or None
    if change.min_interval_s is not None:
        values["min_interval_s"] = change.min_interval_s or None
    if change.max_interval_s is not None:
        values["max_interval_s"] = change.max_interval_s or None
    if change.headers is not None:
        values["headers"] = change.headers or None
        values["headers_origin"] = origin_of(row.url) if change.headers else None
    return values


def _require_room(row: Row[Any], values: Mapping[str, Any]) -> None:
    least, most = (values.get(name, getattr(row, name)) for name in ("min_interval_s", "max_interval_s"))
    if least and most and least > most:
        raise WireroomError(
            f"{row.url} cannot be polled: its shortest interval would be {spoken(least)}, "
            f"its longest {spoken(most)}; change both, or take one away with `none`"
        )


def _log_tags(connection: Connection, store: Store, before: Sequence[Row[Any]]) -> None:
    tags = {row.id: row.tags for row in before}
    query = select(feeds).order_by(feeds.c.id)
    for portion in portions(sorted(tags)):
        now = connection.execute(query.where(feeds.c.id.in_(portion))).all()
        log_changes(connection, store, Change.TAGGED, [row for row in now if row.tags != tags[row.id]])


def _set_state(
    store: Store, urls: Sequence[str], state: FeedState, values: Mapping[str, Any]
) -> tuple[str, ...]:
    with store.write() as connection:
        rows = [row for row in require_feeds(connection, urls) if row.state != state]
        since = {"state": state, "state_since": store.now()}
        for portion in portions([row.id for row in rows]):
            connection.execute(update(feeds).where(feeds.c.id.in_(portion)).values({**since, **values}))
        record(connection, store, [_happening(row, state) for row in rows])
        log_changes(connection, store, STATE_CHANGES[state], rows)
    return tuple(row.url for row in rows)


def _happening(row: Row[Any], outcome: str) -> Happening:
    return Happening(stage="feeds", outcome=outcome, detail=row.url, feed_id=row.id)


def _watched_feeds(connection: Connection, store: Store, rows: Sequence[Row[Any]]) -> tuple[WatchedFeed, ...]:
    at, recent = (
        store.read_clock(connection),
        _recent_entries(connection, store.now(), [row.id for row in rows]),
    )
    pauses = read_pauses(connection, store)
    return tuple(
        _watched_feed(row, _weekly(row, recent.get(row.id), at), pauses.get(row.host)) for row in rows
    )


def _watched_feed(row: Row[Any], entries_per_week: float | None, host_pause: Pause | None) -> WatchedFeed:
    told = {name: getattr(row, name) for name in WatchedFeed.__dataclass_fields__ if name in feeds.c}
    is_polled = row.state == FeedState.ACTIVE
    longer = _longer(host_pause, row.next_poll_at) if is_polled else None
    changed = {
        "tags": tuple(row.tags),
        "header_names": tuple(name for name, _ in row.headers or ()),
        "state": FeedState(row.state),
        "next_poll_at": (longer.until if longer else row.next_poll_at) if is_polled else None,
        "host_pause": longer,
        "failures": ceil(row.failures),
    }
    return WatchedFeed(**{**told, **changed}, entries_per_week=entries_per_week)


def _recent_entries(
    connection: Connection, now: ColumnElement[float], ids: Sequence[int]
) -> dict[int, tuple[int, float]]:
    """Count by publication date, as a first poll brings entries of many weeks; undated ones by sighting. With
    the oldest one's time."""
    at = func.coalesce(sightings.c.published_at, sightings.c.seen_at)
    recent = at.between(now - FREQUENCY_WEEKS * WEEK_S, now)
    query = (
        select(sightings.c.feed_id, func.count(), func.min(at)).where(recent).group_by(sightings.c.feed_id)
    )
    counted = [
        row
        for portion in portions(ids)
        for row in connection.execute(query.where(sightings.c.feed_id.in_(portion)))
    ]
    return {feed_id: (count, oldest) for feed_id, count, oldest in counted}


def _weekly(row: Row[Any], recent: tuple[int, float] | None, now: float) -> float | None:
    """Divide the recent entries by the time that they stand for: since it is watched, or since the oldest."""
    count, oldest = recent or (0, now)
    weeks = min((now - min(row.added_at, oldest)) / WEEK_S, FREQUENCY_WEEKS)
    return None if row.last_success_at is None or weeks < 1 else round(count / weeks, 2)
