"""What enrich reads of an article, and the transaction that ends it: a document or a duplicate."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, insert, or_, select, update

from pipeline.model import ArchivePosition, Document, Entry, Sighting, Stage, State
from pipeline.outcomes import Cause, Reason
from pipeline.store.claimed import ArticleClaim
from pipeline.store.codec import pack_document, unpack_document, unpack_entry
from pipeline.store.events import Happening, record
from pipeline.store.leases import finish, lock_articles, refused
from pipeline.store.removal import is_removed
from pipeline.store.reruns import Rerun, gives_way, note_outcome
from pipeline.store.store import Store, insert_new
from pipeline.store.tables import articles, documents, pages, sightings, urls


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenEntry:
    """Hold what one feed said of an article."""

    entry: Entry
    sighting: Sighting


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Hold what an article's document is made from: its newest page, its entries in the order they were
    seen, and the document that stands."""

    page_url: str | None
    position: ArchivePosition | None
    seen: tuple[SeenEntry, ...]
    previous: Document | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """Hold one more URL key of an article and how it was learnt (redirect, canonical)."""

    url_key: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """Hold another article that may be the same, with its document once it has one."""

    id: str
    document: Document | None
    is_coming: bool  # it has no document yet, and will have one before the article that asks
    is_removed: bool  # by a person: it must not come back under another URL
    fingerprint: tuple[int, ...] = ()  # of its text, or of what it was before it was removed


def read_material(store: Store, claim: ArticleClaim) -> Material:
    """Read what an article's document is made from."""
    with store.read() as connection:
        newest = select(pages).where(pages.c.article_id == claim.id).order_by(pages.c.id.desc()).limit(1)
        is_had = claim.rerun or not claim.partial
        page = connection.execute(newest).first() if is_had else None
        return Material(
            page_url=page.url if page else None,
            position=ArchivePosition(
                file=page.file, offset=page.offset, length=page.length, digest=page.digest
            )
            if page
            else None,
            seen=_seen(connection, claim.id),
            previous=_document(connection, claim.id) if claim.version else None,
        )


def read_sightings(store: Store, article_id: str) -> tuple[SeenEntry, ...]:
    """Read what each feed said of an article, first sighting first."""
    with store.read() as connection:
        return _seen(connection, article_id)


def read_document(store: Store, article_id: str) -> Document | None:
    """Read an article's document."""
    with store.read() as connection:
        return _document(connection, article_id)


def find_twins(
    store: Store, claim: ArticleClaim, aliases: Sequence[Alias], seen: Sequence[SeenEntry]
) -> tuple[Twin, ...]:
    """Find articles that own one of the aliases, or that a feed showed under the same guid."""
    # A guid that is the link tells no more than the link; so for most articles there is nothing to ask.
    guids = {each.entry.guid for each in seen if each.entry.guid not in (None, each.entry.link)}
    if not aliases and not guids:
        return ()
    with store.read() as connection:
        ids = sorted((_owners(connection, aliases) | _with_guids(connection, claim, guids)) - {claim.id})
        wanted = or_(articles.c.state != State.DROPPED, articles.c.reason == Reason.REMOVED)
        alive = select(articles).where(articles.c.id.in_(ids), wanted).order_by(articles.c.id)
        rows = connection.execute(alive).all() if ids else ()
        return tuple(_twin(connection, claim, row) for row in rows)


def wait_for_twin(store: Store, claim: ArticleClaim, twin: Twin, *, delay_s: float) -> bool:
    """Put an article off, untried, until another that may be the same has its document."""
    with store.write() as connection:
        values = {"due_at": store.now() + delay_s, "waits": claim.waits + 1, "waits_for": twin.id}
        return finish(connection, claim, values)


def record_document(
    store: Store,
    claim: ArticleClaim,
    document: Document,
    *,
    aliases: Sequence[Alias],
    detail: str,
    retry_in_s: float | None,
    changes: Mapping[str, Any] | None = None,
) -> bool:
    """Write an article's new document and hand it to index; with `retry_in_s`, its page is asked for again.
    `changes` tells what is new in the document of a re-run.

    False when the lease was no longer ours."""
    row = _document_row(document)
    with store.write() as connection:
        if claim.rerun and gives_way(connection, store, claim):
            return True
        if not finish(connection, claim, _next_state(store, claim, document, retry_in_s)):
            return False
        if claim.rerun:
            note_outcome(connection, store, claim, Rerun.CHANGED, changes=changes)
        if claim.version:
            connection.execute(delete(documents).where(documents.c.article_id == claim.id))
        connection.execute(insert(documents), row)
        _insert_aliases(connection, document, aliases)
        done = Happening(
            stage=Stage.ENRICH, outcome="enriched", slug=document.partial, detail=detail, article_id=claim.id
        )
        record(connection, store, [done])
    return True


