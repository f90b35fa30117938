"""Read a search query: Lucene's language, parsed by luqum, into the tree of `query`.

What is refused (fuzzy words, boosts, regular expressions, leading wildcards) is refused because it cannot be
answered in bounded time or not alike by every back-end. Each error has the column and the fix.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, tzinfo

from luqum import tree
from luqum.exceptions import ParseError
from luqum.thread import parse as parse_lucene

from pipeline.errors import QueryError
from pipeline.search.dates import FORMS, Period, read_period
from pipeline.search.query import (
    Address,
    AddressField,
    And,
    Clock,
    DateRange,
    Everything,
    Exists,
    Field,
    Keyword,
    KeywordField,
    Leaf,
    NameField,
    Not,
    Or,
    Phrase,
    Query,
    TextField,
    Word,
    named,
)
from pipeline.search.source import Source, prepare, shown
from pipeline.search.values import read_keyword

LONGEST_QUERY = 8_192  # characters; a query that lists a few hundred names still fits
MOST_LEAVES = 1_024  # words and phrases; Lucene's own default for clauses
DEEPEST = 50  # levels; a person nests three or four
MOST_SLOP = 100  # words between the words of a phrase

Searched = TextField | NameField | KeywordField | AddressField | None

FIELDS: dict[str, Field] = {
    field.value: field for kind in (TextField, NameField, KeywordField, AddressField, Clock) for field in kind
}


def parse(text: str, *, now: float, zone: tzinfo = UTC) -> Query:
    """Read a query; an empty one and `*` mean everything.

    `now` (seconds since the epoch) is what `7d` counts back from; dates without an offset are of `zone`.
    Raises QueryError, one line with the column and the fix.
    """
    if not text.strip():
        return Everything()
    if len(text) > LONGEST_QUERY:
        raise QueryError(f"the query has {len(text)} characters; at most {LONGEST_QUERY} are searched")
    source = prepare(text)
    reader = _Reader(source=source, now=now, zone=zone)
    query = reader.read(_syntax_tree(source), field=None, depth=0)
    if query is None:
        raise QueryError(f"there is no letter or digit to search for in {shown(text)}")
    if _count(query) > MOST_LEAVES:
        raise QueryError(f"the query has more than {MOST_LEAVES} words; search in several steps")
    return query


def _syntax_tree(source: Source) -> tree.Item:
    try:
        return parse_lucene(source.text)
    except ParseError as error:
        raise QueryError(_fault(str(error), source)) from None
    except (ValueError, ArithmeticError):  # int() and Decimal() of `~2.5` or `^1.2.3`, inside luqum
        sign = re.search(r"[~^][\d.]*\.", source.text)
        column = source.column(sign.start() if sign else 0)
        raise QueryError(f'column {column}: ~ takes a whole number, after a phrase, as in "a b"~5') from None


def _fault(message: str, source: Source) -> str:
    """Turn luqum's message into one that says what to do."""
    place = re.search(r"position (\d+)!?$", message)
    if place is None:
        end = source.column(len(source.text))
        return (
            f"column {end}: the query ends too early; close a parenthesis, or write what the last sign needs"
        )
    position = int(place[1])
    rest = source.text[position:]
    column = f"column {source.column(position)}: "
    if rest.startswith('"'):
        return column + 'this quotation mark is never closed; add a " at the end of the phrase'
    if rest.startswith("/"):
        return column + "/ begins a regular expression, which is not supported; quote words that hold a /"
    return column + f"{shown(rest)} cannot stand here; put it in quotes to search for it"


def _count(query: Query) -> int:
    match query:
        case And(parts) | Or(parts):
            return sum(_count(part) for part in parts)
        case Not(part):
            return _count(part)
    return 1


