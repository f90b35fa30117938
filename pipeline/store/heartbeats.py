"""Heartbeats of the work: a worker writes down when it got on at a stage, and for how long something has
waited that somebody could have begun tells whether it should have.

No ping: a worker that answers while its work stands still writes nothing here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Select, case, delete, func, select
from sqlalchemy.sql.elements import ColumnElement

from pipeline.model import Stage
from pipeline.store.claims import due_article, due_feed, free_host, may_claim
from pipeline.store.duty_tables import heartbeats
from pipeline.store.leases import has_died, machine
from pipeline.store.store import Store, insert_over
from pipeline.store.tables import articles, feeds, hosts

NO_PROGRESS_S = 180.0
"""Longer than any piece of work may take: four articles of 20 s, a host's turn of 92 s; and as long as Celery
lets a task run in a child."""


@dataclass(frozen=True, slots=True)
class Standstill:
    """Say that a worker got on at a stage last so long ago, while work for it waited."""

    worker: str
    stage: Stage
    for_s: float


def beat(store: Store, worker: str, stages: Iterable[Stage]) -> None:
    """Write down that a worker, machine:pid of its main process, got on at some stages just now."""
    with store.write() as connection:
        at = store.read_clock(connection)
        rows = [{"worker": worker, "stage": str(stage), "at": at} for stage in sorted(stages)]
        insert_over(connection, heartbeats, rows)


def find_standstills(
    store: Store, worker_prefix: str, *, no_progress_s: float = NO_PROGRESS_S
) -> tuple[Standstill, ...]:
    """Find the living workers whose names begin so that have not got on at a stage for so many seconds,
    although there was work for it all the while. Durations are real seconds, whatever the store's clock does.
    """
    longest = no_progress_s * store.clock.factor
    with store.read() as connection:
        now = store.read_clock(connection)
        old = select(heartbeats).where(heartbeats.c.worker.startswith(worker_prefix, autoescape=True))
        rows = connection.execute(old.where(heartbeats.c.at < now - longest)).all()
        silent = [row for row in rows if not has_died(row.worker)]
        since = {
            stage: _due_since(connection, store, Stage(stage)) for stage in {row.stage for row in silent}
        }
    return tuple(
        Standstill(row.worker, Stage(row.stage), (now - row.at) / store.clock.factor)
        for row in silent
        if (due_at := since[row.stage]) is not None and due_at < now - longest
    )


def forget_dead(store: Store) -> None:
    """Forget the workers of this machine that are no more."""
    with store.read() as connection:
        mine = heartbeats.c.worker.startswith(f"{machine()}:", autoescape=True)
        names = connection.execute(select(heartbeats.c.worker).where(mine).distinct()).scalars().all()
    if dead := [name for name in names if has_died(name)]:
        with store.write() as connection:
            connection.execute(delete(heartbeats).where(heartbeats.c.worker.in_(dead)))


def _due_since(connection: Connection, store: Store, stage: Stage) -> float | None:
    """Tell since when something has waited at a stage that somebody could have begun (None: nothing does)."""
    now = store.now()
    query = _waiting(now)[stage].where(may_claim(stage, now))
    return connection.execute(query).scalar_one_or_none()


def _waiting(now: ColumnElement[float]) -> Mapping[Stage, Select[float]]:
    polls = select(func.min(_later(feeds.c.next_poll_at))).join(hosts, hosts.c.host == feeds.c.host)
    pages = select(func.min(_later(articles.c.due_at))).join(hosts, hosts.c.host == articles.c.host)
    tasks = select(func.min(articles.c.due_at))
    return {
        Stage.POLL: polls.where(due_feed(now), free_host(now)),
        Stage.FETCH: pages.where(due_article(Stage.FETCH, now), free_host(now)),
        Stage.ENRICH: tasks.where(due_article(Stage.ENRICH, now)),
        Stage.INDEX: tasks.where(due_article(Stage.INDEX, now)),
    }


def _later(due_at: ColumnElement[float]) -> ColumnElement[float]:
    # A host that rests between two pages is nobody's to ask, however long its pages have been due.
    return case((hosts.c.next_request_at > due_at, hosts.c.next_request_at), else_=due_at)
