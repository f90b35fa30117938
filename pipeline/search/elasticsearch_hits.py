"""Read hits out of Elasticsearch's answers: the record, and the passages that show why it was found."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pipeline.model import Label, Published, TextSource
from pipeline.search.elasticsearch_query import PROSE, prose_clauses
from pipeline.search.highlight import Span, fragments, mark
from pipeline.search.query import TextField
from pipeline.search.request import Hit, SearchRequest

Clause = dict[str, Any]

SHOWN: Final = (
    "event.id", "event.created", "version", "url.original", "title", "outlet", "published", "language",
    "text_source", "partial", "authors", "tags", "feed.url",
    "entities.person", "entities.organization", "entities.place",
)  # fmt: skip

LONGEST_MARKED: Final = 100_000  # characters of a text that are looked through
OPEN, CLOSE = "\x02", "\x03"
"""Around the matches in what the server answers: `words.clean` takes these out of every text that is kept."""


def highlight_clause(request: SearchRequest) -> Clause:
    """Ask for whole texts with their matches marked: passages are cut here, alike for every index."""
    clauses = prose_clauses(request.query)
    if not clauses or not request.size:
        return {}
    fields = [*PROSE.values(), *(f"stemmed.*.{field}" for field in PROSE.values())]
    asked = {
        "type": "unified",
        "number_of_fragments": 0,
        "max_analyzed_offset": LONGEST_MARKED,
        "pre_tags": [OPEN],
        "post_tags": [CLOSE],
        "highlight_query": {"bool": {"should": clauses}},
        "fields": {field: {} for field in fields},
    }
    return {"highlight": asked}


def read_hit(found: Mapping[str, Any], *, marks: tuple[str, str], ranked: bool = False) -> Hit:
    """Make the record of one hit."""
    source = found["_source"]
    outlet, entities = source["outlet"], source.get("entities", {})
    return Hit(
        id=source["event"]["id"],
        version=source["version"],
        url=source["url"]["original"],
        title=source["title"],
        outlet=outlet["domain"],
        outlet_name=outlet["name"],
        published=_published(source.get("published")),
        first_seen_at=_moment(source["event"]["created"]),
        language=source.get("language"),
        text_source=TextSource(source["text_source"]),
        partial=source.get("partial"),
        authors=tuple(source.get("authors", ())),
        tags=tuple(source.get("tags", ())),
        feeds=tuple(sorted(source.get("feed", {}).get("url", ()))),
        entities=tuple((label, tuple(entities.get(label.value, ()))) for label in Label),
        score=found["_score"] if ranked else None,
        highlights=_highlights(found.get("highlight", {}), marks),
    )


def _published(source: Mapping[str, Any] | None) -> Published | None:
    if not source or source.get("at") is None:
        return None
    return Published(at=_moment(source["at"]), source=source["source"], precision=source["precision"])


def _moment(written: str) -> float:
    return datetime.fromisoformat(written).timestamp()


def _highlights(marked: Mapping[str, Sequence[str]], marks: tuple[str, str]) -> tuple[str, ...]:
    """Show the passages of the text that match; when none does, the title."""
    text, spans = _matches(marked, TextField.TEXT)
    if spans:
        return fragments(text, spans, marks=marks)
    title, spans = _matches(marked, TextField.TITLE)
    return (mark(title, spans, marks=marks),) if spans else ()


def _matches(marked: Mapping[str, Sequence[str]], field: TextField) -> tuple[str, list[Span]]:
    """Join what the folded and the stemmed field matched: both hold one text."""
    prose = PROSE[field]
    texts = [texts[0] for name, texts in marked.items() if name == prose or name.endswith(f".{prose}")]
    spans = sorted({span for text in texts for span in _spans(text)})
    return (texts[0].replace(OPEN, "").replace(CLOSE, "") if texts else "", spans)


def _spans(marked: str) -> Iterator[Span]:
    """Find the marked places, counted in the text without marks."""
    at = 0
    for number, piece in enumerate(marked.split(OPEN)):
        matched, _, rest = piece.partition(CLOSE) if number else ("", "", piece)
        if number:
            yield at, at + len(matched)
        at += len(matched) + len(rest)
