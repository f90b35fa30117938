"""Read sitemaps of news, and the indexes that lead to them (sitemaps.org; Google's news namespace).

A sitemap lists pages: those that it calls news are entries, others are not. An index lists sitemaps and has
no entries itself; it names the one that has the newest.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from urllib.parse import urlsplit

from lxml import etree

from pipeline.feeds.cleaning import MEDIA_LIMIT, plain_text, usable_link, usable_media
from pipeline.model import Entry, ParsedFeed

UNREAD_LIMIT = 32  # children of one index that are told
NEWS_S = 2 * 86_400.0  # a sitemap of news lists the articles of two days, as Google asks

_SNIFFED = 8_192  # bytes; a licence comment or a style sheet may precede the root element
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_ROOT = re.compile(rb"[^<]*(?:<[?!][^>]*>[^<]*)*<(?:[\w.-]+:)?(?:urlset|sitemapindex)[\s>]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Child:
    url: str
    changed_at: float | None


def looks_like_sitemap(body: bytes) -> bool:
    """Tell a sitemap or an index of sitemaps by its root element."""
    head = body[:_SNIFFED].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")  # \0: UTF-16
    return bool(_ROOT.match(_COMMENT.sub(b"", head)))


def is_named_news(url: str) -> bool:
    """Tell a sitemap of news by its address; what its host is called says nothing."""
    return "news" in urlsplit(url).path.lower()


def parse_sitemap(body: bytes, *, url: str) -> ParsedFeed | None:
    """Read a sitemap served from `url`; None for one that lists pages and calls none of them news."""
    entries: list[Entry] = []
    children: list[_Child] = []
    pages = without_link = 0
    title = ""
    parsing = _opened(body)
    for name, fields in _records(parsing):
        if name == "sitemap":
            children += _child(fields, url=url)
        elif any(key.startswith("news/") for key in fields):
            title = title or plain_text(_first(fields, "news/name"))
            entry = _entry(fields, url=url)
            entries += [entry] if entry else []
            without_link += entry is None
        else:
            pages += 1
    newest = _newest(children)
    if pages and not entries and not without_link:
        return None
    return ParsedFeed(
        title=title,
        site=usable_link("/", base=url),
        language=entries[0].language if entries else None,
        entries=tuple(entries),
        entries_without_link=without_link,
        is_well_formed=not parsing.error_log,
        next_url=newest.url if newest else None,
        unread=_unread(children, newest) if newest else (),
    )


def _opened(body: bytes) -> etree.iterparse:
    # Broken ones are read as far as possible; no entity is resolved and nothing is loaded.
    return etree.iterparse(
        io.BytesIO(body),
        events=("end",),
        recover=True,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
    )


def _records(parsing: etree.iterparse) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Yield each <url> and <sitemap> with the texts inside it, and give its memory back at once."""
    for _, element in parsing:
        name = _name(element)
        if name in ("url", "sitemap"):
            yield name, _fields(element)
            element.clear()
            parent = element.getparent()
            while parent is not None and element.getprevious() is not None:
                del parent[0]


def _fields(record: etree._Element) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for element in record.iterdescendants():
        if element.text and (name := _name(element)):
            fields.setdefault(name, []).append(element.text.strip())
    return fields


def _name(element: etree._Element) -> str:
    """Name an element in small letters; those of the news and image namespaces begin with it."""
    if not isinstance(element.tag, str):
        return ""
    namespace, _, local = element.tag.lower().rpartition("}")
    prefix, _, bare = local.rpartition(":")  # a prefix that was never declared stays in the name
    for known in ("news", "image"):
        if prefix == known or f"sitemap-{known}/" in namespace:
            return f"{known}/{bare}"
    return bare


def _first(fields: dict[str, list[str]], name: str) -> str:
    return fields.get(name, [""])[0]


def _entry(fields: dict[str, list[str]], *, url: str) -> Entry | None:
    link = usable_link(_first(fields, "loc"), base=url)
    if link is None:
        return None
    published = _first(fields, "news/publication_date")
    published_at, updated_at = _moment(published), _moment(_first(fields, "lastmod"))
    return Entry(
        link=link,
        guid=None,
        title=plain_text(_first(fields, "news/title")),
        summary="",
        content="",
        authors=(),
        tags=tuple(filter(None, dict.fromkeys(map(plain_text, _first(fields, "news/keywords").split(","))))),
        published_text=plain_text(published) or None,
        published_at=published_at,
        language=plain_text(_first(fields, "news/language")) or None,
        published_by="published" if published else None,
        updated_at=updated_at if updated_at != published_at else None,
        media=usable_media(fields.get("image/loc", [])[:MEDIA_LIMIT], base=url),
    )


def _moment(written: str) -> float | None:
    """Read a W3C date and time; without a zone it is taken for UTC."""
    try:
        moment = datetime.fromisoformat(written)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _child(fields: dict[str, list[str]], *, url: str) -> list[_Child]:
    link = usable_link(_first(fields, "loc"), base=url)
    return [_Child(link, _moment(_first(fields, "lastmod")))] if link and link != url else []


def _newest(children: list[_Child]) -> _Child | None:
    """Choose the child that changed last, among those that are named news where there are any."""
    news = [child for child in children if is_named_news(child.url)] or children
    return max(news, key=lambda child: child.changed_at or 0.0, default=None)


def _unread(children: list[_Child], newest: _Child) -> tuple[str, ...]:
    """List other children that are named news and changed in the newest one's days, or do not say when."""
    since = (newest.changed_at or 0.0) - NEWS_S
    urls = (
        child.url
        for child in children
        if is_named_news(child.url) and (child.changed_at is None or child.changed_at >= since)
    )
    return tuple(islice((url for url in dict.fromkeys(urls) if url != newest.url), UNREAD_LIMIT))
