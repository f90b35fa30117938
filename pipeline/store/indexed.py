"""What index reads, and the transaction that ends it: which version of which article a generation holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, case, delete, func, insert, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from pipeline.errors import GenerationMovedError
from pipeline.model import Document, Stage, State
from pipeline.outcomes import Cause
from pipeline.store.claimed import ArticleClaim
from pipeline.store.codec import pack_document, unpack_document
from pipeline.store.enriched import read_sightings, refresh_sightings
from pipeline.store.events import Happening, record
from pipeline.store.generations import is_live
from pipeline.store.leases import finish, finish_all, give_back, lock_articles, refused, rested
from pipeline.store.store import Store
from pipeline.store.tables import BUILDING, KEPT, articles, documents, events, generations, projections

LASTS_S = 300.0
"""An article that the index puts off is told of when nothing has been told for so long: an overload of some
seconds is no news, and a day of it is a few hundred lines, not a million."""

TICK_S = 1e-6
"""A double tells moments of our time apart by a quarter of this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """Say that an article's document is in the index, at a version; or why the index will not have it."""

    claim: ArticleClaim
    version: int
    rejected: str | None = None


def read_documents(store: Store, claims: Sequence[ArticleClaim]) -> tuple[Document, ...]:
    """Read the documents of claimed articles; one whose feeds grew since is written anew first."""
    with store.read() as connection:
        query = select(documents.c.document).where(documents.c.article_id.in_([claim.id for claim in claims]))
        unpacked = [unpack_document(packed) for (packed,) in connection.execute(query)]
    found = {document.id: document for document in unpacked}
    grown = [claim for claim in claims if claim.touched and claim.id in found]
    for claim in grown:
        found[claim.id] = _write_refreshed(store, claim, found[claim.id])
    return tuple(found[claim.id] for claim in claims if claim.id in found)


def record_indexed(store: Store, generation: str, results: Sequence[Indexed]) -> int:
    """Write what the live generation now holds and free the articles; return how many were still ours.

    Raises GenerationMovedError when another generation has become the live one."""
    with store.write() as connection:
        _check_live(connection, generation)
        lock_articles(connection, [each.claim.id for each in results])
        done = finish_all(
            connection, [each.claim for each in results if each.rejected is None], _at_rest(store)
        )
        held = [each for each in results if each.claim.id in done]
        now = store.now()
        rejected = [each for each in results if each.rejected and _finish_rejected(connection, each, now)]
        _delete_projections(connection, generation, [each.claim.id for each in held])
        if held:
            rows = [
                {"generation": generation, "article_id": each.claim.id, "version": each.version}
                for each in held
            ]
            connection.execute(insert(projections), rows)
        record(connection, store, [_event(each) for each in (*held, *rejected)])
    return len(held) + len(rejected)


def record_removed(store: Store, generation: str, claims: Sequence[ArticleClaim]) -> None:
    """Write that the live generation holds removed articles no more. Raises as `record_indexed` does."""
    if not claims:
        return
    with store.write() as connection:
        _check_live(connection, generation)
        ours = [claim for claim in claims if finish(connection, claim, {"stage": None, "due_at": None})]
        _delete_projections(connection, generation, [claim.id for claim in ours])
        done = [Happening(stage=Stage.INDEX, outcome="removed", article_id=claim.id) for claim in ours]
        record(connection, store, done)


def kept_with(store: Store, claims: Sequence[ArticleClaim]) -> Sequence[str]:
    """Name the generations that hold any of some articles, are not live, and have no builder: a builder sees
    to it by itself."""
    ids = [claim.id for claim in claims]
    with store.read() as connection:
        holds = select(projections.c.generation).where(projections.c.article_id.in_(ids))
        left = and_(generations.c.state == BUILDING, generations.c.owner.is_(None))
        kept = select(generations.c.name).where(or_(generations.c.state == KEPT, left))
        return connection.execute(kept.where(generations.c.name.in_(holds))).scalars().all()


def forget_kept(store: Store, generation: str, claims: Sequence[ArticleClaim]) -> None:
    """Write that a kept generation holds removed articles no more."""
    with store.write() as connection:
        _delete_projections(connection, generation, [claim.id for claim in claims])


def put_off(store: Store, claims: Sequence[ArticleClaim], *, delay_s: float, detail: str) -> None:
    """Give articles back untried that the index does not take just now; when it lasts, an event says so."""
    with store.write() as connection:
        give_back(connection, store, claims, delay_s=delay_s)
        recent = select(events.c.article_id).where(
            events.c.article_id.in_([claim.id for claim in claims]), events.c.at > store.now() - LASTS_S
        )
        told = set(connection.execute(recent).scalars())
        late = [claim for claim in claims if claim.id not in told]
        record(
            connection,
            store,
            [
                Happening(stage=Stage.INDEX, outcome="deferred", detail=detail, article_id=claim.id)
                for claim in late
            ],
        )


def _check_live(connection: Connection, generation: str) -> None:
    if not is_live(connection, generation):
        raise GenerationMovedError(f"generation {generation} is not live any more")


def _delete_projections(connection: Connection, generation: str, ids: Sequence[str]) -> None:
    mine = (projections.c.generation == generation, projections.c.article_id.in_(ids))
    connection.execute(delete(projections).where(*mine))


def _write_refreshed(store: Store, claim: ArticleClaim, document: Document) -> Document:
    refreshed = refresh_sightings(document, read_sightings(store, claim.id))
    if refreshed.sightings == document.sightings and refreshed.tags == document.tags:
        return document
    packed, digest = pack_document(refreshed)
    with store.write() as connection:
        version = {"version": refreshed.version}
        mine = (articles.c.id == claim.id, articles.c.lease_owner == claim.owner)
        if connection.execute(update(articles).where(*mine).values(**version)).rowcount == 1:
            stays = documents.c.article_id == claim.id
            connection.execute(
                update(documents).where(stays).values(**version, document=packed, sha256=digest)
            )
            return refreshed
    return document


def _at_rest(store: Store) -> dict[str, Any]:
    now = store.now()
    # Followers read in this order: after a clock that went back, too, what comes later stands later.
    newest = select(func.max(articles.c.indexed_at)).scalar_subquery()
    comes_at = case((newest >= now, newest + TICK_S), else_=now)
    return {
        **rested(now),
        "state": State.INDEXED,
        "indexed_at": case((articles.c.indexed_at.is_(None), comes_at), else_=articles.c.indexed_at),
        "reason": None,
        "detail": None,
    }


def _finish_rejected(connection: Connection, result: Indexed, now: ColumnElement[float]) -> bool:
    values = refused(result.claim, Cause.INDEX_REJECTED, result.rejected, now)
    return finish(connection, result.claim, values)


def _event(result: Indexed) -> Happening:
    claim = result.claim
    if result.rejected is not None:
        return Happening(
            stage=Stage.INDEX,
            outcome="quarantined",
            slug=Cause.INDEX_REJECTED,
            detail=result.rejected,
            article_id=claim.id,
        )
    return Happening(
        stage=Stage.INDEX,
        outcome="indexed",
        slug=claim.partial,
        detail=f"version {result.version}",
        article_id=claim.id,
    )
