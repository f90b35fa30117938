"""Write a search in Kibana's query language (KQL), by the field names of the mapping: pure, from the tree of
`query`.

KQL only filters: ranking and boosts are left behind. What it cannot say is refused. Values stand in quotation
marks, where only a backslash and a quotation mark need an escape (Kibana, kuery grammar: QuotedString) and
where the field's own analysis makes a phrase of several words; beginnings (`elect*`) stand without.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from pipeline.errors import QueryError
from pipeline.search.elasticsearch_query import (
    ADDRESSES,
    CLOCKS,
    EARLIEST,
    KEYWORDS,
    LATEST,
    NAMES,
    PROSE,
    bare_address,
    presence_field,
    stem_languages,
    whole_name,
)
from pipeline.search.query import (
    Address,
    And,
    Clock,
    DateRange,
    Everything,
    Exists,
    Ids,
    Keyword,
    Name,
    Not,
    Or,
    Phrase,
    Query,
    TextField,
    Word,
)
from pipeline.search.request import SearchRequest
from pipeline.search.words import clean, pieces, spoken

EVERYTHING = "*: *"

_ESCAPED = re.compile(r'[\\"]')


def request_kql(request: SearchRequest) -> str:
    """Write a request's query and filters as one line of KQL. Raises QueryError for what KQL cannot say."""
    asked = [each for each in (request.query, *request.filters) if each != Everything()]
    return query_kql(And(tuple(asked))) if asked else EVERYTHING


def query_kql(query: Query) -> str:
    """Write a tree as KQL. Raises QueryError for what it cannot say."""
    return _without_outer(_written(query))


def _written(query: Query) -> str:
    """Write a tree; what is joined stands in parentheses."""
    match query:
        case And(parts):
            return _joined(" and ", map(_written, parts))
        case Or(parts):
            return _joined(" or ", map(_written, parts))
        case Not(part):
            return f"not {_written(part)}"
        case Everything():
            return EVERYTHING
        case Word():
            return _word(query)
        case Phrase(text, slop):
            if slop:
                raise QueryError(
                    f'KQL cannot say how near words stand ("{_one_line(text)}"~{slop}); use --as dsl'
                )
            return _any_field(_prose(query.field), text)
        case Name():
            return _name(query)
    return _value(query)


def _value(query: Query) -> str:
    match query:
        case Keyword(field, value):
            return f"{KEYWORDS[field]}: {_quoted(value)}"
        case Address(field, text):
            return f"{ADDRESSES[field]}: {_quoted(bare_address(text))}"
        case Exists(field):
            return f"{presence_field(field)}: *"
        case DateRange():
            return _dates(query)
        case Ids(ids):
            return f"event.id: {_any_value(ids)}"
    raise TypeError(query)


def _word(word: Word) -> str:
    """Look for a word as it stands and in the stems of all languages; several pieces (covid-19) in a row."""
    text = spoken(word)
    fields = _prose(word.field)
    if word.prefix:
        return _beginning(fields, text)
    is_stemmed = len(pieces(text)) == 1 and any(stem_languages(text))
    stems = [f"stemmed.*.{field}" for field in fields] if is_stemmed else []
    return _any_field([*fields, *stems], text)


def _name(name: Name) -> str:
    fields = NAMES[name.field]
    if name.prefix:
        return _beginning(fields.words, name.text)
    if not name.whole:
        return _any_field(fields.words, name.text)
    text, keys = whole_name(name.text)
    either = [f"{fields.folded}: {_quoted(text)}", *(f"{key}: {_any_value(keys)}" for key in fields.keys)]
    return _joined(" or ", either)


def _dates(dates: DateRange) -> str:
    field = CLOCKS[dates.field]
    bounds = [
        f'{field} {sign} "{_moment(at, dates.field)}"'
        for sign, at in ((">=", dates.start), ("<", dates.end))
        if at is not None
    ]
    return _joined(" and ", bounds) if bounds else f"{field}: *"


def _prose(field: TextField | None) -> list[str]:
    return [PROSE[each] for each in (TextField if field is None else (field,))]


def _any_field(fields: Sequence[str], text: str) -> str:
    return _joined(" or ", [f"{field}: {_quoted(text)}" for field in fields])


def _any_value(values: Sequence[str]) -> str:
    return _joined(" or ", map(_quoted, values)) if values else '""'


def _beginning(fields: Sequence[str], text: str) -> str:
    """Look for words that begin so; a piece is letters, marks and digits, which need no escape."""
    *before, last = pieces(text)
    if before:
        raise QueryError(
            f"KQL takes * at the end of one word, not of several ({_one_line(text)}*); use --as dsl"
        )
    return _joined(" or ", [f"{field}: {last}*" for field in fields])


def _joined(sign: str, written: Iterable[str]) -> str:
    parts = list(written)
    return parts[0] if len(parts) == 1 else f"({sign.join(parts)})"


def _without_outer(written: str) -> str:
    """Take off the parentheses that only `_joined` around the whole can have written."""
    return written[1:-1] if written.startswith("(") else written


def _quoted(text: str) -> str:
    return '"' + _ESCAPED.sub(r"\\\g<0>", _one_line(text)) + '"'


def _one_line(text: str) -> str:
    return " ".join(clean(text).split())


def _moment(at: float, clock: Clock) -> str:
    if clock is Clock.FIRST_SEEN:
        at = min(max(at, EARLIEST), LATEST)
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
