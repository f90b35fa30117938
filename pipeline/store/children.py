"""The sitemaps that a feed which is an index of them lists: kept, read and brought up to date."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from pipeline.feeds.children import Child, read_before, unpacked
from pipeline.feeds.sitemaps import LISTED_LIMIT
from pipeline.model import FeedKind, ListedSitemap
from pipeline.store.claimed import FeedClaim
from pipeline.store.store import Store, portions
from pipeline.store.tables import feed_sitemaps, feeds

MOVED_TO_CHILD = ("etag", "last_modified", "body_hash", "validators_from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Hold what asking for a sitemap of an index brought; the validators of a new document are apart."""

    child: Child
    error: str | None
    is_new: bool  # its document is another than before
    wait_s: float | None  # how long it is left alone, by its own wish or because it failed


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadSitemap:
    """Hold a sitemap that its index lists as changed, or that was never read. Times are since the epoch."""

    feed_id: int
    feed: str
    sitemap: str
    changed_at: float | None
    read_at: float | None
    asked_at: float | None
    error: str | None  # of the last time that it was asked; None: it waits for its turn


def as_of_child(store: Store, claim: FeedClaim) -> FeedClaim:
    """Give a claim the validators of the sitemap that its turn asks for."""
    if claim.round is None:
        return claim
    with store.read() as connection:
        mine = select(feed_sitemaps).where(feed_sitemaps.c.id == unpacked(claim.round).child)
        child = _child(connection.execute(mine).one())
    return replace(claim, child=child, **{name: getattr(child, name) for name in MOVED_TO_CHILD})


def list_children(
    store: Store, claim: FeedClaim, listed: Sequence[ListedSitemap] | None
) -> tuple[Child, ...]:
    """Bring the sitemaps of an index up to date with what it lists (None: as it did), and read them all.

    What is listed no more is kept until it is read, and what it lists itself, too. Of an index in the index
    only its own are read.
    """
    if listed is not None:
        with store.write() as connection:
            if _is_ours(connection, claim):
                _merge(connection, claim, listed)
    mine = select(feed_sitemaps).where(feed_sitemaps.c.feed_id == claim.id)
    if claim.child:
        mine = mine.where(feed_sitemaps.c.parent_id == claim.child.id)
    with store.read() as connection:
        return tuple(map(_child, connection.execute(mine)))


def still_there(store: Store, ids: Sequence[int]) -> frozenset[int]:
    """Tell which sitemaps, by id, were not forgotten since they were chosen."""
    with store.read() as connection:
        mine = select(feed_sitemaps.c.id).where(feed_sitemaps.c.id.in_(ids))
        return frozenset(connection.execute(mine).scalars())


def read_unread(connection: Connection) -> tuple[UnreadSitemap, ...]:
    """List the sitemaps of all indexes that changed since they were read, by feed and newest first."""
    joined = select(feed_sitemaps, feeds.c.url.label("feed")).join(
        feeds, feeds.c.id == feed_sitemaps.c.feed_id
    )
    rows = connection.execute(joined.where(feeds.c.kind == FeedKind.INDEX)).all()
    unread = [row for row in rows if _child(row).is_unread]
    return tuple(
        UnreadSitemap(
            feed_id=row.feed_id,
            feed=row.feed,
            sitemap=row.url,
            changed_at=row.changed_at,
            read_at=row.read_at,
            asked_at=row.asked_at,
            error=row.last_error,
        )
        for row in sorted(unread, key=lambda row: (row.feed, -(row.changed_at or 0.0), row.id))
    )


def write_reading(connection: Connection, reading: Reading, document: dict[str, Any], at: float) -> None:
    """Write down that a sitemap was asked; `document` holds the columns that a new one changes."""
    child = reading.child
    values: dict[str, Any] = {
        "asked_at": at,
        "not_before": None if reading.wait_s is None else at + reading.wait_s,
        "failures": child.failures + 1 if reading.error else 0,
        "last_error": reading.error,
    }
    if reading.error is None:
        values |= {"read_at": at, "read_changed_at": child.changed_at, **document}
    if reading.is_new:
        values["brought_at"] = at
    connection.execute(update(feed_sitemaps).where(feed_sitemaps.c.id == child.id).values(values))


def forget_children(connection: Connection, feed_ids: Sequence[int]) -> None:
    """Forget the sitemaps of feeds that are watched no more."""
    for portion in portions(feed_ids):
        connection.execute(delete(feed_sitemaps).where(feed_sitemaps.c.feed_id.in_(portion)))


def _is_ours(connection: Connection, claim: FeedClaim) -> bool:
    mine = select(feeds.c.id).where(feeds.c.id == claim.id, feeds.c.lease_owner == claim.owner)
    return connection.execute(mine).first() is not None


def _merge(connection: Connection, claim: FeedClaim, listed: Sequence[ListedSitemap]) -> None:
    mine = select(feed_sitemaps).where(feed_sitemaps.c.feed_id == claim.id)
    rows = {row.url: row for row in connection.execute(mine)}
    for each in listed:
        row = rows.get(each.url)
        if row is not None and row.changed_at != each.changed_at:
            dated = update(feed_sitemaps).where(feed_sitemaps.c.id == row.id)
            connection.execute(dated.values(changed_at=each.changed_at))
    parent_id = claim.child.id if claim.child else None
    siblings = [row for row in rows.values() if row.parent_id == parent_id]
    gone = _gone(rows.values(), siblings, named={each.url for each in listed})
    for portion in portions(gone):
        connection.execute(delete(feed_sitemaps).where(feed_sitemaps.c.id.in_(portion)))
    room = max(0, LISTED_LIMIT - len(rows) + len(gone))
    fresh = [each for each in listed if each.url not in rows and each.url != claim.url][:room]
    known = frozenset() if siblings else read_before(listed, now=claim.claimed_at)
    if fresh:
        connection.execute(
            insert(feed_sitemaps), [_row(claim, each, is_read=each.url in known) for each in fresh]
        )


def _gone(rows: Iterable[Row[Any]], siblings: Sequence[Row[Any]], *, named: Container[str]) -> list[int]:
    """Choose which sitemaps to forget, by id: what is listed no more, with all that it lists itself; only
    when all of that is read."""
    listing: dict[int | None, list[Row[Any]]] = {}
    for row in rows:
        listing.setdefault(row.parent_id, []).append(row)
    gone: list[int] = []
    for row in siblings:
        family = _family(row, listing)
        if not any(each.url in named or _child(each).is_unread for each in family):
            gone += [each.id for each in family]
    return gone


def _family(row: Row[Any], listing: Mapping[int | None, Sequence[Row[Any]]]) -> list[Row[Any]]:
    return [row, *chain.from_iterable(_family(each, listing) for each in listing.get(row.id, ()))]


def _row(claim: FeedClaim, listed: ListedSitemap, *, is_read: bool) -> dict[str, Any]:
    parent = claim.child
    given = dict.fromkeys(MOVED_TO_CHILD)
    if parent is None and listed.url == claim.validators_from:  # as versions without this table kept them
        given = {name: getattr(claim, name) for name in MOVED_TO_CHILD}
    return {
        "feed_id": claim.id,
        "url": listed.url,
        "parent_id": parent.id if parent else None,
        "depth": parent.depth + 1 if parent else 1,
        "changed_at": listed.changed_at,
        "read_changed_at": listed.changed_at if is_read else None,
        **given,
    }


def _child(row: Row[Any]) -> Child:
    return Child(**{name: getattr(row, name) for name in Child.__dataclass_fields__})
