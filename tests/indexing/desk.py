"""An editor's desk: writes, edits and removes articles in a store, as the stages do, without a network."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from threading import Event

from sqlalchemy import insert, select, update

from pipeline.model import Document, Published, Sighting, Stage, Stamps, State, TextSource
from pipeline.services import Services
from pipeline.stages.index import index
from pipeline.stages.shift import begin_shift
from pipeline.store.codec import pack_document
from pipeline.store.enriched import read_document
from pipeline.store.removal import remove
from pipeline.store.store import Store
from pipeline.store.tables import articles, documents

SEEN_AT = 1_772_600_000.0


def new_document(
    id: str, *, version: int = 1, title: str = "A bridge", text: str = "The bridge is open."
) -> Document:
    """Write a version, by default the first one."""
    return Document(
        id=id,
        version=version,
        revision=1,
        url=f"https://news.example/{id}",
        title=title,
        text=text,
        authors=("Ada Okafor",),
        tags=("world",),
        language="en",
        outlet="news.example",
        outlet_name="News",
        published=Published(at=SEEN_AT, source="feed", precision="second"),
        first_seen_at=SEEN_AT,
        text_source=TextSource.PAGE,
        partial=None,
        entities=(),
        fingerprint=(),
        sightings=(Sighting(feed="https://news.example/rss", seen_at=SEEN_AT),),
        stamps=Stamps(extractor="x", language="l", model=None, rules=1),
    )


def write(store: Store, written: Iterable[Document]) -> None:
    """Bring new articles as far as enrich does."""
    found = list(written)
    with store.write() as connection:
        now = store.read_clock(connection)
        rows = [
            {
                "id": each.id,
                "url": each.url,
                "host": "news.example:443",
                "state": State.ENRICHED,
                "stage": Stage.INDEX,
                "due_at": now,
                "revision": 1,
                "version": each.version,
                "news_at": each.first_seen_at,
                "first_seen_at": each.first_seen_at,
                "month": "2026-03",
            }
            for each in found
        ]
        connection.execute(insert(articles), rows)
        connection.execute(insert(documents), [_document_row(each) for each in found])


def edit(store: Store, id: str, **changes: object) -> bool:
    """Write the next version of an article, as a re-run of enrich does; False when it is removed."""
    standing = read_document(store, id)
    if standing is None:
        return False
    edited = replace(standing, version=standing.version + 1, **changes)  # type: ignore[arg-type]
    with store.write() as connection:
        mine = (articles.c.id == id, articles.c.version == standing.version)
        free = (articles.c.lease_owner.is_(None), articles.c.state != State.DROPPED)
        values = {"version": edited.version, "stage": Stage.INDEX, "due_at": store.now()}
        if connection.execute(update(articles).where(*mine, *free).values(**values)).rowcount != 1:
            return False
        row = _document_row(edited)
        connection.execute(update(documents).where(documents.c.article_id == id).values(**row))
    return True


def take_away(store: Store, id: str) -> None:
    """Remove an article, as `wireroom remove` does."""
    remove(store, id, reason="asked for", erase=lambda _position: None)


def index_all(services: Services) -> None:
    """Let the index stage work until nothing is due."""
    index(services, begin_shift(lambda _stage: None, Event(), budget_s=60.0))


def due_versions(store: Store) -> dict[str, int]:
    """Tell which documents an index should hold, by the articles alone."""
    with store.read() as connection:
        rows = connection.execute(
            select(articles.c.id, articles.c.version).where(articles.c.state == State.INDEXED)
        )
        return {row[0]: row[1] for row in rows}


def held_versions(services: Services, generation: str | None = None) -> dict[str, int]:
    """Tell which documents a generation holds, or the exposed one."""
    name = generation or services.generations.exposed()
    assert name is not None
    return {each.id: each.version for each in services.generations.held(name)}


def publish(services: Services, ids: Sequence[str]) -> None:
    """Write articles and index them."""
    write(services.store, (new_document(id) for id in ids))
    index_all(services)


def _document_row(document: Document) -> dict[str, object]:
    packed, digest = pack_document(document)
    return {
        "article_id": document.id,
        "version": document.version,
        "revision": document.revision,
        "sha256": digest,
        "document": packed,
        "extractor": document.stamps.extractor,
        "model": None,
        "rules": 1,
    }
