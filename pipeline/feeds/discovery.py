"""Find the feeds of a site: pure reading of a page. Fetching and checking the candidates is the caller's."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree
from protego import Protego

from pipeline.feeds.cleaning import plain_text, usable_link
from pipeline.feeds.sitemaps import is_named_news, looks_like_sitemap

COMMON_PATHS = ("/feed", "/rss", "/rss.xml", "/atom.xml", "/feed.xml", "/index.xml", "/feeds")
ANCHORS_LIMIT = 20  # anchors taken from a page: each costs the caller a request
SITEMAPS_LIMIT = 3  # sitemaps taken from a robots.txt; large sites name hundreds

_FEED_TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml")
_GENERIC_TYPES = ("application/json", "application/xml", "text/xml")  # feeds if their address says so
_FEED_ADDRESS = re.compile(r"(?:^|[/._=-])(?:rss2?|atom|rdf|feeds?)(?:$|[/._?&-])", re.IGNORECASE)
_FEED_WORDS = re.compile(r"\b(?:rss|atom|json feed|web feed)\b", re.IGNORECASE)
_ROBOTS_READ = 500 * 1024  # bytes, RFC 9309 §2.5
_COMMENTS = re.compile(r"comment|kommentar|comentario", re.IGNORECASE)

_SNIFFED = 8_192  # bytes of a body that are looked at; a licence comment may precede the root element
_XML_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_FEED_ROOT = re.compile(
    rb"[^<]*(?:<[?!][^>]*>[^<]*)*<(?:[\w.-]+:)?(?:rss|feed|rdf|channel)[\s>/]", re.IGNORECASE
)
_JSON_FEED = re.compile(rb"\{.*?(?:jsonfeed\.org/version|\"items\"\s*:)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Hold an address where a site's feed may be. Nothing on the page names a guessed one."""

    url: str
    title: str
    guessed: bool = False


def feed_links(html: bytes, *, url: str) -> tuple[Candidate, ...]:
    """List where the feeds of the page at `url` may be, best first: those that the page declares
    (`link rel=alternate`), anchors that look like feeds, common paths; feeds of comments last of all."""
    root = _parsed(html)
    found = [] if root is None else [*_declared(root, url), *_anchored(root, url)]
    guesses = [Candidate(url=link, title="", guessed=True) for link in _common(url)]
    distinct: dict[str, Candidate] = {}
    for candidate in [*found, *guesses]:
        distinct.setdefault(candidate.url, candidate)
    return tuple(sorted(distinct.values(), key=_is_about_comments))


def sitemap_links(robots: bytes, *, url: str) -> tuple[Candidate, ...]:
    """List the sitemaps that a site's robots.txt names, those of news first (RFC 9309 §2.2.4)."""
    named = Protego.parse(robots[:_ROBOTS_READ].decode("utf-8-sig", "replace")).sitemaps
    links = dict.fromkeys(filter(None, (usable_link(written, base=url) for written in named)))
    news_first = sorted(links, key=lambda link: not is_named_news(link))
    return tuple(Candidate(url=link, title="") for link in news_first[:SITEMAPS_LIMIT])


def looks_like_feed(body: bytes, content_type: str) -> bool:
    """Tell by its first bytes whether a body is worth parsing as a feed; the type decides in doubt."""
    head = body[:_SNIFFED].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")  # \0: UTF-16
    if head.startswith(b"{"):
        return bool(_JSON_FEED.match(head))
    if _FEED_ROOT.match(_XML_COMMENT.sub(b"", head)) or looks_like_sitemap(head):
        return True
    return head.startswith(b"<?xml") and content_type.partition(";")[0].strip().lower() in _FEED_TYPES


def _parsed(html: bytes) -> etree._Element | None:
    try:
        html.decode("utf-8")
        encoding = "utf-8"
    except UnicodeDecodeError:
        encoding = None  # as the page says, else Latin-1
    parser = etree.HTMLParser(encoding=encoding, no_network=True, recover=True)
    return etree.fromstring(html, parser) if html.strip() else None


def _declared(root: etree._Element, url: str) -> Iterator[Candidate]:
    base = _base(root, url)
    for link in root.iter("link"):
        media_type = link.get("type", "").partition(";")[0].strip().lower()
        address = link.get("href", "")
        named = media_type in _FEED_TYPES or (
            media_type in _GENERIC_TYPES and bool(_FEED_ADDRESS.search(address))
        )
        absolute = usable_link(address, base=base) if address else None
        if absolute and named and "alternate" in link.get("rel", "").lower().split():
            yield Candidate(url=absolute, title=plain_text(link.get("title", "")))


def _anchored(root: etree._Element, url: str) -> Iterator[Candidate]:
    base, taken = _base(root, url), 0
    for anchor in root.iter("a"):
        address = anchor.get("href", "")
        text = plain_text("".join(map(str, anchor.itertext())))
        absolute = usable_link(address, base=base) if address else None
        if absolute and (_FEED_ADDRESS.search(address) or _FEED_WORDS.search(text)):
            yield Candidate(url=absolute, title=text)
            taken += 1
        if taken == ANCHORS_LIMIT:
            return


def _base(root: etree._Element, url: str) -> str:
    hrefs = (element.get("href", "") for element in root.iter("base"))
    return usable_link(next(hrefs, ""), base=url) or url


def _common(url: str) -> Iterator[str]:
    for path in COMMON_PATHS:
        if link := usable_link(path, base=url):
            yield link


def _is_about_comments(candidate: Candidate) -> bool:
    return bool(_COMMENTS.search(candidate.url) or _COMMENTS.search(candidate.title))
