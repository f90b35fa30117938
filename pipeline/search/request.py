"""What a search asks and what it answers: records that every back-end takes and gives."""

import difflib
import hashlib
import zoneinfo
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from enum import StrEnum
from typing import TypeVar

from pipeline.errors import QueryError
from pipeline.model import Label, Published, TextSource
from pipeline.search.cursor import Cursor, Position, decode
from pipeline.search.cursor import encode as encode_cursor
from pipeline.search.dates import FORMS, read_period
from pipeline.search.parser import parse
from pipeline.search.query import (
    Clock,
    DateRange,
    KeywordField,
    Leaf,
    NameField,
    Or,
    Query,
    named,
    ranks,
)
from pipeline.search.values import read_keyword

DEFAULT_SIZE = 10  # hits a page
LARGEST_SIZE = 1_000  # hits a page; a page is held in memory as a whole
FACET_SIZE = 10  # values shown of each facet, and of what stands out
FEWEST_STANDING_OUT = 3  # hits that have a value; what two articles share is chance
MOST_DAYS = 366  # newest days shown of the day facet
MARKS = ("«", "»")

Named = TypeVar("Named", bound=StrEnum)


class Sort(StrEnum):
    """Name the orders of hits."""

    RELEVANCE = "relevance"
    NEWEST = "newest"
    OLDEST = "oldest"


@dataclass(frozen=True, slots=True)
class RecencyStep:
    """Say what the score of an article counts for that is not older than an age (None: of any age)."""

    age_s: float | None
    weight: float


# Steps and not a curve, so that every index can count them; each step is small beside what a word in the
# title is worth, and an old article that fits much better still comes first.
RECENCY = (
    RecencyStep(86_400, 1.0),
    RecencyStep(3 * 86_400, 0.85),
    RecencyStep(7 * 86_400, 0.7),
    RecencyStep(30 * 86_400, 0.5),
    RecencyStep(None, 0.35),
)


class FacetName(StrEnum):
    """Name what hits can be counted by."""

    PERSON = "person"
    ORGANIZATION = "organization"
    PLACE = "place"
    OUTLET = "outlet"
    LANGUAGE = "language"
    TAG = "tag"
    DAY = "day"


class SignificantName(StrEnum):
    """Name what can stand out in the hits against all articles."""

    PERSON = "person"
    ORGANIZATION = "organization"
    PLACE = "place"
    WORDS = "words"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """Hold a whole search. `filters` narrow the hits and never change their scores."""

    query: Query
    filters: tuple[Query, ...]
    by: Clock  # the time that sorts, and that the day facet counts
    sort: Sort
    size: int
    position: Position | None  # where the page begins; None: at the first hit
    facets: tuple[FacetName, ...]
    significant: tuple[SignificantName, ...]
    recent: bool  # ranked by relevance, newer articles come before equally good older ones
    zone: tzinfo
    now: float
    marks: tuple[str, str]  # put around matched words in highlights


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Hold what the index alone knows of an article. Highlights are plain text, never HTML: escape them
    before they are shown in a page."""

    id: str
    version: int
    url: str
    title: str
    outlet: str
    outlet_name: str
    published: Published | None
    first_seen_at: float
    language: str | None
    text_source: TextSource
    partial: str | None
    authors: tuple[str, ...]
    tags: tuple[str, ...]
    feeds: tuple[str, ...]  # addresses of the feeds that showed it, sorted
    entities: tuple[tuple[Label, tuple[str, ...]], ...]  # display names by label, most mentioned first
    score: float | None = None  # None when the hits are sorted by date
    highlights: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bucket:
    """Hold one value of a facet: as shown, as filtered by, and how many articles have it."""

    value: str
    key: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """Hold the most frequent values of a field (of the day facet: the days in order), counting all hits."""

    name: FacetName
    buckets: tuple[Bucket, ...]
    other: int  # counted values that are not among the buckets
    missing: int  # articles without any value
    error_bound: int  # how far any count may be too low; 0 means exact


@dataclass(frozen=True, slots=True)
class Standout:
    """Hold a value that the hits have more often than all articles do: how many of the hits looked through
    have it, how many of all articles, and by how much it stands out (`standing_out`)."""

    value: str
    key: str
    count: int
    background: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Significant:
    """Hold the values that stand out most, the most telling first."""

    name: SignificantName
    standouts: tuple[Standout, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Hold one page of hits, the exact total, and where the next page begins (None after the last)."""

    total: int
    took_ms: int
    hits: tuple[Hit, ...]
    next: str | None
    facets: tuple[Facet, ...]
    significant: tuple[Significant, ...] = ()


