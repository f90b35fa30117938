"""Mend what the index holds otherwise than the store says: by making it due, for index has the one writer.

After a restore the index may be ahead of the store. Then a document's version would come to mean two things:
the store's version jumps over the index's, and index rests until somebody has looked (`hold_back`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, and_, delete, insert, or_, select, update

from pipeline.model import Stage, State
from pipeline.outcomes import Cause
from pipeline.store.codec import pack_document, unpack_document
from pipeline.store.generations import RESTORED, make_due
from pipeline.store.store import Store, insert_new, portions
from pipeline.store.tables import KEPT, articles, documents, generations, projections

FOR_EVER = 1e12
"""Seconds since the epoch; some 30,000 years on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Hold what the store says of one article and the index: what it should hold, what it is said to hold."""

    id: str
    state: str  # one of State, unless the row is damaged
    version: int  # of the article: of its document, or of its tombstone
    document: int | None  # the document's version
    projected: int | None
    is_refused: bool  # the index will not have this version
    is_due: bool  # index has yet to come to it, or is at it


def read_due(store: Store, generation: str, ids: Sequence[str] | None = None) -> Mapping[str, Due]:
    """Read what a generation should hold: all that it concerns, or what is known of some ids."""
    mine = and_(projections.c.article_id == articles.c.id, projections.c.generation == generation)
    columns = (articles.c.id, articles.c.state, articles.c.stage, articles.c.touched, articles.c.reason)
    versions = (documents.c.version.label("document"), projections.c.version.label("projected"))
    query = select(*columns, articles.c.version, *versions)
    joined = articles.outerjoin(documents, documents.c.article_id == articles.c.id).outerjoin(
        projections, mine
    )
    query = query.select_from(joined)
    concerned = or_(articles.c.state == State.INDEXED, projections.c.version.is_not(None))
    found: dict[str, Due] = {}
    for batch in [None] if ids is None else list(portions(ids)):
        wanted = concerned if batch is None else articles.c.id.in_(batch)
        with store.read() as connection:
            for row in connection.execute(query.where(wanted)):
                found[row.id] = Due(
                    id=row.id,
                    state=row.state,
                    version=row.version,
                    document=row.document,
                    projected=row.projected,
                    is_refused=row.reason in (Cause.INDEX_REJECTED, Cause.STAGE_CRASHED),
                    is_due=row.stage == Stage.INDEX or (row.touched and row.stage is not None),
                )
    return found


def put_again(store: Store, generation: str, ids: Sequence[str]) -> None:
    """Make documents due for a generation that does not hold them as it should."""
    for batch in portions(ids):
        mine = (projections.c.generation == generation, projections.c.article_id.in_(batch))
        with store.write() as connection:
            connection.execute(delete(projections).where(*mine))
    _make_due(store, generation)


def take_out(store: Store, generation: str, versions: Mapping[str, int]) -> None:
    """Make tombstones due for dropped articles that a generation holds, in these versions."""
    for id, version in versions.items():
        with store.write() as connection:
            row = {"generation": generation, "article_id": id, "version": version}
            insert_new(connection, projections, [row])
            older = (articles.c.id == id, articles.c.version < version)
            connection.execute(update(articles).where(*older).values(version=version))
    _make_due(store, generation)


def overtake(store: Store, generation: str, versions: Mapping[str, int]) -> frozenset[str]:
    """Let articles jump over the versions in which a generation holds them, and make them due. Return those
    that did not, since a worker holds them just now."""
    left = frozenset(id for id, version in versions.items() if not jump_over(store, id, version, owner=None))
    _make_due(store, generation)
    return left


def jump_over(store: Store, id: str, version: int, *, owner: str | None) -> bool:
    """Let an article that this owner holds (None: nobody) jump over a version; False when it is not so."""
    with store.write() as connection:
        mine = (articles.c.id == id, articles.c.lease_owner == owner, articles.c.version <= version)
        if connection.execute(update(articles).where(*mine).values(version=version + 1)).rowcount != 1:
            return False
        stands = select(documents.c.document).where(documents.c.article_id == id)
        if packed := connection.execute(stands).scalar_one_or_none():
            packed, digest = pack_document(replace(unpack_document(packed), version=version + 1))
            row = {"version": version + 1, "document": packed, "sha256": digest}
            connection.execute(update(documents).where(documents.c.article_id == id).values(**row))
    return True


def _make_due(store: Store, generation: str) -> None:
    with store.write() as connection:
        make_due(connection, store, generation)


def hold_back(store: Store) -> None:
    """Let index claim nothing until `let_index_go`, or until a proved generation is live."""
    with store.write() as connection:
        row = {"state": KEPT, "created_at": store.now(), "paused_until": FOR_EVER}
        connection.execute(delete(generations).where(generations.c.name == RESTORED))
        connection.execute(insert(generations).values(name=RESTORED, **row))


def is_held_back(store: Store) -> bool:
    """Tell whether index rests since the store was restored."""
    with store.read() as connection:
        return read_hold(connection, store)


def read_hold(connection: Connection, store: Store) -> bool:
    """Tell inside a transaction what `is_held_back` tells."""
    mine = (generations.c.name == RESTORED, generations.c.paused_until > store.now())
    return connection.execute(select(generations.c.name).where(*mine)).first() is not None


def let_index_go(store: Store) -> None:
    """End what `hold_back` began."""
    with store.write() as connection:
        connection.execute(delete(generations).where(generations.c.name == RESTORED))