def _document_row(document: Document) -> dict[str, Any]:
    packed, digest = pack_document(document)
    return {
        "article_id": document.id,
        "version": document.version,
        "revision": document.revision,
        "sha256": digest,
        "document": packed,
        "text_length": len(document.text),
        "extractor": document.stamps.extractor,
        "model": document.stamps.model,
        "rules": document.stamps.rules,
    }


def _next_state(
    store: Store, claim: ArticleClaim, document: Document, retry_in_s: float | None
) -> dict[str, Any]:
    """Tell how an article goes on: to index, and where so asked for its page once more."""
    now = store.now()
    values: dict[str, Any] = {
        "state": State.INDEXED if claim.state is State.INDEXED else State.ENRICHED,
        "stage": Stage.INDEX,
        "due_at": now,
        "partial": document.partial,
        "revision": document.revision,
        "version": document.version,
        "text_dropped_at": None,
    }
    if retry_in_s is not None:
        values |= {"refetch_at": now + retry_in_s, "refetches": claim.refetches + 1}
    return values


def _insert_aliases(connection: Connection, document: Document, aliases: Sequence[Alias]) -> None:
    same = {"article_id": document.id, "rules": document.stamps.rules}
    insert_new(connection, urls, [{**same, "url_key": each.url_key, "how": each.how} for each in aliases])


def record_unchanged(
    store: Store,
    claim: ArticleClaim,
    *,
    detail: str,
    partial: str | None = None,
    retry_in_s: float | None = None,
) -> bool:
    """End the reading of an article whose document stands, and say in what that is partial; index sees to it
    that the index has it. With `retry_in_s` the page is asked for again.

    False when the lease was no longer ours."""
    with store.write() as connection:
        now = store.now()
        values: dict[str, Any] = {"stage": Stage.INDEX, "due_at": now, "partial": partial}
        if retry_in_s is not None:
            values |= {"refetch_at": now + retry_in_s, "refetches": claim.refetches + 1}
        if not finish(connection, claim, values):
            return False
        happening = Happening(stage=Stage.ENRICH, outcome="unchanged", detail=detail, article_id=claim.id)
        record(connection, store, [happening])
    return True


def record_duplicate(store: Store, claim: ArticleClaim, twin: Twin, *, detail: str) -> bool:
    """Drop an article that is another one under a second URL; its sightings and URLs move to the twin. When
    that was removed meanwhile it is put back, to be read again and known for what was removed."""
    with store.write() as connection:
        now = store.now()
        lock_articles(connection, [claim.id, twin.id])
        if is_removed(connection, twin.id):
            return finish(connection, claim, {"due_at": now})
        if not finish(connection, claim, _dropped_for(twin, detail)):
            return False
        # A feed that shows both keeps its sighting of this one, so that every entry stays counted once.
        both = select(sightings.c.feed_id).where(sightings.c.article_id == twin.id)
        mine = (sightings.c.article_id == claim.id, sightings.c.feed_id.not_in(both))
        connection.execute(update(sightings).where(*mine).values(article_id=twin.id))
        connection.execute(update(urls).where(urls.c.article_id == claim.id).values(article_id=twin.id))
        rests = and_(articles.c.state == State.INDEXED, articles.c.stage.is_(None))
        grown = {"touched": True, "text_dropped_at": None}  # what its feeds say goes again by night
        connection.execute(update(articles).where(articles.c.id == twin.id).values(grown))
        connection.execute(
            update(articles).where(articles.c.id == twin.id, rests).values(stage=Stage.INDEX, due_at=now)
        )
        happening = Happening(
            stage=Stage.ENRICH, outcome="dropped", slug=Reason.DUPLICATE, detail=detail, article_id=claim.id
        )
        record(connection, store, [happening])
    return True


