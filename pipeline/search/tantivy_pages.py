"""Page through the hits of the embedded index in a stable order."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from operator import neg

import orjson
import tantivy

from pipeline.errors import QueryError
from pipeline.indexing import tantivy_schema as fields
from pipeline.search.cursor import REFUSED, Position
from pipeline.search.query import Clock
from pipeline.search.request import SearchRequest, Sort
from pipeline.search.tantivy_query import narrowed

SCAN_PAGE = 1_000  # places read at a time; a million hits take a thousand looks of some 20 ms
TIES_READ = 64  # hits read beyond a page, in the hope that hits of equal score end there


@dataclass(frozen=True, slots=True)
class Found:
    """Hold where a hit lies in the index, and its score when it was ranked."""

    place: tantivy.DocAddress
    score: float | None


@dataclass(frozen=True, slots=True)
class Page:
    """Hold one page, and where the next begins (None after the last)."""

    found: tuple[Found, ...]
    position: Position | None


def ranked_page(searcher: tantivy.Searcher, query: tantivy.Query, request: SearchRequest) -> Page:
    """Read a page by score; equal scores stand newest first. A position is the number of hits before it."""
    start = _offset(request.position)
    end = start + request.size
    hits = _with_ties(searcher, query, end) if request.size else []
    if start >= len(hits):
        return Page((), None)
    scores = [score for score, _ in hits]
    low = scores.index(scores[start])
    high = bisect_right(scores, -scores[min(end, len(hits)) - 1], key=neg)
    near = _newest_first(searcher, hits[low:high])
    found = tuple(Found(place, score) for score, place in near[start - low : end - low])
    return Page(found, (end,) if end < len(hits) else None)


def _offset(position: Position | None) -> int:
    match position:
        case None:
            return 0
        case (int(start),) if start >= 0:
            return start
    raise QueryError(REFUSED)


def _with_ties(
    searcher: tantivy.Searcher, query: tantivy.Query, end: int
) -> list[tuple[float, tantivy.DocAddress]]:
    """Read the best hits beyond `end`, on to where the score changes: tantivy orders equal scores by where
    they lie, and merging moves them."""
    limit = end + TIES_READ
    while True:
        hits: list[tuple[float, tantivy.DocAddress]] = searcher.search(query, limit=limit, count=False).hits
        if len(hits) < limit or hits[-1][0] < hits[end - 1][0]:
            return hits
        limit *= 4


def _newest_first(
    searcher: tantivy.Searcher, hits: Sequence[tuple[float, tantivy.DocAddress]]
) -> list[tuple[float, tantivy.DocAddress]]:
    keys = searcher.fast_field_values(fields.order(Clock.FIRST_SEEN), [place for _, place in hits])
    ordered = sorted(zip(hits, keys, strict=True), key=lambda each: (-each[0][0], -(each[1] or 0)))
    return [hit for hit, _ in ordered]


@dataclass(frozen=True, slots=True)
class _Run:
    """Hold a query whose hits all have the field that sorts them."""

    query: tantivy.Query
    field: str


@dataclass(frozen=True, slots=True)
class _Dated:
    """Hold a hit of a run, and the `sort_key` by which it stands there."""

    run: int
    key: int
    place: tantivy.DocAddress


@dataclass(frozen=True, slots=True)
class _Reached:
    """Hold how far the pages before came: the run, its last key, and the ids given with that key (one, unless
    digests collide within a second)."""

    run: int
    key: int
    given: tuple[str, ...]


def dated_page(searcher: tantivy.Searcher, query: tantivy.Query, request: SearchRequest) -> Page:
    """Read a page by date; articles without the date come last. A position holds what `_Reached` does, so
    that pages neither repeat nor miss a hit while articles come in."""
    reached = _reached(request.position)
    hits = (
        list(islice(_dated_hits(searcher, query, request, reached), request.size + 1)) if request.size else []
    )
    page = hits[: request.size]
    found = tuple(Found(hit.place, None) for hit in page)
    if len(hits) == len(page):
        return Page(found, None)
    run, key = page[-1].run, page[-1].key
    given = [_id(searcher, hit.place) for hit in page if (hit.run, hit.key) == (run, key)]
    before = reached.given if reached and (reached.run, reached.key) == (run, key) else ()
    return Page(found, (run, key, *before, *given))


def scanned(
    searcher: tantivy.Searcher, query: tantivy.Query, request: SearchRequest
) -> Iterator[tantivy.DocAddress]:
    """List where all hits lie, by date; a page of places is held at a time."""
    page = replace(request, size=SCAN_PAGE, position=None)
    while True:
        read = dated_page(searcher, query, page)
        yield from (found.place for found in read.found)
        if read.position is None:
            return
        page = replace(page, position=read.position)


def _dated_hits(
    searcher: tantivy.Searcher, query: tantivy.Query, request: SearchRequest, reached: _Reached | None
) -> Iterator[_Dated]:
    """Read on from where the pages before came to, at least one page and one hit."""
    for number, run in enumerate(_runs(query, request.by)):
        last = reached if reached and reached.run == number else None
        if reached and number < reached.run:
            continue
        hits = searcher.search(
            narrowed(run.query, to=_from(run.field, last.key, request.sort)) if last else run.query,
            limit=request.size + 1 + (len(last.given) if last else 0),
            count=False,
            order_by_field=run.field,
            order=tantivy.Order.Desc if request.sort is Sort.NEWEST else tantivy.Order.Asc,
        ).hits
        for key, place in hits:
            if not (last and key == last.key and _id(searcher, place) in last.given):
                yield _Dated(number, key, place)


def _runs(query: tantivy.Query, clock: Clock) -> Sequence[_Run]:
    """Part the hits into those with the date and those without, which stand by when they were first seen."""
    if clock is Clock.FIRST_SEEN:
        return (_Run(query, fields.order(clock)),)
    dated = tantivy.Query.exists_query(fields.order(clock))
    return (
        _Run(narrowed(query, to=dated), fields.order(clock)),
        _Run(narrowed(query, without=dated), fields.order(Clock.FIRST_SEEN)),
    )


def _from(field: str, key: int, sort: Sort) -> tantivy.Query:
    low, high = (None, key) if sort is Sort.NEWEST else (key, None)
    return tantivy.Query.range_query(fields.schema(), field, tantivy.FieldType.Integer, low, high)


def _reached(position: Position | None) -> _Reached | None:
    match position:
        case None:
            return None
        case (int(run), int(key), *given) if all(isinstance(id, str) for id in given):
            return _Reached(run, key, tuple(str(id) for id in given))
    raise QueryError(REFUSED)


def _id(searcher: tantivy.Searcher, place: tantivy.DocAddress) -> str:
    return str(orjson.loads(searcher.doc(place)["stored"][0])["id"])
