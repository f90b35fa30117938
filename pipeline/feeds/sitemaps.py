"""Read sitemaps of news, and the indexes that lead to them (sitemaps.org; Google's news namespace).

A sitemap lists pages: those that it calls news are entries, others are not. An index lists sitemaps and has
no entries itself.
"""

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from lxml import etree

from pipeline.feeds.cleaning import MEDIA_LIMIT, plain_text, usable_link, usable_media
from pipeline.identity import url_key
from pipeline.model import Entry, FeedKind, ListedSitemap, ParsedFeed

LISTED_LIMIT = 1_000  # sitemaps of one index that are followed: daily ones of nearly three years

_SNIFFED = 8_192  # bytes; a licence comment or a style sheet may precede the root element
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_ROOT = re.compile(rb"[^<]*(?:<[?!][^>]*>[^<]*)*<(?:[\w.-]+:)?(?:urlset|sitemapindex)[\s>]", re.IGNORECASE)


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
    listed: list[ListedSitemap] = []
    pages = without_link = 0
    title = ""
    parsing = _opened(body)
    for name, fields in _records(parsing):
        if name == "sitemap":
            listed += _listed(fields, url=url)
        elif any(key.startswith("news/") for key in fields):
            title = title or plain_text(_first(fields, "news/name"))
            entry = _entry(fields, url=url)
            entries += [entry] if entry else []
            without_link += entry is None
        else:
            pages += 1
    kind = FeedKind.INDEX if _is_index(parsing) or listed else FeedKind.SITEMAP
    if pages and not entries and not without_link:
        return None
    return ParsedFeed(
        kind=kind,
        title=title,
        site=usable_link("/", base=url),
        language=entries[0].language if entries else None,
        entries=tuple(entries),
        entries_without_link=without_link,
        is_well_formed=not parsing.error_log,
        sitemaps=_newest_first(listed),
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


def _is_index(parsing: etree.iterparse) -> bool:
    root = parsing.root  # None: broken from the beginning
    return root is not None and _name(root) == "sitemapindex"


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


def _listed(fields: dict[str, list[str]], *, url: str) -> list[ListedSitemap]:
    link = usable_link(_first(fields, "loc"), base=url)
    changed_at = _moment(_first(fields, "lastmod"))
    if link is None or link == url or url_key(link) is None:  # what has no URL key, nobody can ask for
        return []
    return [ListedSitemap(url=link, changed_at=changed_at)]


def _newest_first(listed: list[ListedSitemap]) -> tuple[ListedSitemap, ...]:
    """Choose those that are named news where there are any, each once; what has no date comes last."""
    news = [each for each in listed if is_named_news(each.url)] or listed
    distinct: dict[str, ListedSitemap] = {}
    for each in news:
        distinct.setdefault(each.url, each)
    ordered = sorted(distinct.values(), key=lambda each: -(each.changed_at or 0.0))
    return tuple(ordered[:LISTED_LIMIT])
