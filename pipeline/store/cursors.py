"""Cursors: how far somebody who follows a search has read what came into the index.

Articles are read in the order of `indexed_at`, by the store's clock. A transaction that took its time there
may become visible after a later one, so the mark moves only over what is older than `OVERLAP_S`; what
was given beyond the mark is remembered by id.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson
from sqlalchemy import and_, or_, select, update

from pipeline.errors import UsageError, WireroomError
from pipeline.model import State
from pipeline.store.leases import LEASE_S
from pipeline.store.store import Store, insert_new
from pipeline.store.tables import LIVE, articles, cursors, generations, projections

OVERLAP_S = 2 * LEASE_S
"""Who finishes an article must still hold its lease, so no transaction that does lasts longer than one."""

ARRIVALS = 500
"""Articles read at a time."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Name a place in the order in which articles came into the index."""

    at: float
    id: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """Hold how far a follower has come: all up to the mark, and some beyond it."""

    name: str
    mark: Mark
    given: frozenset[str]  # ids of articles beyond the mark that are done
    saves: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """Hold an article that came into the index. One that waits is due for the live generation, and is not
    there yet; one that is gone was dropped since."""

    mark: Mark
    waits: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Hold what came into the index after a mark, in order; nothing can turn up any more up to `horizon`."""

    after: Mark
    arrivals: tuple[Arrival, ...]
    horizon: float

    @property
    def is_last(self) -> bool:
        """Tell whether nothing came after these."""
        return len(self.arrivals) < ARRIVALS


def open_cursor(store: Store, name: str, *, search: str, query: str, since: float | None) -> Cursor:
    """Find a cursor, or make one that begins at `since`, or now. `search` is the digest of what it follows,
    `query` what a person would know it by. Raises UsageError when it follows another search."""
    with store.write() as connection:
        now = store.read_clock(connection)
        fresh = {"name": name, "search": search, "query": query, "saves": 0, "saved_at": now}
        start = {"read_at": now if since is None else since, "read_id": "", "given": _packed(frozenset())}
        insert_new(connection, cursors, [fresh | start])
        row = connection.execute(select(cursors).where(cursors.c.name == name)).one()
    if row.search != search:
        raise UsageError(f"the cursor {name} follows another search ({row.query}); choose another name")
    return Cursor(name, Mark(row.read_at, row.read_id), _unpacked(row.given), row.saves)


def save_cursor(store: Store, cursor: Cursor) -> Cursor:
    """Write how far a follower has come. Raises WireroomError when somebody else has moved the cursor."""
    with store.write() as connection:
        values = {
            "read_at": cursor.mark.at,
            "read_id": cursor.mark.id,
            "given": _packed(cursor.given),
            "saves": cursor.saves + 1,
            "saved_at": store.now(),
        }
        mine = (cursors.c.name == cursor.name, cursors.c.saves == cursor.saves)
        if connection.execute(update(cursors).where(*mine).values(values)).rowcount != 1:
            raise WireroomError(
                f"another process follows with the cursor {cursor.name}; give each its own name"
            )
    return replace(cursor, saves=cursor.saves + 1)


def read_arrivals(store: Store, after: Mark) -> Arrivals:
    """Read the next articles that came into the index after a mark."""
    live = select(generations.c.name).where(generations.c.state == LIVE).scalar_subquery()
    held = and_(projections.c.article_id == articles.c.id, projections.c.generation == live)
    at = articles.c.indexed_at
    query = (
        select(articles.c.id, at, articles.c.state, articles.c.stage, projections.c.version)
        .select_from(articles.outerjoin(projections, held))
        .where(at >= after.at, or_(at > after.at, articles.c.id > after.id))
        .order_by(at, articles.c.id)
        .limit(ARRIVALS)
    )
    with store.read() as connection:
        horizon = store.read_clock(connection) - OVERLAP_S
        rows = connection.execute(query).all()
    return Arrivals(after, tuple(_arrival(*row) for row in rows), horizon)


def _arrival(id: str, at: float, state: str, stage: str | None, version: int | None) -> Arrival:
    gone = state != State.INDEXED
    waits = not gone and not version and stage is not None  # version 0: about to be put
    return Arrival(Mark(at, id), gone=gone, waits=waits)


def settled(cursor: Cursor, read: Arrivals) -> Cursor:
    """Move a cursor over arrivals that are done. It stops before one that waits, and at the horizon."""
    mark, given = cursor.mark, set(cursor.given)
    moves = read.after == mark
    for arrival in read.arrivals:
        moves = moves and not arrival.waits and arrival.mark.at <= read.horizon
        if moves:
            mark = arrival.mark
            given.discard(mark.id)
        elif not arrival.waits:
            given.add(arrival.mark.id)
    return replace(cursor, mark=mark, given=frozenset(given))


def unread(cursor: Cursor, read: Arrivals) -> Sequence[str]:
    """List the ids of arrivals that can be searched and were not given yet."""
    ready = (arrival for arrival in read.arrivals if not arrival.waits and not arrival.gone)
    return [arrival.mark.id for arrival in ready if arrival.mark.id not in cursor.given]


def _packed(given: frozenset[str]) -> bytes:
    return zlib.compress(orjson.dumps(sorted(given)), 1)


def _unpacked(packed: bytes) -> frozenset[str]:
    return frozenset(orjson.loads(zlib.decompress(packed)))
