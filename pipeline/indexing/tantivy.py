"""The embedded index: one folder, one writing process, any number of readers."""

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
import tantivy

from pipeline.errors import WireroomError
from pipeline.indexing import tantivy_schema as fields
from pipeline.indexing.index import Held, PutOutcome, PutResult, Tombstone, sort_key
from pipeline.indexing.tantivy_folder import (
    delete_folder,
    generation_names,
    is_whole,
    open_for_reading,
    open_for_writing,
    point,
    pointed,
)
from pipeline.model import Document, Label, names
from pipeline.search.query import Clock, KeywordField, NameField, TextField

READ_AT_ONCE = 1_000  # ids asked for in one query
MARK_BITS = 62  # a chance of 1 in 10^18 that a write goes unseen


class TantivyGenerations:
    """Keep the promises of `index.Generations` in a folder: a folder in it for each generation."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, name: str) -> "TantivyIndex":
        """Never before a fork: the writer's threads stay behind."""
        return TantivyIndex(*open_for_writing(self._root, name))

    def exists(self, name: str) -> bool:
        return is_whole(self._root / name)

    def exposed(self) -> str | None:
        return pointed(self._root)

    def expose(self, name: str) -> None:
        if not self.exists(name):
            raise WireroomError(f"there is no whole generation {name} in {self._root}")
        if self.exposed() != name:
            point(self._root, name)

    def digest(self, document: Document) -> str:
        return hashlib.sha256(stored_form(cleaned(document))).hexdigest()

    def held(self, name: str, *, ids: Sequence[str] | None = None, hashed: bool = True) -> Iterator[Held]:
        """Reading what is stored costs the same with and without `hashed`, so it is always hashed."""
        searcher = open_for_reading(self._root, name).searcher()
        if ids is None:
            yield from _read_back(searcher, _documents())
            return
        for start in range(0, len(ids), READ_AT_ONCE):
            some = list(ids[start : start + READ_AT_ONCE])
            sought = tantivy.Query.term_set_query(fields.schema(), "id", some)
            both = [(tantivy.Occur.Must, sought), (tantivy.Occur.Must, _documents())]
            yield from _read_back(searcher, tantivy.Query.boolean_query(both))

    def listed(self, name: str) -> Iterator[Held]:
        return self.held(name)

    def differing(self, name: str, document: Document) -> Sequence[str]:
        wanted = orjson.loads(stored_form(cleaned(document)))
        searcher = open_for_reading(self._root, name).searcher()
        query = tantivy.Query.term_query(fields.schema(), "id", document.id)
        for _, place in searcher.search(query, limit=1).hits:
            kept = orjson.loads(searcher.doc(place)["stored"][0])
            return sorted(key for key in wanted | kept if wanted.get(key) != kept.get(key))
        return ()

    def names(self) -> Sequence[str]:
        return generation_names(self._root)

    def delete(self, name: str) -> None:
        delete_folder(self._root, name)


def _read_back(searcher: tantivy.Searcher, query: tantivy.Query) -> Iterator[Held]:
    places = [place for _, place in searcher.search(query, limit=max(1, searcher.num_docs)).hits]
    versions = searcher.fast_field_values("version", places)
    marks = searcher.fast_field_values("mark", places)
    for place, version, mark in zip(places, versions, marks, strict=True):
        stored = searcher.doc(place)["stored"][0]
        yield Held(
            id=orjson.loads(stored)["id"],
            version=int(version or 0),
            sha256=hashlib.sha256(stored).hexdigest(),
            mark=str(mark),
        )


