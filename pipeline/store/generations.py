"""The generations of the index, as the store knows them: one is live, others are being built, or kept.

The store is the truth: a generation is exchanged here first, and then exposed in the index. Whoever opens the
live generation next mends what a crash in between left.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, case, delete, exists, func, insert, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from pipeline.errors import GenerationMovedError, RebuildBusyError, RebuildFailedError
from pipeline.model import Stage, State
from pipeline.store.leases import has_died
from pipeline.store.store import Store
from pipeline.store.tables import BUILDING, KEPT, LIVE, articles, generations, projections

LOCK = 0x77697265
"""Names the lock of the generations among PostgreSQL's advisory locks; any number that is always the same."""

RESTORED = "restored"
"""Names the row that holds index back: no generation, paused until somebody has looked (`mending`)."""

HOLD_S = 60.0
"""How long a builder without a sign of life keeps others off; on its machine its death is seen at once."""

FORGET_BATCH = 10_000
"""Projections deleted in one transaction, so that no stage waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """Hold what the store knows of one generation."""

    name: str
    state: str
    created_at: float
    mapping: int | None
    is_held: bool  # a builder lives
    documents: int  # that it holds, or is about to
    progress: dict[str, Any] | None
    proof: dict[str, Any] | None


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


def read_generations(store: Store) -> tuple[Generation, ...]:
    """Read all generations, newest first."""
    with store.read() as connection:
        now = store.read_clock(connection)
        counted = select(projections.c.generation, func.count()).group_by(projections.c.generation)
        documents: dict[str, int] = {row[0]: row[1] for row in connection.execute(counted)}
        named = select(generations).where(generations.c.name != RESTORED)
        rows = connection.execute(named.order_by(generations.c.created_at.desc())).all()
    same = ("name", "state", "created_at", "mapping", "progress", "proof")
    return tuple(
        Generation(
            is_held=_is_held(row, now),
            documents=documents.get(row.name, 0),
            **{name: getattr(row, name) for name in same},
        )
        for row in rows
    )


def is_live(connection: Connection, name: str) -> bool:
    """Tell whether a generation is live, and hold it so until the transaction ends."""
    query = select(generations.c.name).where(generations.c.name == name, generations.c.state == LIVE)
    return connection.execute(query.with_for_update(read=True)).first() is not None


def paused(now: ColumnElement[float]) -> ColumnElement[bool]:
    """Say in SQL that index is to claim nothing, since a builder is at its last lap."""
    return exists().where(generations.c.paused_until > now)


def adopt_generation(store: Store, name: str, *, instead_of: str | None, mapping: int | None = None) -> str:
    """Make a new, empty generation the live one: every document is due for it. Return the live generation's
    name: another one when somebody has put one in the place of the same lost one before."""
    with lock(store) as connection:
        live = read_live(connection)
        if live is not None and live != instead_of:
            return live
        connection.execute(delete(projections).where(projections.c.generation == live))
        connection.execute(delete(generations).where(generations.c.name == live))
        row = {"name": name, "state": LIVE, "created_at": store.now(), "mapping": mapping}
        connection.execute(insert(generations).values(row))
        make_due(connection, store, name)
    return name


def hold_building(store: Store, name: str, *, owner: str, mapping: int) -> str:
    """Take the generation that is being built, or begin one under this name; return its name.

    Raises RebuildBusyError while another builder lives."""
    with lock(store) as connection:
        _refuse_second(connection, store)
        begun = connection.execute(
            select(generations.c.name).where(generations.c.state == BUILDING)
        ).scalar_one_or_none()
        if begun is None:
            row = {"name": name, "state": BUILDING, "created_at": store.now(), "mapping": mapping}
            connection.execute(insert(generations).values(row))
        _hold(connection, store, begun or name, owner)
    return begun or name


def hold_kept(store: Store, name: str, *, owner: str) -> None:
    """Take a kept generation. Raises RebuildBusyError while a builder lives."""
    with lock(store) as connection:
        _refuse_second(connection, store)
        _hold(connection, store, name, owner)


def keep_hold(store: Store, name: str, owner: str, **values: Any) -> None:
    """Show a sign of life, and write `progress`, `proof` or `mapping` down with it.

    Raises GenerationMovedError when another builder has taken over."""
    with store.write() as connection:
        check_hold(connection, name, owner)
        until = {"owned_until": store.now() + HOLD_S}
        connection.execute(update(generations).where(generations.c.name == name).values(**until, **values))


def keep_proof(store: Store, name: str, proof: dict[str, Any]) -> None:
    """Keep a proof with its generation."""
    with store.write() as connection:
        connection.execute(update(generations).where(generations.c.name == name).values(proof=proof))


def check_hold(connection: Connection, name: str, owner: str) -> None:
    """Make sure that a generation is ours until the transaction ends. Raises GenerationMovedError."""
    mine = (generations.c.name == name, generations.c.owner == owner)
    if connection.execute(select(generations.c.name).where(*mine).with_for_update(read=True)).first() is None:
        raise GenerationMovedError(f"another process has taken generation {name} over")


def let_go(store: Store, name: str, owner: str) -> None:
    """End a builder's hold and its pause; another builder's are left alone."""
    with store.write() as connection:
        mine = (generations.c.name == name, generations.c.owner == owner)
        freed = {"owner": None, "owned_until": None, "paused_until": None}
        connection.execute(update(generations).where(*mine).values(freed))


def pause(store: Store, name: str, owner: str, *, seconds: float) -> None:
    """Let index claim nothing for so many seconds by the store's clock; 0 ends the pause."""
    with store.write() as connection:
        check_hold(connection, name, owner)
        until = store.now() + seconds if seconds else None
        connection.execute(update(generations).where(generations.c.name == name).values(paused_until=until))


