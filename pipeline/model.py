"""The records that flow from feed to index. All are frozen; times are seconds since the epoch, UTC."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """Name the four steps of the flow; each is also the name of its queue."""

    POLL = "poll"
    FETCH = "fetch"
    ENRICH = "enrich"
    INDEX = "index"


class State(StrEnum):
    """Say what is done with an article; the last three are where it may rest."""

    FOUND = "found"
    FETCHED = "fetched"
    ENRICHED = "enriched"
    INDEXED = "indexed"
    DROPPED = "dropped"
    QUARANTINED = "quarantined"


class FeedState(StrEnum):
    """Say whether a feed is polled."""

    ACTIVE = "active"
    PAUSED = "paused"
    GONE = "gone"


class Label(StrEnum):
    """Name the kinds of entity that are searched and counted."""

    PERSON = "person"
    ORGANIZATION = "organization"
    PLACE = "place"


class TextSource(StrEnum):
    """Say where a document's text came from, best first."""

    PAGE = "page"  # the extractor's reading of the page
    PAGE_SECOND = "page-second"  # the second opinion, which won
    JSON_LD = "json-ld"  # schema.org articleBody inside the page
    FEED_CONTENT = "feed-content"
    FEED_SUMMARY = "feed-summary"
    TITLE = "title"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Hold what one feed entry says. Title, authors and tags are plain text; summary and content are the
    feed's own HTML; `link` is the absolute http(s) address that people click, never rewritten."""

    link: str
    guid: str | None
    title: str
    summary: str
    content: str
    authors: tuple[str, ...]
    tags: tuple[str, ...]
    published_text: str | None  # the date as the feed wrote it
    published_at: float | None  # the date as read
    language: str | None  # the entry's or else the feed's own claim, as written
    # Defaults, so that what was stored before these fields can be read.
    published_by: str | None = None  # what said the date: published | updated | created
    updated_at: float | None = None  # when the feed says that it was edited, where it says so beside the date
    media: tuple[str, ...] = ()  # addresses of its pictures, sounds and films, in the feed's order


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHints:
    """Hold what a feed's own document asks of its readers, as far as it was well formed."""

    ttl_s: float | None = None  # RSS 2.0 ttl, which counts minutes
    update_period_s: float | None = None  # syndication module: updatePeriod over updateFrequency
    update_base: float | None = None  # its updateBase, seconds since the epoch
    skip_hours: frozenset[int] = frozenset()  # 0 to 23, UTC
    skip_days: frozenset[int] = frozenset()  # 0 Monday to 6 Sunday, UTC


class FeedKind(StrEnum):
    """Say what the document at a feed's address is."""

    FEED = "feed"
    SITEMAP = "sitemap"
    INDEX = "index"  # of sitemaps


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSitemap:
    """Hold what an index of sitemaps says of one of them."""

    url: str
    changed_at: float | None  # None: it does not say, or not so that anybody could read it


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFeed:
    """Hold a feed document's facts and its usable entries, in the feed's order."""

    title: str
    site: str | None  # absolute http(s) address of the site the feed belongs to
    language: str | None
    entries: tuple[Entry, ...]
    entries_without_link: int  # entries that no article can be made of; counted, never dropped silently
    is_well_formed: bool = True  # else it was read as far as possible: entries may be missing
    hints: FeedHints = FeedHints()
    kind: FeedKind = FeedKind.FEED
    sitemaps: tuple[ListedSitemap, ...] = ()  # of an index: those that may hold news, newest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Hold one HTTP request and its whole answer (one hop; redirects are answers). `body` is after
    content decoding; `headers` keep the server's order and spelling."""

    url: str
    method: str
    request_headers: tuple[tuple[str, str], ...]
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    fetched_at: float
    remote_address: str | None
    elapsed_s: float = 0.0  # from the first DNS query to the last byte, on a monotonic clock
    bytes_received: int = 0  # of the body as it came over the wire, before content decoding


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailure:
    """Say why no answer was had: a slug of `outcomes.FetchSlug` and one line for a person."""

    url: str
    slug: str
    detail: str
    elapsed_s: float = 0.0  # until it was given up