class TantivyIndex:
    """Keep the promises of `index.Index` in a tantivy folder. A removed document leaves a tombstone: a
    document of only id and version."""

    def __init__(self, index: tantivy.Index, writer: tantivy.IndexWriter) -> None:
        self._index = index
        self._writer: tantivy.IndexWriter | None = writer
        self._uncommitted: dict[str, tuple[int, bool]] = {}  # id → version, removed
        self._searcher = self._reloaded()

    def put(self, documents: Sequence[Document]) -> Sequence[PutResult]:
        return [self._put(document) for document in documents]

    def _put(self, document: Document) -> PutResult:
        held = self._held(document.id)
        if held is not None and (document.version, False) != held and document.version <= held[0]:
            return PutResult(document.id, PutOutcome.SUPERSEDED)
        if held != (document.version, False):
            try:
                written = tantivy_document(document)
            except (ValueError, OverflowError, TypeError) as error:
                return PutResult(document.id, PutOutcome.REJECTED, " ".join(str(error).split()))
            self._write(document.id, document.version, written, removed=False)
        return PutResult(document.id, PutOutcome.STORED)

    def remove(self, tombstones: Sequence[Tombstone]) -> None:
        for each in tombstones:
            held = self._held(each.id)
            if held is None or held[0] <= each.version:
                stone = _identity(each.id, each.version, removed=True)
                self._write(each.id, each.version, stone, removed=True)

    def commit(self, *, visible: bool = True) -> None:
        """Commit; here what is durable is visible."""
        if self._uncommitted:
            self._open_writer().commit()
            self._uncommitted.clear()
            self._searcher = self._reloaded()

    def count(self) -> int:
        found = self._searcher.search(_documents(), limit=1)
        return int(found.count)  # type: ignore[attr-defined]  # missing in tantivy's own stubs

    def close(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            self._uncommitted.clear()
            writer.rollback()
            writer.wait_merging_threads()  # else a merge that is under way is lost

    def _held(self, id: str) -> tuple[int, bool] | None:
        """Find version and removal of an id, committed or not."""
        if id in self._uncommitted:
            return self._uncommitted[id]
        if not self._searcher.doc_freq("id", id):
            return None
        hits = self._searcher.search(tantivy.Query.term_query(fields.schema(), "id", id), limit=1).hits
        if not hits:  # counted by doc_freq though deleted
            return None
        places = [place for _, place in hits]
        (version,) = self._searcher.fast_field_values("version", places)
        (removed,) = self._searcher.fast_field_values("removed", places)
        return int(version or 0), bool(removed)

    def _write(self, id: str, version: int, document: tantivy.Document, *, removed: bool) -> None:
        writer = self._open_writer()
        writer.delete_documents_by_term("id", id)
        writer.add_document(document)
        self._uncommitted[id] = (version, removed)

    def _open_writer(self) -> tantivy.IndexWriter:
        if self._writer is None:
            raise WireroomError("the index is closed")
        return self._writer

    def _reloaded(self) -> tantivy.Searcher:
        self._index.reload()
        return self._index.searcher()


def _documents() -> tantivy.Query:
    return tantivy.Query.term_query(fields.schema(), "removed", False)


def _identity(id: str, version: int, *, removed: bool) -> tantivy.Document:
    written = tantivy.Document()
    written.add_text("id", id)
    written.add_integer("version", version)
    written.add_integer("mark", secrets.randbits(MARK_BITS))
    written.add_boolean("removed", removed)
    return written


def tantivy_document(document: Document) -> tantivy.Document:
    """Turn a document into what tantivy writes; raises ValueError for what it cannot hold."""
    document = cleaned(document)
    written = _identity(document.id, document.version, removed=False)
    _add_prose(written, document)
    _add_names(written, document)
    _add_times(written, document)
    keywords = {
        KeywordField.LANGUAGE: document.language,
        KeywordField.TEXT_SOURCE: document.text_source,
        KeywordField.PARTIAL: document.partial,
    }
    for field, value in keywords.items():
        if value is not None:
            written.add_text(field, value)
    written.add_text("url", document.url)
    for feed in {sighting.feed for sighting in document.sightings}:
        written.add_text("feed", feed)
    written.add_bytes("stored", stored_form(document))
    return written


def cleaned(document: Document) -> Document:
    """Take out of a document what its readers do not see and its index cannot hold."""
    entities = tuple(
        replace(each, name=fields.clean(each.name), key=fields.clean(each.key)) for each in document.entities
    )
    return replace(
        document,
        title=fields.clean(document.title),
        text=fields.clean(document.text),
        authors=tuple(fields.clean(author) for author in document.authors),
        tags=tuple(fields.clean(tag) for tag in document.tags),
        outlet_name=fields.clean(document.outlet_name),
        entities=entities,
    )


def _add_prose(written: tantivy.Document, document: Document) -> None:
    for field, prose in ((TextField.TITLE, document.title), (TextField.TEXT, document.text)):
        written.add_text(field, prose)
        if document.language in fields.STEMMERS:
            written.add_text(fields.stemmed(field, document.language), prose)


def _add_names(written: tantivy.Document, document: Document) -> None:
    # By field and key: a name that a document has twice is one article in a facet.
    counted = {(NameField(each.label.value), each.key): each.name for each in document.entities}
    counted |= {(NameField.TAG, fields.folded_name(tag)): tag for tag in document.tags}
    counted |= {(NameField.OUTLET, document.outlet): document.outlet_name}
    for (field, key), name in counted.items():
        _add_name(written, field, name, key=key)
    for author in document.authors:
        written.add_text(NameField.AUTHOR, author)
        written.add_text(fields.whole(NameField.AUTHOR), " ".join(author.split()))


def _add_name(written: tantivy.Document, field: NameField, name: str, *, key: str) -> None:
    """Add a name that is counted by key and found by its words, whole, or by its key."""
    folded = fields.folded_name(name)
    for form in (folded,) if key == folded else (folded, key):
        written.add_text(field, form)
        written.add_text(fields.whole(field), form)
    written.add_text(fields.key(field), key)
    written.add_text(fields.display(field), fields.display_term(key, name))


def _add_times(written: tantivy.Document, document: Document) -> None:
    published = None if document.published is None else document.published.at
    for clock, at in ((Clock.FIRST_SEEN, document.first_seen_at), (Clock.PUBLISHED, published)):
        if at is None:
            continue
        if not fields.EARLIEST <= at < fields.LATEST:
            raise ValueError(f"{clock} is {at:.0f} s after 1970, and the index holds the years 1678 to 2261")
        written.add_date(clock, datetime.fromtimestamp(at, UTC))
        written.add_integer(fields.order(clock), sort_key(at, document.id))


def stored_form(document: Document) -> bytes:
    """Write all that the index makes its fields of: what a hit shows and highlights is read from here, and
    what is proved."""
    published = document.published
    return orjson.dumps(
        {
            "id": document.id,
            "version": document.version,
            "url": document.url,
            "title": document.title,
            "text": document.text,
            "outlet": document.outlet,
            "outlet_name": document.outlet_name,
            "published": published and [published.at, published.source, published.precision],
            "first_seen_at": document.first_seen_at,
            "language": document.language,
            "text_source": document.text_source,
            "partial": document.partial,
            "authors": document.authors,
            "tags": document.tags,
            "feeds": sorted({sighting.feed for sighting in document.sightings}),
            "entities": {label.value: names(document.entities, label) for label in Label},
            "entity_keys": [each.key for each in document.entities],
        }
    )
