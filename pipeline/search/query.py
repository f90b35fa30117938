"""The search query as a tree of frozen records, the same for every back-end.

`parser.parse` makes the tree from what a person typed; a back-end turns it into its own queries. Texts are as
typed: folding, stemming and cutting into words belong to the back-end's analysis.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from pipeline.enrichment.names import without_possessive


class TextField(StrEnum):
    """Name the fields that hold prose; a word without a field searches both."""

    TITLE = "title"
    TEXT = "text"


class NameField(StrEnum):
    """Name the fields that hold names: a bare word finds any name with it, a quoted text a whole name."""

    PERSON = "person"
    ORGANIZATION = "organization"
    PLACE = "place"
    ENTITY = "entity"  # a person, an organization or a place
    AUTHOR = "author"
    OUTLET = "outlet"  # its domain or its name
    TAG = "tag"


class KeywordField(StrEnum):
    """Name the fields that hold one short value, which is compared whole."""

    LANGUAGE = "language"
    TEXT_SOURCE = "text_source"
    PARTIAL = "partial"
    STORY = "story"


class AddressField(StrEnum):
    """Name the fields that hold an address, of which any consecutive pieces are found."""

    URL = "url"
    FEED = "feed"


class Clock(StrEnum):
    """Name the two times of an article."""

    FIRST_SEEN = "first_seen"
    PUBLISHED = "published"


Field = TextField | NameField | KeywordField | AddressField | Clock


@dataclass(frozen=True, slots=True)
class Everything:
    """Match every article."""


@dataclass(frozen=True, slots=True)
class Word:
    """Match a word of the prose in any of its inflections, or as a beginning when `prefix` is set."""

    text: str
    prefix: bool = False
    field: TextField | None = None  # None: title and text


@dataclass(frozen=True, slots=True)
class Phrase:
    """Match words in a row, unstemmed, with up to `slop` moves between them."""

    text: str
    slop: int = 0
    field: TextField | None = None  # None: title and text


@dataclass(frozen=True, slots=True)
class Name:
    """Match a whole name, or any name that holds the words in a row; case and accents folded."""

    field: NameField
    text: str
    whole: bool
    prefix: bool = False  # the last word is a beginning; never together with `whole`


ABOUT = frozenset({NameField.PERSON, NameField.ORGANIZATION, NameField.PLACE, NameField.ENTITY})
"""What articles are about: names that were found in their texts."""


def named(field: NameField, text: str, *, whole: bool, prefix: bool = False) -> Name:
    """Make a Name. What texts name has lost its possessive 's, McDonald's too: so does what is asked for."""
    bare = without_possessive(text) if field in ABOUT and not prefix else text
    return Name(field, bare, whole, prefix)


@dataclass(frozen=True, slots=True)
class Keyword:
    """Match one value, case folded."""

    field: KeywordField
    value: str


@dataclass(frozen=True, slots=True)
class Address:
    """Match an address that holds these pieces in a row: `bbc.co.uk/news` in `https://www.bbc.co.uk/news/1`."""

    field: AddressField
    text: str


@dataclass(frozen=True, slots=True)
class Exists:
    """Match the articles that have any value in the field."""

    field: NameField | KeywordField | Clock


@dataclass(frozen=True, slots=True)
class DateRange:
    """Match start <= time < end, in seconds since the epoch; None leaves a side open."""

    field: Clock
    start: float | None
    end: float | None


@dataclass(frozen=True, slots=True)
class Ids:
    """Match the articles of these ids. Nobody types it: exports and followers ask so."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class And:
    """Match what all parts match."""

    parts: tuple["Query", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Match what any part matches."""

    parts: tuple["Query", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Match what the part does not."""

    part: "Query"


Leaf = Everything | Word | Phrase | Name | Keyword | Address | Exists | DateRange | Ids
Query = Leaf | And | Or | Not


def wanted(query: Query) -> Iterator[Leaf]:
    """List the leaves that a hit is asked to match, left to right; what stands under a `Not` is left out."""
    match query:
        case And(parts) | Or(parts):
            for part in parts:
                yield from wanted(part)
        case Not():
            return
        case leaf:
            yield leaf


def ranks(query: Query) -> bool:
    """Say whether the query orders its hits by relevance: only words and phrases of the prose do."""
    return any(isinstance(leaf, Word | Phrase) for leaf in wanted(query))