class RequestKind(StrEnum):
    """Say what a request was made for."""

    FEED = "feed"
    PAGE = "page"
    ROBOTS = "robots"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Hold what the ledger of a host keeps of one request. Times are those of time.monotonic()."""

    host: str
    kind: RequestKind
    began: float
    ended: float
    status: int | None  # None: no whole answer came
    bytes: int  # of the answer's body
    is_conditional: bool
    pause_s: float | None  # a 429's or 503's Retry-After


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePosition:
    """Point at one WARC record: the file's name in the archive folder, where it starts, how long it is."""

    file: str
    offset: int
    length: int
    digest: str  # sha1:BASE32 of the payload, as WARC writes it


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Hold a page as it was served, read back from the archive."""

    url: str  # the last hop's address
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    fetched_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Hold one possible text of an article, with the score by which it was compared (0 to 1)."""

    source: TextSource
    text: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Hold a publication date: where it was found and how much of it was said."""

    at: float
    source: str  # feed | json-ld | meta | time-element | url
    precision: str  # second | minute | day
    # Defaults, so that documents stored before these fields can be read.
    zone: str | None = None  # as +01:00; None: it named none, and was read as UTC
    is_clamped: bool = False  # it lay in the future; `at` is when the article was first seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """Hold what was read from a page and its feed entry before enrichment."""

    title: str
    text: str  # paragraphs separated by one newline; never empty
    text_source: TextSource
    candidates: tuple[Candidate, ...]
    authors: tuple[str, ...]
    published: Published | None
    language: str | None  # the page's or feed's claim, a bare ISO 639-1 code
    canonical_url: str | None  # absolute, as the page claims; whether to believe it is decided later
    partial: str | None  # a slug of `outcomes.Partial`, when the page gave no text


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """Hold one person, organization or place of a document."""

    label: Label
    name: str  # as shown to people: the fullest form in the document
    key: str  # folded (case, accents) form by which it is counted
    count: int  # mentions in the title and text, short forms included
    first_offset: int  # characters into the text; the title counts as offset 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Say that a feed showed an article."""

    feed: str  # the feed's address
    seen_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamps:
    """Name the rules and models that made a document, so that it can be made again."""

    extractor: str
    language: str
    model: str | None  # None: the language has no model, so no entities were looked for
    rules: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Hold what is indexed and shown of an article."""

    id: str
    version: int
    revision: int
    url: str
    title: str
    text: str
    authors: tuple[str, ...]
    tags: tuple[str, ...]
    language: str | None
    outlet: str  # registrable domain, or host:port of an address literal
    outlet_name: str
    published: Published | None
    first_seen_at: float
    text_source: TextSource
    partial: str | None
    entities: tuple[Entity, ...]
    fingerprint: tuple[int, ...]  # MinHash of the text; empty for texts too short to compare
    sightings: tuple[Sighting, ...]
    stamps: Stamps


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineEvent:
    """Hold one thing that happened, with what is known of its article and its feed."""

    id: int
    at: float
    stage: str
    outcome: str
    slug: str | None
    detail: str | None
    article_id: str | None
    url: str | None
    host: str | None
    feed: str | None  # the feed's address
    news_at: float | None  # when it was published, or else first seen
    first_seen_at: float | None
    indexed_at: float | None  # for the first time


def names(entities: Sequence[Entity], label: Label) -> tuple[str, ...]:
    """List the display names of one label, most mentioned first."""
    chosen = [entity for entity in entities if entity.label is label]
    return tuple(entity.name for entity in sorted(chosen, key=lambda each: (-each.count, each.first_offset)))


def header(headers: Sequence[tuple[str, str]], name: str) -> str | None:
    """Return the last value of a header, by case-insensitive name (RFC 9110 §5.1)."""
    lowered = name.lower()
    values = [value for key, value in headers if key.lower() == lowered]
    return values[-1] if values else None
