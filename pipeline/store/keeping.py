"""What is kept for a time only: rows of pages whose file goes, and the words of old articles.

An article stays: its title, address, dates, authors, tags, language, entities, fingerprint, feeds, outcome.
Its text goes, and what its feeds said beside the title. So counts stay as they were, and a story of today
can be compared with an old one; only a search for words no longer finds what stood in its text.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, delete, exists, or_, select, update

from pipeline.model import Stage, State
from pipeline.store.codec import pack_document, pack_entry, unpack_document, unpack_entry
from pipeline.store.events import Happening, record
from pipeline.store.leases import lock_articles
from pipeline.store.removal import overwrite_freed
from pipeline.store.store import Store
from pipeline.store.tables import articles, documents, pages, sightings

AT_REST = (State.INDEXED, State.DROPPED, State.QUARANTINED)

BATCH = 200
"""Articles of one transaction: SQLite's lock is held for some 50 ms."""

PAGES = 2_000
"""Rows deleted in one."""


def is_still_to_be_read(store: Store, file: str) -> bool:
    """Tell whether an article waits for enrich whose page stands in a file of the archive."""
    waits = or_(articles.c.state == State.FETCHED, articles.c.stage == Stage.ENRICH)
    mine = (pages.c.article_id == articles.c.id, pages.c.file == file)
    with store.read() as connection:
        return (
            connection.execute(select(articles.c.id).where(waits, exists().where(*mine)).limit(1)).first()
            is not None
        )


def forget_pages(store: Store, file: str) -> int:
    """Forget the pages that stand in a file, a batch at a time; return how many there were. May be repeated,
    and killed."""
    forgotten = 0
    while True:
        some = select(pages.c.id).where(pages.c.file == file).limit(PAGES)
        with store.write() as connection:
            gone = connection.execute(delete(pages).where(pages.c.id.in_(some))).rowcount
        forgotten += gone
        if gone < PAGES:
            return forgotten


def drop_texts(store: Store, *, keep_s: float, after: str = "") -> str | None:
    """Drop the words of a batch of articles that were first seen over `keep_s` seconds ago and are at rest,
    in the order of their ids; give the last id, to go on after, or None when none was left."""
    with store.write() as connection:
        overwrite_freed(connection)
        old = (articles.c.first_seen_at < store.now() - keep_s, articles.c.text_dropped_at.is_(None))
        rests = (articles.c.state.in_(AT_REST), articles.c.stage.is_(None), articles.c.lease_owner.is_(None))
        query = select(articles.c.id).where(articles.c.id > after, *old, *rests)
        ids = connection.execute(query.order_by(articles.c.id).limit(BATCH)).scalars().all()
        lock_articles(connection, ids)
        still = select(articles.c.id, articles.c.state, articles.c.version).where(
            articles.c.id.in_(ids), *rests
        )
        rows = connection.execute(still).all()
        for row in rows:
            _drop_text(connection, store, row)
        told = [
            Happening(stage="keep", outcome="text-dropped", detail="its time was over", article_id=row.id)
            for row in rows
        ]
        record(connection, store, told)
    return ids[-1] if ids else None


def _drop_text(connection: Connection, store: Store, row: Any) -> None:
    values: dict[str, Any] = {"text_dropped_at": store.now()}
    version = _empty_document(connection, row.id)
    if version is not None:
        values["version"] = version
        if row.state == State.INDEXED:  # the index follows, as after any change
            values |= {"stage": Stage.INDEX, "due_at": store.now()}
    _empty_entries(connection, row.id)
    connection.execute(update(articles).where(articles.c.id == row.id).values(**values))


def _empty_document(connection: Connection, id: str) -> int | None:
    mine = documents.c.article_id == id
    packed = connection.execute(select(documents.c.document).where(mine)).scalar_one_or_none()
    document = unpack_document(packed) if packed else None
    if document is None or not document.text:
        return None
    emptied = replace(document, text="", version=document.version + 1)
    packed, digest = pack_document(emptied)
    row = {"version": emptied.version, "document": packed, "sha256": digest}
    connection.execute(update(documents).where(mine).values(**row))  # its length stays, for who counts words
    return emptied.version


def _empty_entries(connection: Connection, id: str) -> None:
    shown: Sequence[Any] = connection.execute(select(sightings).where(sightings.c.article_id == id)).all()
    for row in shown:
        entry = unpack_entry(row.entry)
        if entry.summary or entry.content:
            mine = (sightings.c.feed_id == row.feed_id, sightings.c.article_id == row.article_id)
            emptied = pack_entry(replace(entry, summary="", content=""))
            connection.execute(update(sightings).where(*mine).values(entry=emptied))