@dataclass(frozen=True, slots=True)
class _Term:
    """Hold one bare word without its escapes."""

    text: str
    prefix: bool


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turn luqum's tree into ours; None stands for a word without a letter or digit, which is ignored."""

    source: Source
    now: float
    zone: tzinfo

    def read(self, node: tree.Item, *, field: Field | None, depth: int) -> Query | None:
        if depth > DEEPEST:
            raise self.error(node, f"more than {DEEPEST} levels of parentheses; write it flatter")
        match node:
            case tree.Group() | tree.FieldGroup() | tree.Plus():
                return self.read(node.children[0], field=field, depth=depth + 1)
            case tree.AndOperation() | tree.UnknownOperation():
                return _joined(And, [self.read(each, field=field, depth=depth + 1) for each in node.children])
            case tree.OrOperation():
                return _joined(Or, [self.read(each, field=field, depth=depth + 1) for each in node.children])
            case tree.Not() | tree.Prohibit():
                part = self.read(node.children[0], field=field, depth=depth + 1)
                return None if part is None else Not(part)
            case tree.SearchField():
                return self.read(node.expr, field=self.field(node, field), depth=depth + 1)
        return self.leaf(node, field)

    def field(self, node: tree.SearchField, outer: Field | None) -> Field:
        if _is_host_with_port(node):
            quoted = f'{outer if isinstance(outer, AddressField) else AddressField.URL}:"…"'
            raise self.error(
                node, f"there is no field {shown(node.name)}; put an address in quotes: {quoted}"
            )
        if outer is not None:
            raise self.error(node, f"{node.name}: stands inside {outer}:; close that field first")
        if node.name in FIELDS:
            return FIELDS[node.name]
        near = difflib.get_close_matches(node.name.lower(), FIELDS, n=1)
        fix = (
            f"write {near[0]}:, or quote the words"
            if near
            else f"quote the words, or use {', '.join(FIELDS)}"
        )
        raise self.error(node, f"there is no field {shown(node.name)}; {fix}")

    def leaf(self, node: tree.Item, field: Field | None) -> Leaf | None:
        if isinstance(field, Clock):
            return self.dates(node, field)
        match node:
            case tree.Word():
                return self.word(node, field)
            case tree.Phrase():
                return self.phrase(node, field, slop=0)
            case tree.Proximity():
                return self.phrase(node.term, field, slop=self.slop(node, field))
            case tree.Range() | tree.From() | tree.To():
                raise self.error(
                    node, "ranges work on published: and first_seen:; quote the sign to search for it"
                )
        raise self.refused(node)

    def refused(self, node: tree.Item) -> QueryError:
        match node:
            case tree.Fuzzy():
                return self.error(
                    node, "~ after a word (fuzzy search) is not supported; write its beginning: elect*"
                )
            case tree.Boost():
                return self.error(node, "^ (a boost) is not supported; leave it out")
            case tree.Regex():
                return self.error(node, "regular expressions are not supported; use word* or a phrase")
        return self.error(node, "this cannot stand here; put it in quotes to search for it")

    def word(self, node: tree.Word, field: Searched) -> Leaf | None:
        if node.value == "*":
            return Exists(field) if isinstance(field, NameField | KeywordField) else Everything()
        term = self.term(node)
        if not any(each.isalnum() for each in term.text):
            if field is None or isinstance(field, TextField):
                return None
            raise self.error(node, f"{field}: needs a letter or digit")
        match field:
            case NameField():
                return named(field, term.text, whole=False, prefix=term.prefix)
            case KeywordField() | AddressField() if term.prefix:
                raise self.error(node, f"{field}: takes no *; {field}:* alone finds what has any")
            case KeywordField():
                return self.keyword(node, field, term.text)
            case AddressField():
                return Address(field, term.text)
        return Word(term.text, prefix=term.prefix, field=field)

    def term(self, node: tree.Word) -> _Term:
        """Take off the escapes and the trailing star; refuse any other wildcard."""
        pieces = re.findall(r"\\.|.", node.value, re.DOTALL)
        prefix = pieces[-1] == "*"
        stem = pieces[:-1] if prefix else pieces
        if pieces[0] in ("*", "?"):
            raise self.error(node, f"a word cannot begin with {pieces[0]}; write its beginning, as in elect*")
        if "*" in stem or "?" in stem:
            raise self.error(
                node, "* may only end a word, and ? is not supported; write elect*, or quote the text"
            )
        return _Term("".join(piece[-1] for piece in stem), prefix)

    def phrase(self, node: tree.Phrase, field: Searched, *, slop: int) -> Leaf | None:
        text = re.sub(r"\\(.)", r"\1", node.value[1:-1], flags=re.DOTALL)
        if not any(each.isalnum() for each in text):
            if field is None or isinstance(field, TextField):
                return None
            raise self.error(node, f"{field}: needs a letter or digit")
        match field:
            case NameField():
                return named(field, text, whole=True)
            case KeywordField():
                return self.keyword(node, field, text)
            case AddressField():
                return Address(field, text)
        return Phrase(text, slop, field)

    def keyword(self, node: tree.Item, field: KeywordField, text: str) -> Keyword:
        try:
            return read_keyword(field, text)
        except QueryError as error:
            raise self.error(node, str(error)) from None

    def slop(self, node: tree.Proximity, field: Searched) -> int:
        if field is not None and not isinstance(field, TextField):
            raise self.error(node, f"~ works on phrases of the title and text; leave it out after {field}:")
        if not 0 <= node.degree <= MOST_SLOP:
            raise self.error(node, f'~ after a phrase takes a number up to {MOST_SLOP}, as in "a b"~5')
        return int(node.degree)

    def dates(self, node: tree.Item, field: Clock) -> DateRange | Exists:
        match node:
            case tree.Word(value="*"):
                return Exists(field)
            case tree.Word() | tree.Phrase():
                period = self.period(node)
                return DateRange(field, period.start, None if period.relative else period.end)
            case tree.From():
                period = self.period(node.a)
                return DateRange(field, period.start if node.include else period.end, None)
            case tree.To():
                period = self.period(node.a)
                return DateRange(field, None, period.end if node.include else period.start)
            case tree.Range():
                low, high = self.bound(node.low), self.bound(node.high)
                start = None if low is None else low.start if node.include_low else low.end
                end = None if high is None else high.end if node.include_high else high.start
                return DateRange(field, start, end)
        raise self.error(node, f"{field}: takes a date or a range, as in {field}:[2026-01-01 TO *]")

    def bound(self, node: tree.Item) -> Period | None:
        return None if isinstance(node, tree.Word) and node.value == "*" else self.period(node)

    def period(self, node: tree.Item) -> Period:
        written = node.value.strip('"') if isinstance(node, tree.Word | tree.Phrase) else str(node)
        period = read_period(written, now=self.now, zone=self.zone)
        if period is None:
            raise self.error(node, f"{shown(written)} is no date; write {FORMS}")
        return period

    def error(self, node: tree.Item, message: str) -> QueryError:
        return QueryError(f"column {self.source.column(node.pos or 0)}: {message}")


def _is_host_with_port(node: tree.SearchField) -> bool:
    return "." in node.name and isinstance(node.expr, tree.Word) and node.expr.value[:1].isdigit()


def _joined(kind: Callable[[tuple[Query, ...]], And | Or], parts: Iterable[Query | None]) -> Query | None:
    kept = tuple(part for part in parts if part is not None)
    return (kept[0] if len(kept) == 1 else kind(kept)) if kept else None
