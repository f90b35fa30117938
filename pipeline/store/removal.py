"""Removal: an article's words go from the store, its pages from the archive, its document from the index. Its
URL stays, so that it never comes back.

Three steps, each repeatable: the store forgets the text and fences off whoever works on the article; the
archive's records are overwritten; then the pages' rows go. Until they are gone a further `remove` goes on.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, case, delete, func, select, update

from pipeline.model import ArchivePosition, Stage, State
from pipeline.outcomes import Reason
from pipeline.store.codec import pack_entry, unpack_document, unpack_entry
from pipeline.store.events import Happening, record
from pipeline.store.found import bare_entry
from pipeline.store.leases import lock_articles
from pipeline.store.store import Store
from pipeline.store.tables import (
    articles,
    documents,
    events,
    feed_moves,
    feed_sitemaps,
    feeds,
    pages,
    reruns,
    sightings,
)

REMOVE = "remove"
"""The stage of the event that says who removed what, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Count what goes, or would go, with an article and its duplicates."""

    id: str
    url: str
    articles: int
    documents: int
    entries: int
    pages: int


def plan_removal(store: Store, id: str) -> Removal:
    """Count what the removal of an article would erase."""
    with store.read() as connection:
        return _count(connection, _family(connection, id))


def is_removed(connection: Connection, id: str) -> bool:
    """Tell inside a transaction whether a person removed an article."""
    mine = select(articles.c.reason).where(articles.c.id == id)
    return bool(connection.execute(mine).scalar_one_or_none() == Reason.REMOVED)


def read_removed(store: Store, *, since: float) -> tuple[str, ...]:
    """Read the ids of what was removed since a time, as far as its steps are kept."""
    removals = (events.c.stage == REMOVE, events.c.at >= since)
    with store.read() as connection:
        rows = connection.execute(select(events.c.article_id).where(*removals).distinct())
        return tuple(rows.scalars())


@dataclass(frozen=True, slots=True, order=True)
class Places:
    """Say where else an article's words may stand: answers of its addresses, bodies of its feeds."""

    urls: tuple[str, ...]
    feeds: tuple[str, ...]


def read_places(store: Store, id: str) -> Places:
    """Read by which addresses feeds showed an article and its duplicates, and at which the feeds answered;
    after a removal, too."""
    with store.read() as connection:
        family = _family(connection, id)
        clicked = select(articles.c.url).where(articles.c.id.in_(family))
        shown = select(sightings).where(sightings.c.article_id.in_(family))
        rows = connection.execute(shown).all()
        urls = {*connection.execute(clicked).scalars(), *(unpack_entry(row.entry).link for row in rows)}
        asked = _asked_for_feeds(connection, {row.feed_id for row in rows})
        return Places(tuple(sorted(urls)), tuple(sorted({row.feed_url for row in rows} | asked)))


def _asked_for_feeds(connection: Connection, ids: Collection[int]) -> set[str]:
    """Read where feeds answered: where redirects led, before and after a move, at their sitemaps."""
    addresses = (
        (feeds.c.id, feeds.c.url, feeds.c.validators_from),
        (feed_moves.c.feed_id, feed_moves.c.old_url, feed_moves.c.new_url),
        (feed_sitemaps.c.feed_id, feed_sitemaps.c.url, feed_sitemaps.c.validators_from),
    )
    rows = [row for id, *two in addresses for row in connection.execute(select(*two).where(id.in_(ids)))]
    return {url for row in rows for url in row if url}


def is_a_page(store: Store, position: ArchivePosition) -> bool:
    """Tell whether a record of the archive is an article's page; after a removal, another article's."""
    with store.read() as connection:
        same = (pages.c.file == position.file, pages.c.offset == position.offset)
        return connection.execute(select(pages.c.id).where(*same).limit(1)).first() is not None


def remove(store: Store, id: str, *, reason: str, erase: Callable[[ArchivePosition], None]) -> Removal:
    """Erase an article and its duplicates and leave its URL, so that it never comes back.

    `erase` overwrites one record of the archive; when it raises, a further call goes on there.
    """
    while (begun := _begin(store, id, reason)) is None:
        pass
    family, removal = begun
    _erase_pages(store, family, erase)
    truncate_log(store)
    return removal


