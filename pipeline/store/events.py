"""Events: what `trace` tells of an article or a feed. Append-only; trimmed by age."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection, Insert, delete, insert, select
from sqlalchemy.sql.elements import ColumnElement

from pipeline.model import Stage
from pipeline.store.store import TOLD, Store
from pipeline.store.tables import events

TRIM_BATCH = 5_000
"""Rows deleted in one short transaction, so that no stage waits for the trimming."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Say what one step did: an outcome, a slug where it has one, a line for a person."""

    stage: Stage | str
    outcome: str
    slug: str | None = None
    detail: str | None = None
    article_id: str | None = None
    feed_id: int | None = None


def record(connection: Connection, store: Store, happenings: Sequence[Happening]) -> None:
    """Append events at the store's present time, inside the transaction of the step they tell of."""
    if not happenings:
        return
    connection.execute(
        _appending(store.now()),
        [
            {
                "article_id": each.article_id,
                "feed_id": each.feed_id,
                "stage": str(each.stage),
                "outcome": each.outcome,
                "slug": each.slug,
                "detail": each.detail,
            }
            for each in happenings
        ],
    )
    connection.info.get(TOLD, []).extend(happenings)


@cache
def _appending(now: ColumnElement[float]) -> Insert:
    return insert(events).values(at=now)


def trim(store: Store, *, keep_s: float) -> int:
    """Delete a batch of events older than `keep_s` seconds; return how many went."""
    with store.write() as connection:
        old = select(events.c.id).where(events.c.at < store.now() - keep_s).limit(TRIM_BATCH)
        return connection.execute(delete(events).where(events.c.id.in_(old))).rowcount
