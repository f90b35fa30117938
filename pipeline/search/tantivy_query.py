"""Turn a search into tantivy's queries."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import tantivy
from tantivy import Occur

from pipeline.indexing import tantivy_schema as fields
from pipeline.search.query import (
    Address,
    And,
    Clock,
    DateRange,
    Exists,
    Keyword,
    KeywordField,
    Name,
    NameField,
    Not,
    Or,
    Phrase,
    Query,
    TextField,
    Word,
)
from pipeline.search.request import RECENCY, SearchRequest
from pipeline.search.words import spoken

TITLE_BOOST = 2.0  # a word in the title says more of the subject than one in the text


def request_query(request: SearchRequest) -> tantivy.Query:
    """Build the query of a request; its filters do not score."""
    filters = [(Occur.Must, unscored(tantivy_query(query))) for query in request.filters]
    query = tantivy_query(request.query)
    if request.recent:
        query = _recent(query, now=request.now)
    return tantivy.Query.boolean_query([(Occur.Must, query), *filters])


def tantivy_query(query: Query) -> tantivy.Query:
    """Build the query of a tree; words and phrases score, all else only matches."""
    match query:
        case And(parts):
            return _all_of(parts)
        case Or(parts):
            return tantivy.Query.boolean_query([(Occur.Should, tantivy_query(part)) for part in parts])
        case Not():
            return _all_of((query,))
        case Word():
            return _word(query)
        case Phrase(text, slop):
            words = fields.folded_words(text)
            return _best_of(
                [_boosted(field, _row(field, words, slop=slop)) for field in _prose_fields(query.field)]
            )
        case Name():
            return unscored(_best_of([_name(field, query) for field in name_fields(query.field)]))
        case Keyword(field, value):
            return unscored(_term(field, fields.folded_name(value)))
        case Address(field, text):
            return unscored(_row(field, fields.folded_words(re.sub(r"^https?://", "", text))))
        case Exists(field):
            return unscored(_best_of([tantivy.Query.exists_query(each) for each in _presence_fields(field)]))
        case DateRange():
            return unscored(_dates(query))
    return documents()


def documents() -> tantivy.Query:
    """Build the query of all documents, without the tombstones."""
    return unscored(tantivy.Query.term_query(fields.schema(), "removed", False))


def unscored(query: tantivy.Query) -> tantivy.Query:
    """Keep what a query matches and take its weight off the score."""
    return tantivy.Query.const_score_query(query, 0.0)


def narrowed(
    query: tantivy.Query, *, to: tantivy.Query | None = None, without: tantivy.Query | None = None
) -> tantivy.Query:
    """Keep of a query's matches those of another, or those that are not of another."""
    asked = [] if to is None else [(Occur.Must, unscored(to))]
    refused = [] if without is None else [(Occur.MustNot, without)]
    return tantivy.Query.boolean_query([(Occur.Must, query), *asked, *refused])


def name_fields(field: NameField) -> Sequence[NameField]:
    """List the fields in which a name is looked for."""
    return fields.LABEL_FIELDS if field is NameField.ENTITY else (field,)


def _all_of(parts: Sequence[Query]) -> tantivy.Query:
    refused = [(Occur.MustNot, tantivy_query(part.part)) for part in parts if isinstance(part, Not)]
    asked = [(Occur.Must, tantivy_query(part)) for part in parts if not isinstance(part, Not)]
    return tantivy.Query.boolean_query([*(asked or [(Occur.Must, documents())]), *refused])


def _recent(query: tantivy.Query, *, now: float) -> tantivy.Query:
    """Weigh the scores by age: each article is in one of the spans, and has that span's weight."""
    spans: list[tantivy.Query] = []
    end: float | None = None
    for step in RECENCY:
        start = None if step.age_s is None else now - step.age_s
        span = narrowed(query, to=_dates(DateRange(Clock.FIRST_SEEN, start, end)))
        spans.append(tantivy.Query.boost_query(span, step.weight))
        end = start
    return _best_of(spans)


def _best_of(queries: Sequence[tantivy.Query]) -> tantivy.Query:
    return queries[0] if len(queries) == 1 else tantivy.Query.disjunction_max_query(queries)


def _prose_fields(field: TextField | None) -> Sequence[TextField]:
    return tuple(TextField) if field is None else (field,)


def _boosted(field: TextField, query: tantivy.Query) -> tantivy.Query:
    return tantivy.Query.boost_query(query, TITLE_BOOST) if field is TextField.TITLE else query


def _word(word: Word) -> tantivy.Query:
    """Look for a word as it stands and in the stems of every language; several pieces (covid-19) in a row."""
    text = spoken(word)
    words = fields.folded_words(text)
    stems: list[tuple[str, str]] = []
    if len(words) == 1 and not word.prefix:
        analyzed = ((language, fields.stemmer(language).analyze(text)) for language in fields.STEMMERS)
        stems = [(language, terms[0]) for language, terms in analyzed if terms]
    queries = []
    for field in _prose_fields(word.field):
        stemmed = [_term(fields.stemmed(field, language), stem) for language, stem in stems]
        queries += [_boosted(field, each) for each in (_row(field, words, prefix=word.prefix), *stemmed)]
    return _best_of(queries)


def _name(field: NameField, name: Name) -> tantivy.Query:
    if name.whole:
        return _term(fields.whole(field), fields.folded_name(name.text))
    return _row(field, fields.folded_words(name.text), prefix=name.prefix)


def _row(field: str, words: Sequence[str], *, slop: int = 0, prefix: bool = False) -> tantivy.Query:
    """Look for folded words in a row; they are letters, marks and digits, so no regex needs escapes."""
    if not words:
        return tantivy.Query.empty_query()
    if prefix and len(words) == 1:
        return tantivy.Query.fuzzy_term_query(fields.schema(), field, words[0], distance=0, prefix=True)
    if prefix:
        return tantivy.Query.regex_phrase_query(fields.schema(), field, [*words[:-1], words[-1] + ".*"])
    if len(words) == 1:
        return _term(field, words[0])
    return tantivy.Query.phrase_query(fields.schema(), field, list(words), slop=slop)


def _presence_fields(field: NameField | KeywordField | Clock) -> Sequence[str]:
    return [fields.whole(each) for each in name_fields(field)] if isinstance(field, NameField) else [field]


def _dates(dates: DateRange) -> tantivy.Query:
    return tantivy.Query.range_query(
        fields.schema(),
        dates.field,
        tantivy.FieldType.Date,
        _moment(fields.EARLIEST if dates.start is None else dates.start),
        _moment(fields.LATEST if dates.end is None else dates.end),
        include_upper=False,
    )


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(min(max(at, fields.EARLIEST), fields.LATEST), UTC)


def _term(field: str, term: str) -> tantivy.Query:
    return tantivy.Query.term_query(fields.schema(), field, term)