def _begin(store: Store, id: str, reason: str) -> tuple[Sequence[str], Removal] | None:
    """Let the store forget the text; None when a duplicate joined while the articles were being locked."""
    with store.write() as connection:
        overwrite_freed(connection)
        family = _family(connection, id)
        lock_articles(connection, family)
        if _family(connection, id) != family:
            return None
        removal = _count(connection, family)
        values = _removed(store, reason) | _known_by(connection, family)
        _forget_text(connection, family)
        connection.execute(update(articles).where(articles.c.id.in_(family)).values(values))
        told = [
            Happening(stage=REMOVE, outcome="removed", slug=Reason.REMOVED, detail=reason, article_id=each)
            for each in family
        ]
        record(connection, store, told)
    return family, removal


def _family(connection: Connection, id: str) -> list[str]:
    """List an article, what it is a duplicate of, and every duplicate of these: they tell the same."""
    family, fresh = {id}, {id}
    while fresh:
        up = select(articles.c.duplicate_of).where(
            articles.c.id.in_(fresh), articles.c.duplicate_of.is_not(None)
        )
        down = select(articles.c.id).where(articles.c.duplicate_of.in_(fresh))
        fresh = {found for query in (up, down) for (found,) in connection.execute(query)} - family
        family |= fresh
    return [id, *sorted(family - {id})]


def _count(connection: Connection, family: Sequence[str]) -> Removal:
    removed = articles.c.reason.is_not_distinct_from(Reason.REMOVED)
    with_words = select(articles.c.id).where(articles.c.id.in_(family), ~removed)  # else entries are bare

    def count(column: Any, ids: Any = family) -> int:
        return connection.execute(select(func.count()).where(column.in_(ids))).scalar_one()

    url = connection.execute(select(articles.c.url).where(articles.c.id == family[0])).scalar_one()
    return Removal(
        id=family[0],
        url=url,
        articles=len(family),
        documents=count(documents.c.article_id),
        entries=count(sightings.c.article_id, with_words),
        pages=count(pages.c.article_id),
    )


def _known_by(connection: Connection, family: Sequence[str]) -> dict[str, Any]:
    """Give the fingerprint of what is removed, to be kept; a feed's words alone tell too little."""
    packed = connection.execute(select(documents.c.document).where(documents.c.article_id.in_(family)))
    whole = (each for each in map(unpack_document, packed.scalars()) if each.partial is None)
    return next(({"removed_fingerprint": each.fingerprint} for each in whole if each.fingerprint), {})


def _forget_text(connection: Connection, family: Sequence[str]) -> None:
    connection.execute(delete(documents).where(documents.c.article_id.in_(family)))
    shown = select(sightings).where(sightings.c.article_id.in_(family))
    for row in connection.execute(shown).all():
        mine = (sightings.c.feed_id == row.feed_id, sightings.c.article_id == row.article_id)
        bare = pack_entry(bare_entry(unpack_entry(row.entry)))
        connection.execute(update(sightings).where(*mine).values(entry=bare, guid=None))
    steps = (events.c.article_id.in_(family), events.c.stage != REMOVE)  # why it was removed stays
    connection.execute(update(events).where(*steps).values(detail=None))
    changed = update(reruns).where(reruns.c.article_id.in_(family))  # these name people
    connection.execute(changed.values(outcome=None, changes=None))


def _removed(store: Store, reason: str) -> dict[str, Any]:
    return {
        "state": State.DROPPED,
        "reason": Reason.REMOVED,
        "detail": case((articles.c.reason == Reason.REMOVED, articles.c.detail), else_=reason),  # the first
        "partial": None,
        # The index has one writer: its stage removes what is dropped, up to this version.
        "stage": Stage.INDEX,
        "due_at": store.now(),
        "version": articles.c.version + 1,
        "attempts": 0,
        "touched": False,
        "refetch_at": None,
        "next_url": None,
        "lease_owner": None,  # whoever works on it will find that it is not theirs any more
        "lease_until": None,
    }


def _erase_pages(store: Store, family: Sequence[str], erase: Callable[[ArchivePosition], None]) -> None:
    with store.read() as connection:
        rows = connection.execute(select(pages).where(pages.c.article_id.in_(family))).all()
    for row in rows:
        erase(ArchivePosition(file=row.file, offset=row.offset, length=row.length, digest=row.digest))
        with store.write() as connection:
            connection.execute(delete(pages).where(pages.c.id == row.id))


def overwrite_freed(connection: Connection) -> None:
    """Let SQLite overwrite what this connection deletes; else the text stays in free pages of the file."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete=ON")


def truncate_log(store: Store) -> None:
    """Empty SQLite's write-ahead log, which holds the text as it was; a reader may keep it for a while."""
    if store.engine.dialect.name == "sqlite":
        with closing(store.engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
