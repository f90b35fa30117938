"""Which events are in the index's data stream, so that each is shipped once and none is forgotten.

`shipped_events` keeps the newest of them. What has a higher number than all of these is not shipped. Below
it, PostgreSQL may show events late: a number is given when an event is written, and transactions commit in
any order. So events of the last minutes are compared one by one.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, Select, delete, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from pipeline.model import PipelineEvent
from pipeline.store.store import Store, insert_new
from pipeline.store.tables import articles, events, feeds, shipped_events

OVERLAP_S = 300.0
"""No transaction of a stage is open for so long: its lease would have ended after 120 s."""


def read_unshipped(store: Store, *, limit: int) -> tuple[PipelineEvent, ...]:
    """Read events that are not shipped, in the order of their numbers."""
    with store.read() as connection:
        query = _with_article_and_feed().where(*_unshipped(connection))
        rows = connection.execute(query.order_by(events.c.id).limit(limit))
        return tuple(PipelineEvent(**row._mapping) for row in rows)


def has_unshipped(connection: Connection) -> bool:
    """Tell whether an event is not shipped."""
    query = select(events.c.id).where(*_unshipped(connection)).limit(1)
    return connection.execute(query).first() is not None


def record_shipped(store: Store, shipped: Sequence[PipelineEvent]) -> None:
    """Write that events are shipped, and forget those that no late one can be confused with."""
    with store.write() as connection:
        insert_new(connection, shipped_events, [{"event_id": each.id, "at": each.at} for each in shipped])
        newest = connection.execute(
            select(func.max(shipped_events.c.event_id), func.max(shipped_events.c.at))
        ).one()
        old = (shipped_events.c.at < newest[1] - OVERLAP_S, shipped_events.c.event_id < newest[0])
        connection.execute(delete(shipped_events).where(*old))


def _unshipped(connection: Connection) -> tuple[ColumnElement[bool], ...]:
    number, at = connection.execute(
        select(func.max(shipped_events.c.event_id), func.max(shipped_events.c.at))
    ).one()
    if number is None:
        return ()
    same = (shipped_events.c.event_id == events.c.id, shipped_events.c.at == events.c.at)
    among = select(shipped_events.c.event_id).where(*same)
    return or_(events.c.id > number, events.c.at >= at - OVERLAP_S), ~among.exists()


def _with_article_and_feed() -> Select[tuple[object, ...]]:
    return (
        select(
            events.c.id,
            events.c.at,
            events.c.stage,
            events.c.outcome,
            events.c.slug,
            events.c.detail,
            events.c.article_id,
            articles.c.url,
            articles.c.host,
            feeds.c.url.label("feed"),
            articles.c.news_at,
            articles.c.first_seen_at,
            articles.c.indexed_at,
        )
        .outerjoin(articles, articles.c.id == events.c.article_id)
        .outerjoin(feeds, feeds.c.id == events.c.feed_id)
    )