def read_request(
    text: str,
    *,
    now: float,
    since: str | None = None,
    until: str | None = None,
    by: Clock = Clock.FIRST_SEEN,
    language: Sequence[str] = (),
    outlet: Sequence[str] = (),
    entity: Sequence[str] = (),
    tag: Sequence[str] = (),
    sort: Sort = Sort.RELEVANCE,
    size: int = DEFAULT_SIZE,
    after: str | None = None,
    facets: Sequence[str] = (),
    significant: Sequence[str] = (),
    recent: bool = False,
    tz: str = "UTC",
    marks: tuple[str, str] = MARKS,
) -> SearchRequest:
    """Read a search as a person or a program wrote it. Several values of one filter mean any of them; entity,
    outlet and tag are whole names. Without words to rank by, relevance means newest.

    Raises QueryError, one line with the fix.
    """
    if not 0 <= size <= LARGEST_SIZE:
        raise QueryError(f"size is {size}; it must be between 0 and {LARGEST_SIZE}")
    cursor = None if after is None else decode(after)
    now = now if cursor is None else cursor.now
    if recent and sort is not Sort.RELEVANCE:
        raise QueryError(f"recent weighs the relevance; leave it out, or leave out the sort by {sort.value}")
    zone = _zone(tz)
    query = parse(text, now=now, zone=zone)
    names = {NameField.OUTLET: outlet, NameField.ENTITY: entity, NameField.TAG: tag}
    request = SearchRequest(
        query=query,
        filters=(
            *_dates(since, until, by=by, now=now, zone=zone),
            *_any_of(language, lambda value: read_keyword(KeywordField.LANGUAGE, value)),
            *(each for field, values in names.items() for each in _any_of(values, _whole(field))),
        ),
        by=by,
        sort=sort if sort is not Sort.RELEVANCE or ranks(query) else Sort.NEWEST,
        size=size,
        position=None if cursor is None else cursor.position,
        facets=tuple(_known(name, FacetName, "facet") for name in facets),
        significant=tuple(_known(name, SignificantName, "significant value") for name in significant),
        recent=recent and ranks(query),
        zone=zone,
        now=now,
        marks=marks,
    )
    if cursor is not None and cursor.search != _digest(request):
        raise QueryError("this cursor belongs to another search; repeat its query, filters, dates and sort")
    return request


def next_cursor(request: SearchRequest, position: Position) -> str:
    """Write the cursor by which the same search goes on at a back-end's position."""
    return encode_cursor(Cursor(_digest(request), request.now, position))


def _digest(request: SearchRequest) -> str:
    """Digest what decides which hits there are, in which order; size and facets may change between pages."""
    decisive = repr((request.query, request.filters, request.by, request.sort, request.recent))
    return hashlib.blake2b(decisive.encode("utf-8", "surrogatepass"), digest_size=9).hexdigest()


def _zone(name: str) -> tzinfo:
    if name.upper() in ("UTC", "Z"):
        return UTC  # known even where the system has no time zone database
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise QueryError(f"there is no time zone {name!r}; write it like Europe/Berlin") from None


def _dates(
    since: str | None, until: str | None, *, by: Clock, now: float, zone: tzinfo
) -> tuple[DateRange, ...]:
    if since is None and until is None:
        return ()
    start, end = (
        None if text is None else _start(text, option=option, now=now, zone=zone)
        for text, option in ((since, "since"), (until, "until"))
    )
    if start is not None and end is not None and end <= start:
        raise QueryError(f"until ({until}) must be after since ({since}); it is the first moment left out")
    return (DateRange(by, start, end),)


def _start(text: str, *, option: str, now: float, zone: tzinfo) -> float:
    period = read_period(text, now=now, zone=zone)
    if period is None:
        raise QueryError(f"{option}: {text!r} is no date; write {FORMS}")
    return period.start


def _any_of(values: Sequence[str], leaf: Callable[[str], Leaf]) -> tuple[Query, ...]:
    return (Or(tuple(leaf(value) for value in values)),) if values else ()


def _whole(field: NameField) -> Callable[[str], Leaf]:
    return lambda value: named(field, value, whole=True)


def _known(name: str, names: type[Named], kind: str) -> Named:
    known = [each.value for each in names]
    if name in known:
        return names(name)
    near = difflib.get_close_matches(name, known, n=1)
    fix = f"did you mean {near[0]}?" if near else f"{kind}s are {', '.join(known)}"
    raise QueryError(f"there is no {kind} {name!r}; {fix}")
