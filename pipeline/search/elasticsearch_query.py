"""Turn a search into Elasticsearch's query DSL: pure, from the tree of `query` to dicts.

The server folds and stems what is typed, by the analyzers of the fields. Words and phrases score; all else
only matches.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import regex

from pipeline.enrichment.names import name_key
from pipeline.search.query import (
    Address,
    AddressField,
    And,
    Clock,
    DateRange,
    Exists,
    Keyword,
    KeywordField,
    Leaf,
    Name,
    NameField,
    Not,
    Or,
    Phrase,
    Query,
    TextField,
    Word,
    ranks,
    wanted,
)
from pipeline.search.request import RECENCY, SearchRequest
from pipeline.search.words import clean, pieces, spoken

Clause = dict[str, Any]

TITLE_BOOST: Final = 2  # a word in the title says more of the subject than one in the text

# Languages whose stems are looked for, by the script of the word: a stemmer leaves the words of other scripts
# as they stand, and so the folded field has them already.
STEMMED: Final = (
    ("Arabic", ("ar",)),
    ("Cyrillic", ("ru",)),
    ("Greek", ("el",)),
    ("Latin", ("da", "de", "en", "es", "fi", "fr", "hu", "it", "nb", "nl", "no", "pt", "ro", "sv", "tr")),
    ("Tamil", ("ta",)),
)

PROSE: Final[Mapping[TextField, str]] = {TextField.TITLE: "title", TextField.TEXT: "body"}
KEYWORDS: Final[Mapping[KeywordField, str]] = {
    KeywordField.LANGUAGE: "language",
    KeywordField.TEXT_SOURCE: "text_source",
    KeywordField.PARTIAL: "partial",
    KeywordField.STORY: "story.id",
}
ADDRESSES: Final[Mapping[AddressField, str]] = {
    AddressField.URL: "url.original.words",
    AddressField.FEED: "feed.url.words",
}
CLOCKS: Final[Mapping[Clock, str]] = {Clock.FIRST_SEEN: "event.created", Clock.PUBLISHED: "published.at"}

EARLIEST, LATEST = 0.0, 9_214_646_400.0  # 1970 and 2262: what `date_nanos` holds


@dataclass(frozen=True, slots=True)
class NameFields:
    """Name the fields of one kind of name: by words, whole and folded, by key, and whether there is any."""

    words: tuple[str, ...]
    folded: str
    keys: tuple[str, ...]
    present: str


def _entity_fields(kind: str) -> NameFields:
    name, key = f"entities.{kind}", f"entities.{kind}_key"
    return NameFields((f"{name}.words", f"{key}.words"), f"{name}.folded", (key,), name)


NAMES: Final[Mapping[NameField, NameFields]] = {
    NameField.PERSON: _entity_fields("person"),
    NameField.ORGANIZATION: _entity_fields("organization"),
    NameField.PLACE: _entity_fields("place"),
    NameField.ENTITY: _entity_fields("all"),
    NameField.AUTHOR: NameFields(("authors.words",), "authors.folded", (), "authors"),
    NameField.OUTLET: NameFields(
        ("outlet.name.words", "outlet.domain.words"),
        "outlet.name.folded",
        ("outlet.domain",),
        "outlet.domain",
    ),
    NameField.TAG: NameFields(("tags.words",), "tags.folded", ("tag_keys",), "tags"),
}
SPOKEN_NAMES: Final = (NameField.PERSON, NameField.ORGANIZATION, NameField.PLACE, NameField.ENTITY)


def request_query(request: SearchRequest) -> Clause:
    """Build the query of a request; its filters do not score."""
    query = query_clause(request.query)
    if request.recent:
        query = _recent(query, now=request.now)
    filters = [query_clause(each) for each in request.filters]
    return {"bool": {"must": [query], "filter": filters}} if filters else query


def query_clause(query: Query) -> Clause:
    """Build the query of a tree; only words and phrases give a score above 0."""
    match query:
        case And(parts):
            return _all_of(parts)
        case Not():
            return _all_of((query,))
        case Or((part,)):
            return _scoring(part)
        case Or(parts):
            return {"bool": {"should": [_scoring(part) for part in parts]}}
    return _leaf(query)


def prose_clauses(query: Query) -> list[Clause]:
    """List what a highlight marks in title and text: words, phrases, and the names of entities."""
    return [clause for leaf in wanted(query) if (clause := _prose_clause(leaf))]


def _prose_clause(leaf: Leaf) -> Clause | None:
    match leaf:
        case Phrase(text, slop) if slop:  # each word by itself: between them stands what was not asked for
            parts = [_phrase(piece, _prose(leaf.field)) for piece in pieces(text)]
            return {"bool": {"should": parts}}
        case Word() | Phrase():
            return _leaf(leaf)
        case Name() if leaf.field in SPOKEN_NAMES:
            return _row(leaf.text, _prose(None), prefix=leaf.prefix)
    return None


def _all_of(parts: Sequence[Query]) -> Clause:
    """Match all parts; those that cannot score stand where the server caches them."""
    clauses: dict[str, list[Clause]] = {"must": [], "filter": [], "must_not": []}
    for part in parts:
        if isinstance(part, Not):
            clauses["must_not"].append(query_clause(part.part))
        else:
            clauses["must" if ranks(part) else "filter"].append(query_clause(part))
    return {"bool": {occur: some for occur, some in clauses.items() if some}}


def _scoring(part: Query) -> Clause:
    """Take the constant score of 1 off a part that cannot rank."""
    clause = query_clause(part)
    return clause if ranks(part) else {"bool": {"filter": [clause]}}


def _leaf(leaf: Query) -> Clause:
    match leaf:
        case Word():
            return _word(leaf)
        case Phrase(text, slop):
            return _phrase(text, _prose(leaf.field), slop=slop)
        case Name():
            return _name(leaf)
        case Keyword(field, value):
            return {"term": {KEYWORDS[field]: clean(value)}}
        case Address(field, text):
            bare = text.removeprefix("https://").removeprefix("http://")
            return {"match_phrase": {ADDRESSES[field]: clean(bare)}}
        case Exists(field):
            return {"exists": {"field": _presence_field(field)}}
        case DateRange():
            return _dates(leaf)
    return {"match_all": {}}


def _word(word: Word) -> Clause:
    """Look for a word as it stands and in the stems of every language; several pieces (covid-19) in a row."""
    text = spoken(word)
    fields = _prose(word.field)
    if word.prefix or len(pieces(text)) != 1:
        return _row(text, fields, prefix=word.prefix)
    stems = [f"stemmed.{language}.{field}" for language in _languages(text) for field in fields]
    return _phrase(text, [*fields, *stems])


def _languages(word: str) -> Iterator[str]:
    for script, languages in STEMMED:
        if regex.search(rf"\p{{{script}}}", word):
            yield from languages


def _name(name: Name) -> Clause:
    fields = NAMES[name.field]
    if not name.whole:
        return _row(name.text, fields.words, prefix=name.prefix)
    text = " ".join(clean(name.text).split())
    keys = list(dict.fromkeys((text, text.casefold(), name_key(text))))
    either: list[Clause] = [{"term": {fields.folded: text}}, *({"terms": {key: keys}} for key in fields.keys)]
    return {"bool": {"should": either}} if len(either) > 1 else either[0]


def _row(text: str, fields: Sequence[str], *, prefix: bool) -> Clause:
    """Look for words in a row; the last may be a beginning. Never `match_phrase_prefix`, which leaves out
    without a word what it has no room for: these two find every word, or fail."""
    if not prefix:
        return _phrase(text, fields)
    *before, last = pieces(text)
    if not before:
        return {"query_string": {"query": f"{last}*", "fields": list(fields), "type": "best_fields"}}
    begins = {"prefix": {"prefix": last}}
    row = {"match": {"query": " ".join(before), "ordered": True, "max_gaps": 0}}
    intervals = {"all_of": {"intervals": [row, begins], "ordered": True, "max_gaps": 0}}
    named = [field.partition("^") for field in fields]
    queries = [
        {"intervals": {field: {**intervals, "boost": int(boost)} if boost else intervals}}
        for field, _, boost in named
    ]
    return {"dis_max": {"queries": queries}}


def _phrase(text: str, fields: Sequence[str], *, slop: int = 0) -> Clause:
    """Look for a text in a row, in the best of some fields; a field takes it apart by its own analyzer."""
    spread: Clause = {"slop": slop} if slop else {}
    return {"multi_match": {"query": clean(text), "fields": list(fields), "type": "phrase", **spread}}


def _prose(field: TextField | None) -> list[str]:
    """List the folded fields of the prose, with the title's boost."""
    chosen = tuple(TextField) if field is None else (field,)
    return [f"title^{TITLE_BOOST}" if each is TextField.TITLE else PROSE[each] for each in chosen]


def _presence_field(field: NameField | KeywordField | Clock) -> str:
    match field:
        case NameField():
            return NAMES[field].present
        case KeywordField():
            return KEYWORDS[field]
    return CLOCKS[field]


def _dates(dates: DateRange) -> Clause:
    bounds = {
        side: _moment(at, dates.field)
        for side, at in (("gte", dates.start), ("lt", dates.end))
        if at is not None
    }
    field = CLOCKS[dates.field]
    return {"range": {field: bounds}} if bounds else {"exists": {"field": field}}


def _moment(at: float, clock: Clock) -> str:
    if clock is Clock.FIRST_SEEN:
        at = min(max(at, EARLIEST), LATEST)
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _recent(query: Clause, *, now: float) -> Clause:
    """Weigh a score by the age of the article: by the first step that it is young enough for."""
    functions = [
        {"weight": step.weight}
        if step.age_s is None
        else {"filter": _dates(DateRange(Clock.FIRST_SEEN, now - step.age_s, None)), "weight": step.weight}
        for step in RECENCY
    ]
    weighed = {"functions": functions, "score_mode": "first", "boost_mode": "multiply"}
    return {"function_score": {"query": query, **weighed}}
