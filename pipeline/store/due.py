"""What is due: for ticks, for `up --until-idle` and for progress."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, exists, func, literal, or_, select
from sqlalchemy.sql.elements import ColumnElement

from pipeline.model import Stage, State
from pipeline.store.claims import due_article, due_feed, free_host, may_claim
from pipeline.store.pauses import PAUSED_S
from pipeline.store.reruns import count_queued, due_rerun
from pipeline.store.shipping import has_unshipped
from pipeline.store.store import Store
from pipeline.store.tables import articles, feeds, hosts


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Say what keeps the store from being idle, and what will be due later (seconds from now, or None)."""

    leases: int
    due: int  # articles and feeds that are due now, whether or not their host is free for the moment
    next_retry_s: float | None  # until the first page is asked for again
    retries: int  # pages that will be asked for again, or whose host asked for a long pause


def due_stages(store: Store, *, ships_events: bool = False) -> tuple[Stage, ...]:
    """Name the stages that have work which somebody could begin now; index ships events where it can."""
    now = store.now()
    with store.read() as connection:
        due = {stage for stage in Stage if connection.execute(_open(stage, now)).first()}
        if connection.execute(_any_rerun(now)).scalar_one():
            due.add(Stage.ENRICH)
        if ships_events and has_unshipped(connection):
            due.add(Stage.INDEX)
    return tuple(stage for stage in Stage if stage in due)


@cache
def _open(stage: Stage, now: ColumnElement[float]) -> Select[Any]:
    host_of_feed = exists().where(hosts.c.host == feeds.c.host, free_host(now))
    page_of_host = exists().where(articles.c.host == hosts.c.host, due_article(Stage.FETCH, now))
    # Asked once: with no page due, which is most of the time, none of ten thousand hosts is looked at.
    any_page = select(articles.c.id).where(due_article(Stage.FETCH, now)).limit(1).exists()
    begun = {
        Stage.POLL: select(feeds.c.id).where(due_feed(now), host_of_feed),
        Stage.FETCH: select(hosts.c.host).where(any_page, free_host(now), page_of_host),
        Stage.ENRICH: select(articles.c.id).where(due_article(Stage.ENRICH, now)),
        Stage.INDEX: select(articles.c.id).where(due_article(Stage.INDEX, now)),
    }
    return begun[stage].where(may_claim(stage, now)).limit(1)


@cache
def _any_rerun(now: ColumnElement[float]) -> Select[Any]:
    return select(due_rerun(now))


def waiting(store: Store) -> Waiting:
    """Say what is under way, what is due and what comes later."""
    with store.read() as connection:
        now = literal(store.read_clock(connection))  # one for all statements: what they count must add up
        paused = select(hosts.c.host).where(hosts.c.next_request_at > now + PAUSED_S).scalar_subquery()
        later = (articles.c.stage.is_not(None), articles.c.due_at > now)
        due = (
            (due_feed(now), feeds.c.host.not_in(paused)),
            (due_article(Stage.FETCH, now), articles.c.host.not_in(paused)),
            (due_article(Stage.ENRICH, now),),
            (due_article(Stage.INDEX, now),),
            # Back-off after a crash and waits for a twin are part of the work at hand, not retries of pages.
            (*later, or_(articles.c.stage != Stage.FETCH, articles.c.state == State.FOUND)),
        )
        leased = ((feeds.c.lease_owner.is_not(None),), (articles.c.lease_owner.is_not(None),))
        soonest = func.min(hosts.c.next_request_at) - now
        held = select(soonest, func.count()).join(hosts, hosts.c.host == articles.c.host)
        held = held.where(due_article(Stage.FETCH, now), articles.c.host.in_(paused))
        host_s, pages = connection.execute(held).one()
        retries = select(func.min(articles.c.due_at) - now, func.count()).where(*later)
        page_s, tries = connection.execute(retries).one()
        return Waiting(
            leases=_count(connection, leased),
            due=_count(connection, due) + count_queued(connection, now),
            next_retry_s=min((each for each in (host_s, page_s) if each is not None), default=None),
            retries=tries + pages,
        )


def _count(connection: Connection, kinds: Sequence[Sequence[ColumnElement[bool]]]) -> int:
    counted = (select(func.count()).where(*conditions) for conditions in kinds)
    return sum(connection.execute(query).scalar_one() for query in counted)


def feeds_due(store: Store) -> int:
    """Count the feeds that are to be polled now."""
    with store.read() as connection:
        return connection.execute(select(func.count()).where(due_feed(store.now()))).scalar_one()


def article_counts(store: Store) -> dict[State, int]:
    """Count the articles by state; states without any are 0."""
    with store.read() as connection:
        query = select(articles.c.state, func.count()).group_by(articles.c.state)
        found = {row[0]: row[1] for row in connection.execute(query)}
    return {state: found.get(state, 0) for state in State}
