"""The generations of the index, as the store knows them: one is live, others are being built, or kept."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, case, delete, func, insert, or_, select, update

from pipeline.model import Stage, State
from pipeline.store.store import Store
from pipeline.store.tables import LIVE, articles, generations, projections

LOCK = 0x77697265
"""Names the lock of the generations among PostgreSQL's advisory locks; any number that is always the same."""


@contextmanager
def lock(store: Store) -> Iterator[Connection]:
    """Hold the one lock under which generations are made and exchanged, together with a transaction.

    Nothing but this connection may write to the store inside: on SQLite it is the database's write lock.
    """
    with store.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
        yield connection


def live_generation(store: Store) -> str | None:
    """Name the generation of the index that is searched."""
    with store.read() as connection:
        return read_live(connection)


def read_live(connection: Connection) -> str | None:
    """Name the live generation inside a transaction."""
    return connection.execute(
        select(generations.c.name).where(generations.c.state == LIVE)
    ).scalar_one_or_none()


def adopt_generation(store: Store, name: str, *, instead_of: str | None) -> str:
    """Make a new, empty generation the live one: every document is due for it. Return the live generation's
    name: another one when somebody has put one in the place of the same lost one before."""
    with lock(store) as connection:
        live = read_live(connection)
        if live is not None and live != instead_of:
            return live
        connection.execute(delete(projections).where(projections.c.generation == live))
        connection.execute(delete(generations).where(generations.c.name == live))
        now = store.now()
        connection.execute(insert(generations).values(name=name, state=LIVE, created_at=now))
        rests = (
            articles.c.state == State.INDEXED,
            or_(articles.c.stage.is_(None), articles.c.stage == Stage.FETCH),
        )
        connection.execute(
            update(articles)
            .where(*rests, articles.c.version > 0)
            .values(
                stage=Stage.INDEX,
                refetch_at=case((articles.c.stage == Stage.FETCH, articles.c.due_at)),
                due_at=now,
            )
        )
    return name