def count_in_flight(store: Store) -> int:
    """Count the articles that index workers hold just now."""
    with store.read() as connection:
        held = (articles.c.stage == Stage.INDEX, articles.c.lease_owner.is_not(None))
        return connection.execute(
            select(func.count()).where(*held, articles.c.lease_until > store.now())
        ).scalar_one()


def swap(store: Store, name: str, owner: str, *, proof: dict[str, Any]) -> None:
    """Make a proved generation the live one and keep the one before. What it lacks is due for it: so nothing
    is lost that index finished in between. Raises GenerationMovedError when it is not ours any more."""
    with lock(store) as connection:
        check_hold(connection, name, owner)
        connection.execute(update(generations).where(generations.c.state == LIVE).values(state=KEPT))
        free = {"owner": None, "owned_until": None, "paused_until": None, "progress": None}
        live = {"state": LIVE, "proof": proof, **free}
        connection.execute(update(generations).where(generations.c.name == name).values(live))
        connection.execute(delete(generations).where(generations.c.name == RESTORED))
        make_due(connection, store, name)


def make_due(connection: Connection, store: Store, name: str) -> None:
    """Make due for index what a generation lacks, and what it holds though it is removed. What is under way
    in enrich or fetch, and may end without a new document, is marked to come to index afterwards."""
    now = store.now()
    held = and_(projections.c.generation == name, projections.c.article_id == articles.c.id)
    lacks = and_(
        articles.c.state == State.INDEXED,
        articles.c.version > 0,
        ~exists().where(held, projections.c.version >= articles.c.version),
    )
    haunts = and_(articles.c.state == State.DROPPED, exists().where(held))
    comes_later = articles.c.stage == Stage.ENRICH
    elsewhere = or_(articles.c.stage.is_(None), articles.c.stage != Stage.INDEX)
    connection.execute(
        update(articles)
        .where(elsewhere, or_(lacks, haunts))
        .values(
            touched=or_(articles.c.touched, articles.c.stage.is_not(None)),
            stage=case((comes_later, articles.c.stage), else_=Stage.INDEX),
            refetch_at=case(
                (articles.c.stage == Stage.FETCH, articles.c.due_at), (comes_later, articles.c.refetch_at)
            ),
            due_at=case((comes_later, articles.c.due_at), else_=now),
        )
    )


def forget(store: Store, name: str) -> None:
    """Delete a generation that is not live. Raises RebuildFailedError for the live one."""
    if live_generation(store) == name:
        raise RebuildFailedError(f"generation {name} is live and cannot be deleted")
    clear(store, name)
    with lock(store) as connection:
        connection.execute(delete(generations).where(generations.c.name == name, generations.c.state != LIVE))


def clear(store: Store, name: str) -> None:
    """Forget what a generation holds, a batch at a time."""
    some = select(projections.c.article_id).where(projections.c.generation == name).limit(FORGET_BATCH)
    mine = (projections.c.generation == name, projections.c.article_id.in_(some))
    deleted = FORGET_BATCH
    while deleted == FORGET_BATCH:
        with store.write() as connection:
            deleted = connection.execute(delete(projections).where(*mine)).rowcount


def names_kept(store: Store) -> Sequence[str]:
    """Name the kept generations, newest first."""
    with store.read() as connection:
        kept = select(generations.c.name).where(generations.c.state == KEPT, generations.c.name != RESTORED)
        return connection.execute(kept.order_by(generations.c.created_at.desc())).scalars().all()


def _refuse_second(connection: Connection, store: Store) -> None:
    now = store.read_clock(connection)
    held = connection.execute(select(generations).where(generations.c.owner.is_not(None))).all()
    for row in held:
        if _is_held(row, now):
            raise RebuildBusyError(
                f"generation {row.name} is being built by process {row.owner.split(':')[1]} on"
                f" {row.owner.split(':')[0]}: `wireroom reindex status` tells how far it is"
            )


def _is_held(row: Any, now: float) -> bool:
    return row.owner is not None and row.owned_until > now and not has_died(row.owner)


def _hold(connection: Connection, store: Store, name: str, owner: str) -> None:
    # One builder at a time: a dead one's hold on another generation ends, too.
    ended = {"owner": None, "owned_until": None, "paused_until": None}
    connection.execute(update(generations).where(generations.c.name != RESTORED).values(ended))
    mine = {"owner": owner, "owned_until": store.now() + HOLD_S}
    connection.execute(update(generations).where(generations.c.name == name).values(mine))
