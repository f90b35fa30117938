"""The sampling frame: a log of which feeds were watched when, and under which tags. It is never trimmed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from pipeline.store.ledger_tables import feed_changes
from pipeline.store.store import Store
from pipeline.store.tables import feeds


class Change(StrEnum):
    """Name what may happen to a feed as a subscription."""

    ADDED = "added"
    TAGGED = "tagged"  # its tags are others now
    PAUSED = "paused"
    RESUMED = "resumed"
    GONE = "gone"  # its server said so: 410
    MOVED = "moved"  # to the address that stands in the log from here on
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameChange:
    """Hold one change: a feed's address and tags are those after it."""

    at: float
    feed_id: int
    feed: str
    change: str
    tags: tuple[str, ...]
    kind: str | None  # what its document was, see FeedKind; None: not known then


def log_changes(connection: Connection, store: Store, change: Change, rows: Iterable[Row[Any]]) -> None:
    """Write a change of feeds down, given their rows (id, url, tags, kind) as they are after it."""
    at = store.read_clock(connection)
    told = [
        {
            "at": at,
            "feed_id": row.id,
            "url": row.url,
            "change": change.value,
            "tags": list(row.tags),
            "kind": row.kind,
        }
        for row in rows
    ]
    if told:
        connection.execute(insert(feed_changes), told)


def log_change(connection: Connection, store: Store, change: Change, feed_id: int) -> None:
    """Write a change of one feed down, whose row is by now as it is after it."""
    rows = connection.execute(select(feeds).where(feeds.c.id == feed_id)).all()
    log_changes(connection, store, change, rows)


def next_feed_id(connection: Connection) -> int:
    """Give the number from which on no feed ever had one: SQLite would give that of a removed feed again."""
    highest = (select(func.max(column)) for column in (feeds.c.id, feed_changes.c.feed_id))
    return 1 + max(connection.execute(query).scalar_one() or 0 for query in highest)


def read_frame(connection: Connection, *, until: float) -> Sequence[FrameChange]:
    """List all changes before a time, oldest first."""
    query = (
        select(feed_changes).where(feed_changes.c.at < until).order_by(feed_changes.c.at, feed_changes.c.id)
    )
    return [
        FrameChange(
            at=row.at,
            feed_id=row.feed_id,
            feed=row.url,
            change=row.change,
            tags=tuple(row.tags),
            kind=row.kind,
        )
        for row in connection.execute(query)
    ]
