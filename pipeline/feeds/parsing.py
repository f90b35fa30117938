"""Read a feed document: bytes in, `ParsedFeed` out. No I/O, but no time limit either: see `child.py`."""

import calendar
import io
import re
import time
import zlib
from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax import SAXException

import feedparser

from pipeline.errors import WireroomError
from pipeline.feeds.cleaning import bounded_guid, bounded_html, plain_text, usable_link, usable_media
from pipeline.feeds.jsonfeed import looks_like_json, parse_json_feed
from pipeline.feeds.sitemaps import looks_like_sitemap, parse_sitemap
from pipeline.feeds.syndication import read_hints
from pipeline.model import Entry, ParsedFeed, header
from pipeline.outcomes import FeedSlug

PEOPLE_LIMIT = 64  # authors of one entry; papers of large collaborations list thousands
TAG_LIMIT = 128  # tags of one entry; the fullest of 6,555 real entries has 46
UNPACKED_LIMIT = 10 << 20  # bytes of a gzip file when unpacked, as of any other body

_GZIP = b"\x1f\x8b"
_NOTHING = b" \t\r\n\0\xef\xbb\xbf\xfe\xff"
_HTML_PAGE = re.compile(rb"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_HEAD_BYTES = 1024  # where a page says that it is HTML (WHATWG MIME sniffing reads 1,445)
_PICTURE_CAPTION = re.compile(rb"(</?media:)description\b[^>]*?(/?>)")
_CHARACTER_REFERENCE = re.compile(rb"&#(?:x([0-9a-f]{1,999})|([0-9]{1,999}));", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:mailto:)?[^\s()<>@]+@[^\s()<>@]+")
_CUT_ADDRESS = re.compile(r"\s*\(mailto:[^()]*\)?\s*$")

_DATES = (("published", "published_parsed"), ("updated", "updated_parsed"), ("created", "created_parsed"))
_NO_DATE = (None, None, None)
_MEDIA = ("media_content", "media_thumbnail")


class FeedError(WireroomError):
    """Say why an answer could not be read as a feed: a slug for `feeds show` and one line for a person."""

    def __init__(self, slug: FeedSlug, detail: str) -> None:
        super().__init__(f"{slug}: {detail}")
        self.slug = slug
        self.detail = detail


def parse_feed(body: bytes, *, url: str, headers: Sequence[tuple[str, str]]) -> ParsedFeed:
    """Read RSS 0.9 to 2.0, RDF, Atom, JSON Feed or a sitemap of news, well-formed or not, served from `url`.

    A body that is a gzip file, as sitemaps often are, is unpacked. Every entry is in `entries` or counted in
    `entries_without_link`; entries that share a link all stay.
    Raises FeedError when the body is empty, no feed, too large, nested too deeply, or crashes the parser.
    """
    body = unpacked(body)
    if not body.strip(_NOTHING):
        raise FeedError(FeedSlug.EMPTY, "the answer has no body")
    content_type = header(headers, "content-type") or ""
    try:
        if looks_like_json(body, content_type):
            return parse_json_feed(body, url=url) or _no_feed(body)
        if looks_like_sitemap(body):
            return parse_sitemap(body, url=url) or _no_news()
        return _feed(_parsed(body, content_type), body, url=url) or _no_feed(body)
    except RecursionError as error:
        raise FeedError(FeedSlug.TOO_DEEP, "its elements are nested too deeply") from error
    except (FeedError, MemoryError):
        raise
    except Exception as error:
        raise FeedError(FeedSlug.PARSE_CRASHED, f"{type(error).__name__}: {error}"[:200]) from error


def unpacked(body: bytes) -> bytes:
    """Unpack a gzip file; give any other body back. Raises FeedError when it is broken or too large."""
    if not body.startswith(_GZIP):
        return body
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # 16: a gzip header
    try:
        plain = unpacking.decompress(body, UNPACKED_LIMIT + 1)
    except zlib.error as error:
        raise FeedError(FeedSlug.NOT_A_FEED, f"a gzip file that cannot be unpacked ({error})") from error
    if len(plain) > UNPACKED_LIMIT:
        raise FeedError(FeedSlug.TOO_LARGE, f"a gzip file of over {UNPACKED_LIMIT >> 20} MiB when unpacked")
    return plain


def _no_news() -> ParsedFeed:
    raise FeedError(FeedSlug.NOT_A_FEED, "a sitemap of pages that it does not call news")


def _no_feed(body: bytes) -> ParsedFeed:
    if _HTML_PAGE.search(body[:_HEAD_BYTES]):
        raise FeedError(FeedSlug.NOT_A_FEED, "the answer is an HTML page")
    raise FeedError(FeedSlug.NOT_A_FEED, "the answer is neither RSS, RDF, Atom, JSON Feed nor a sitemap")


def _parsed(body: bytes, content_type: str) -> Any:
    # feedparser takes a picture's caption for the entry's content, or for its summary if it comes first.
    tamed = _PICTURE_CAPTION.sub(rb"\1caption\2", body)
    try:
        return _feedparser(tamed, content_type)
    except (ValueError, OverflowError):
        # References to what is no character, such as &#xD83D;, end feedparser's lenient reading.
        return _feedparser(_CHARACTER_REFERENCE.sub(_valid_reference, tamed), content_type)


def _feedparser(body: bytes, content_type: str) -> Any:
    # BytesIO, because feedparser opens the file that a str or bytes names. Content-Type for the charset
    # alone: without Content-Location, guids and absolute links stay as written (urljoin rewrites them) and
    # relative ones are resolved later. Unsanitised, titles of type html and xhtml come as markup with its
    # scripts; those that it takes for plain text do so anyway: all go through `plain_text`.
    return feedparser.parse(
        io.BytesIO(body),
        response_headers={"content-type": content_type},
        sanitize_html=False,
        resolve_relative_uris=False,
    )


def _valid_reference(reference: re.Match[bytes]) -> bytes:
    digits_16, digits_10 = reference.groups()
    code = int(digits_16, 16) if digits_16 else int(digits_10)
    return reference.group() if code < 0xD800 or 0xE000 <= code < 0x110000 else b""


def _feed(result: Any, body: bytes, *, url: str) -> ParsedFeed | None:
    if not result.entries and not result.version:
        return None
    feed = result.feed
    language = _language(feed)
    people = _people(feed) if result.version.startswith("atom") else ()
    entries = tuple(_entry(raw, url=url, language=language, people=people) for raw in result.entries)
    usable = tuple(entry for entry in entries if entry)
    return ParsedFeed(
        title=plain_text(_text(feed, "title")),
        site=usable_link(_text(feed, "link"), base=url),
        language=language,
        entries=usable,
        entries_without_link=len(entries) - len(usable),
        is_well_formed=not isinstance(result.get("bozo_exception"), SAXException),
        hints=read_hints(feed, body),
    )


def _entry(raw: Any, *, url: str, language: str | None, people: tuple[str, ...]) -> Entry | None:
    link = _link(raw, url=url)
    if link is None:
        return None
    published_by, published_text, published_at = _published(raw)
    updated_at = _instant(raw, "updated_parsed")
    summary, content = _texts(raw)
    return Entry(
        link=link,
        guid=bounded_guid(_text(raw, "id")),
        title=plain_text(_text(raw, "title")),
        summary=bounded_html(summary),
        content=bounded_html(content),
        authors=_people(raw) or people,  # Atom's entries inherit the feed's authors (RFC 4287 §4.2.1)
        tags=_tags(raw),
        published_text=published_text,
        published_at=published_at,
        language=_language(raw) or _language(_record(raw, "title_detail")) or language,
        published_by=published_by,
        updated_at=updated_at if updated_at != published_at else None,
        media=_media(raw, url=url),
    )


def _link(raw: Any, *, url: str) -> str | None:
    """Choose the first usable alternate link, or else a guid that is a permalink.

    A guid that feedparser does not call one is tried where a link stood that is empty or unusable: then
    feedparser does not tell what isPermaLink said.
    """
    links = _records(raw, "links")
    alternates = [_text(link, "href") for link in links if _text(link, "rel") == "alternate"]
    for candidate in alternates:
        if link := usable_link(candidate, base=url):
            return link
    guid = _text(raw, "id")
    is_permalink = dict.get(raw, "guidislink") is True or bool(alternates)
    return usable_link(guid, base="") if is_permalink else None


def _texts(raw: Any) -> tuple[str, str]:
    """Return summary and content. feedparser copies a content into the summary where there is none;
    only a real one has details."""
    contents = [_text(content, "value") for content in _records(raw, "content") if _is_text(content)]
    summary = _text(raw, "summary") if _record(raw, "summary_detail") else ""
    content = max(contents, key=len, default="")
    return summary or ("" if content else _text(raw, "media_caption")), content


def _is_text(content: Any) -> bool:
    return _text(content, "type") in ("text/plain", "text/html", "application/xhtml+xml")


def _published(raw: Any) -> tuple[str | None, str | None, float | None]:
    """Return the first date that can be read: what said it, as written, and as seconds since the epoch; else
    the first."""
    for name, parsed in _DATES:
        if (at := _instant(raw, parsed)) is not None:
            return name, plain_text(_text(raw, name)), at
    return next(
        ((name, plain_text(text), None) for name, _ in _DATES if (text := _text(raw, name))), _NO_DATE
    )


def _instant(raw: Any, key: str) -> float | None:
    parsed = dict.get(raw, key)
    if isinstance(parsed, time.struct_time) and 0 < parsed.tm_year < 10_000:
        return float(calendar.timegm(parsed))
    return None


def _media(raw: Any, *, url: str) -> tuple[str, ...]:
    """List the addresses of an entry's pictures, sounds and films: enclosures first, previews last."""
    enclosures = [_text(link, "href") for link in _records(raw, "links") if _text(link, "rel") == "enclosure"]
    named = [_text(each, "url") for key in _MEDIA for each in _records(raw, key)]
    return usable_media([*enclosures, *named], base=url)


def _people(raw: Any) -> tuple[str, ...]:
    people = _records(raw, "authors")
    names = [_named(person) or _text(person, "email") for person in people]
    if not any(names) or _text(people[-1], "email"):
        # feedparser knows no top-level domain of more than four letters: "jane@news.example (Jane Doe)" comes
        # out as "ple (Jane Doe". The last author's text is still there.
        names[-1:] = [_without_address(_text(raw, "author"))]
    return _distinct(names)[:PEOPLE_LIMIT]


def _named(person: dict[str, Any]) -> str:
    # feedparser cuts the address out of "Jane Doe (mailto:jane@news.example)" and leaves the rest.
    return _CUT_ADDRESS.sub("", _text(person, "name"))


def _without_address(person: str) -> str:
    name = _ADDRESS.sub("", plain_text(person))
    return person if name == person else name.strip(" ()<>") or person


def _tags(raw: Any) -> tuple[str, ...]:
    return _distinct(_text(tag, "label") or _text(tag, "term") for tag in _records(raw, "tags"))[:TAG_LIMIT]


def _language(raw: Any) -> str | None:
    return plain_text(_text(raw, "language")) or None


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(filter(None, dict.fromkeys(map(plain_text, texts))))


# A hostile feed can put any type under any key (`<authors>`, `<links href=…>`), so every access checks it.


def _text(raw: Any, key: str) -> str:
    value = dict.get(raw, key)
    return value if isinstance(value, str) else ""


def _record(raw: Any, key: str) -> dict[str, Any]:
    value = dict.get(raw, key)
    return value if isinstance(value, dict) else {}


def _records(raw: Any, key: str) -> list[dict[str, Any]]:
    value = dict.get(raw, key)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