def _dropped_for(twin: Twin, detail: str) -> dict[str, Any]:
    return {
        "state": State.DROPPED,
        "stage": None,
        "due_at": None,
        "refetch_at": None,
        "reason": Reason.DUPLICATE,
        "duplicate_of": twin.id,
        "detail": detail,
    }


def record_page_missing(store: Store, claim: ArticleClaim, *, detail: str, delay_s: float) -> bool:
    """Send an article back to fetch, a limited number of times: its archived page cannot be read."""
    with store.write() as connection:
        values = {"stage": Stage.FETCH, "due_at": store.now() + delay_s, "refetches": claim.refetches + 1}
        if not finish(connection, claim, values):
            return False
        happening = Happening(stage=Stage.ENRICH, outcome="page-missing", detail=detail, article_id=claim.id)
        record(connection, store, [happening])
    return True


def record_quarantine(store: Store, claim: ArticleClaim, stage: Stage, cause: Cause, *, detail: str) -> bool:
    """End an article in quarantine, as `refused` says."""
    with store.write() as connection:
        if not finish(connection, claim, refused(claim, cause, detail, store.now())):
            return False
        happening = Happening(
            stage=stage, outcome="quarantined", slug=cause, detail=detail, article_id=claim.id
        )
        record(connection, store, [happening])
    return True


def refresh_sightings(document: Document, seen: Sequence[SeenEntry]) -> Document:
    """Make the next version of a document whose feeds have grown in number."""
    tags = tuple(dict.fromkeys([*document.tags, *(tag for each in seen for tag in each.entry.tags)]))
    return replace(
        document, version=document.version + 1, sightings=tuple(each.sighting for each in seen), tags=tags
    )


def _seen(connection: Connection, article_id: str) -> tuple[SeenEntry, ...]:
    query = select(sightings).where(sightings.c.article_id == article_id)
    rows = connection.execute(query.order_by(sightings.c.seen_at, sightings.c.feed_id))
    return tuple(
        SeenEntry(entry=unpack_entry(row.entry), sighting=Sighting(feed=row.feed_url, seen_at=row.seen_at))
        for row in rows
    )


def _owners(connection: Connection, aliases: Sequence[Alias]) -> set[str]:
    if not aliases:
        return set()
    keys = [alias.url_key for alias in aliases]
    return set(connection.execute(select(urls.c.article_id).where(urls.c.url_key.in_(keys))).scalars())


def _with_guids(connection: Connection, claim: ArticleClaim, guids: Collection[str | None]) -> set[str]:
    if not guids:
        return set()
    mine, other = sightings.alias(), sightings.alias()
    same = and_(mine.c.feed_id == other.c.feed_id, mine.c.guid == other.c.guid)
    query = (
        select(other.c.article_id)
        .join(mine, same)
        .where(mine.c.article_id == claim.id, mine.c.guid.in_(guids))
    )
    return set(connection.execute(query).scalars())


def _twin(connection: Connection, claim: ArticleClaim, row: Row[Any, Any]) -> Twin:
    document = _document(connection, row.id)
    on_its_way = document is None and row.state in (State.FOUND, State.FETCHED) and row.stage is not None
    return Twin(
        id=row.id,
        document=document,
        is_coming=on_its_way and _goes_first(connection, row, claim.id),
        is_removed=row.reason == Reason.REMOVED,
        fingerprint=document.fingerprint if document else tuple(row.removed_fingerprint or ()),
    )


def _goes_first(connection: Connection, row: Row[Any, Any], id: str) -> bool:
    """Tell whether an article is done before another that would wait for it. Of those that wait for each
    other in a ring the one with the smallest id goes on: all of them may look at the same moment."""
    ring, following = [row.id], row.waits_for
    while following is not None and following not in ring:
        if following == id:
            return bool(min(ring) < id)
        ring.append(following)
        waits = (articles.c.state.in_((State.FOUND, State.FETCHED)), articles.c.stage.is_not(None))
        next_one = select(articles.c.waits_for).where(articles.c.id == following, *waits)
        following = connection.execute(next_one).scalar_one_or_none()
    return True


def _document(connection: Connection, article_id: str) -> Document | None:
    packed = connection.execute(
        select(documents.c.document).where(documents.c.article_id == article_id)
    ).scalar_one_or_none()
    return unpack_document(packed) if packed else None
