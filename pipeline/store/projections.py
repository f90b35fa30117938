"""What a generation lacks, and what it holds: the side of the store that a builder works on.

An index should hold the document of every article that is `indexed`. A row of `projections` comes before the
document does, with version 0: so the store knows of all that a builder may have written, even if it dies or
the article is removed in the same moment.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, and_, bindparam, delete, func, select, update
from sqlalchemy.sql.elements import ColumnElement

from pipeline.model import Document, State
from pipeline.store.codec import unpack_document
from pipeline.store.generations import check_hold
from pipeline.store.store import Store, insert_new, portions
from pipeline.store.tables import articles, documents, projections


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Name an article that a generation holds, or may hold, and that it should not."""

    id: str
    version: int
    first_seen_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Hold one moment of the store: what an index should hold, and what a generation lacks of it."""

    versions: Mapping[str, int]
    due: tuple[Document, ...]
    gone: tuple[Gone, ...]


def list_due(store: Store, generation: str, *, after: str = "", limit: int) -> Sequence[str]:
    """List ids that a generation lacks, or holds in an older version, in order."""
    with store.read() as connection:
        query = _due(generation, documents.c.article_id).where(documents.c.article_id > after)
        return connection.execute(query.order_by(documents.c.article_id).limit(limit)).scalars().all()


def count_due(store: Store, generation: str) -> int:
    """Count what a generation lacks, and what it should not hold."""
    with store.read() as connection:
        lacking: int = connection.execute(_due(generation, func.count())).scalar_one()
        gone = select(func.count()).select_from(_gone(generation).subquery())
        return lacking + connection.execute(gone).scalar_one()


def count_documents(store: Store) -> int:
    """Count the documents that an index should hold."""
    with store.read() as connection:
        count: int = connection.execute(_expected(func.count())).scalar_one()
    return count


def list_gone(store: Store, generation: str) -> tuple[Gone, ...]:
    """List what a generation holds, or may hold, though it should not."""
    with store.read() as connection:
        return tuple(Gone(**row._mapping) for row in connection.execute(_gone(generation)))


def read_current(store: Store, ids: Sequence[str]) -> Iterator[Document]:
    """Read the documents of some ids that an index should hold."""
    for batch in portions(ids):
        with store.read() as connection:
            query = _expected(documents.c.document).where(documents.c.article_id.in_(batch))
            rows = connection.execute(query).scalars().all()
        yield from map(unpack_document, rows)


def begin_putting(store: Store, generation: str, owner: str, ids: Sequence[str]) -> tuple[Document, ...]:
    """Read documents and note that a generation is about to hold them. Raises GenerationMovedError."""
    with store.write() as connection:
        check_hold(connection, generation, owner)
        query = _expected(documents.c.document).where(documents.c.article_id.in_(ids))
        found = [unpack_document(packed) for packed in connection.execute(query).scalars()]
        rows = [{"generation": generation, "article_id": each.id, "version": 0} for each in found]
        insert_new(connection, projections, rows)
    return tuple(found)


def record_put(store: Store, generation: str, owner: str, versions: Mapping[str, int]) -> None:
    """Write which versions a generation holds; a row that a removal took meanwhile stays away."""
    if not versions:
        return
    mine = (projections.c.generation == generation, projections.c.article_id == bindparam("id"))
    statement = update(projections).where(*mine).values(version=bindparam("held"))
    with store.write() as connection:
        check_hold(connection, generation, owner)
        connection.execute(statement, [{"id": id, "held": held} for id, held in versions.items()])


def record_gone(store: Store, generation: str, owner: str, ids: Sequence[str]) -> None:
    """Write that a generation holds articles no more."""
    for batch in portions(ids):
        with store.write() as connection:
            check_hold(connection, generation, owner)
            mine = (projections.c.generation == generation, projections.c.article_id.in_(batch))
            connection.execute(delete(projections).where(*mine))


def note_held(store: Store, generation: str, owner: str, ids: Sequence[str]) -> None:
    """Note that a generation may hold articles that the store knows: a worker that was frozen may have
    written them after the generation was live."""
    for batch in portions(ids):
        with store.write() as connection:
            check_hold(connection, generation, owner)
            known = connection.execute(select(articles.c.id).where(articles.c.id.in_(batch))).scalars().all()
            rows = [{"generation": generation, "article_id": id, "version": 0} for id in known]
            insert_new(connection, projections, rows)


def cut(store: Store, generation: str) -> Cut:
    """Read one moment of the store, with the contents that a generation still lacks."""
    with store.read() as connection:
        rows = connection.execute(_expected(documents.c.article_id, documents.c.version))
        versions: dict[str, int] = {row[0]: row[1] for row in rows}
        due = connection.execute(_due(generation, documents.c.document)).scalars().all()
        gone = tuple(Gone(**row._mapping) for row in connection.execute(_gone(generation)))
    return Cut(versions=versions, due=tuple(map(unpack_document, due)), gone=gone)


def _expected(*columns: ColumnElement) -> Select:  # type: ignore[type-arg]  # any columns
    query = select(*columns).select_from(documents)
    return query.join(articles, articles.c.id == documents.c.article_id).where(
        articles.c.state == State.INDEXED
    )


def _due(generation: str, *columns: ColumnElement) -> Select:  # type: ignore[type-arg]  # any columns
    held = and_(
        projections.c.generation == generation,
        projections.c.article_id == documents.c.article_id,
    )
    query = select(*columns).select_from(
        documents.join(articles, articles.c.id == documents.c.article_id).outerjoin(projections, held)
    )
    return query.where(
        articles.c.state == State.INDEXED, func.coalesce(projections.c.version, 0) < documents.c.version
    )


def _gone(generation: str) -> Select:  # type: ignore[type-arg]  # three columns
    query = select(articles.c.id, articles.c.version, articles.c.first_seen_at)
    return query.join(projections, projections.c.article_id == articles.c.id).where(
        projections.c.generation == generation, articles.c.state != State.INDEXED
    )
