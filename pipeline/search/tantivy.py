"""Search the embedded index."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import tantivy

from pipeline.errors import QueryError, WireroomError
from pipeline.indexing import tantivy_schema as fields
from pipeline.indexing.index import Edition
from pipeline.indexing.tantivy_folder import open_for_reading, pointed
from pipeline.model import Label, Published, TextSource
from pipeline.search.highlight import fragments, mark
from pipeline.search.query import TextField
from pipeline.search.request import Hit, Results, SearchRequest, Sort, next_cursor
from pipeline.search.tantivy_facets import facets
from pipeline.search.tantivy_matches import Needle, matches, needles
from pipeline.search.tantivy_pages import Found, dated_page, ranked_page, scanned
from pipeline.search.tantivy_query import documents, narrowed, request_query
from pipeline.search.tantivy_significant import significant


def open_searcher(root: Path, generation: str | None = None) -> "TantivySearcher":
    """Open what is searched, or one generation; any number of processes may, while others write.

    Raises WireroomError when there is no index, or one of another schema.
    """
    return TantivySearcher(root, generation)


class TantivySearcher:
    """Keep the promises of `indexing.index.Searcher` in a folder of generations, of which it follows the one
    that is exposed, or sees the one that it is told."""

    def __init__(self, root: Path, generation: str | None) -> None:
        self._root = root
        self._fixed = generation
        self._opened: tuple[str | None, tantivy.Index] | None = None
        self._current()

    def search(self, request: SearchRequest) -> Results:
        started = time.monotonic()
        searcher = self._current()
        query = request_query(request)
        total = _total(searcher, query)
        ranked = request.sort is Sort.RELEVANCE
        page = (ranked_page if ranked else dated_page)(searcher, query, request)
        sought = needles(request.query)
        return Results(
            total=total,
            hits=tuple(_hit(searcher, found, sought, request.marks) for found in page.found),
            next=None if page.position is None else next_cursor(request, page.position),
            facets=facets(searcher, query, request, total=total),
            significant=significant(searcher, query, request, total=total),
            took_ms=round((time.monotonic() - started) * 1000),
        )

    def get(self, id: str) -> Hit | None:
        searcher = self._current()
        query = narrowed(documents(), to=tantivy.Query.term_query(fields.schema(), "id", id))
        places = [place for _, place in searcher.search(query, limit=1).hits]
        return _stored_hit(_stored(searcher, places[0])) if places else None

    @contextmanager
    def snapshot(self) -> Iterator["TantivySnapshot"]:
        name, searcher = self._named()
        yield TantivySnapshot(searcher, name or "")

    def _current(self) -> tantivy.Searcher:
        return self._named()[1]

    def _named(self) -> tuple[str | None, tantivy.Searcher]:
        """See what other processes have committed since, and which generation they have exposed."""
        while True:
            name = self._fixed or pointed(self._root)
            try:
                return name, self._reloaded(name)
            except (ValueError, OSError, WireroomError):
                if self._fixed or pointed(self._root) == name:
                    raise  # else it was exchanged, and deleted, in this moment

    def _reloaded(self, name: str | None) -> tantivy.Searcher:
        opened = self._opened
        if opened is None or opened[0] != name:
            opened = (name, open_for_reading(self._root, name))
            self._opened = opened  # both at once: other threads search, too
        opened[1].reload()
        return opened[1].searcher()


class TantivySnapshot:
    """Keep the promises of `indexing.index.Snapshot`: a searcher sees the segments of its first moment."""

    def __init__(self, searcher: tantivy.Searcher, generation: str) -> None:
        self._searcher = searcher
        self.edition = Edition("tantivy", generation, fields.SCHEMA)

    def scan(self, request: SearchRequest) -> Iterator[Hit]:
        query = request_query(request)
        _total(self._searcher, query)  # refuses a beginning of too many words, as a search does
        for place in scanned(self._searcher, query, request):
            yield _stored_hit(_stored(self._searcher, place))


def _total(searcher: tantivy.Searcher, query: tantivy.Query) -> int:
    try:
        return int(searcher.search(query, limit=1).count)  # type: ignore[attr-defined]  # missing in the stubs
    except ValueError as error:
        if "max expansions" not in str(error):
            raise
        # Only in a row (covid-1*) do the words of a beginning have a bound: 16,384.
        raise QueryError("too many words begin like the one before the *; write more of it") from None


def _hit(searcher: tantivy.Searcher, found: Found, sought: Sequence[Needle], marks: tuple[str, str]) -> Hit:
    stored = _stored(searcher, found.place)
    return replace(_stored_hit(stored), score=found.score, highlights=_highlights(stored, sought, marks))


def _highlights(stored: dict[str, Any], sought: Sequence[Needle], marks: tuple[str, str]) -> tuple[str, ...]:
    """Show the passages of the text that match; when none does, the title."""
    spans = {
        field: matches(
            [each for each in sought if each.field in (None, field)],
            stored[field],
            language=stored["language"],
        )
        for field in TextField
    }
    if spans[TextField.TEXT]:
        return fragments(stored["text"], spans[TextField.TEXT], marks=marks)
    return (mark(stored["title"], spans[TextField.TITLE], marks=marks),) if spans[TextField.TITLE] else ()


def _stored(searcher: tantivy.Searcher, place: tantivy.DocAddress) -> dict[str, Any]:
    stored: dict[str, Any] = orjson.loads(searcher.doc(place)["stored"][0])
    return stored


def _stored_hit(stored: dict[str, Any]) -> Hit:
    return Hit(
        id=stored["id"],
        version=stored["version"],
        url=stored["url"],
        title=stored["title"],
        outlet=stored["outlet"],
        outlet_name=stored["outlet_name"],
        published=_published(stored["published"]),
        first_seen_at=stored["first_seen_at"],
        language=stored["language"],
        text_source=TextSource(stored["text_source"]),
        partial=stored["partial"],
        authors=tuple(stored["authors"]),
        tags=tuple(stored["tags"]),
        feeds=tuple(stored["feeds"]),
        entities=tuple((label, tuple(stored["entities"][label.value])) for label in Label),
    )


def _published(stored: list[Any] | None) -> Published | None:
    if stored is None:
        return None
    at, source, precision = stored
    return Published(at=at, source=source, precision=precision)
