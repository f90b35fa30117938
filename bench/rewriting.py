"""Lead the links of a real feed to a loopback web, changing nothing else of its bytes. Pure functions."""

import hashlib
import html
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

ENTRY = re.compile(rb"<(item|entry)\b[^>]*>.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
ELEMENT_LINK = re.compile(
    rb"(<(?:link|guid|id|feedburner:origLink)\b[^>]*(?<!/)>\s*(?:<!\[CDATA\[)?\s*)([^<\]]*?)(\s*(?:\]\]>)?\s*</)",
    re.IGNORECASE,
)
ATTRIBUTE_LINK = re.compile(
    rb"""(<(?:atom:)?(?:link|item)\b[^>]*?\s(?:href|rdf:about)\s*=\s*["'])([^"']*)(["'][^>]*>)""",
    re.IGNORECASE,
)
OTHER_RELATION = re.compile(rb"""\srel\s*=\s*["'](?!alternate["'])""", re.IGNORECASE)
NO_PERMALINK = re.compile(rb"""isPermaLink\s*=\s*["']false["']""", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFeed:
    """Hold a cached feed as it came; `kind` is rss, atom, rdf or json."""

    name: str
    url: str
    kind: str
    body: bytes


def rewritten(feed: SourceFeed, address: Callable[[str], str]) -> bytes:
    """Return the feed's bytes with every entry link replaced by `address(link)`.

    Links are <link>, an alternate <link href>, rdf:about, JSON Feed's `url`, and the identifiers that parsers
    take for a link where there is no other: a permalink <guid>, an <id> or `id` that is an http address.
    `address` gets the link with its character references resolved and answers in ASCII that needs none.
    """
    if feed.kind == "json":
        return _rewritten_json(feed.body, address)

    def of_element(match: re.Match[bytes]) -> bytes:
        opening, link, closing = match.groups()
        names_entry = opening[:5].lower() == b"<guid" or opening[:3].lower() == b"<id"
        if not link or (names_entry and (NO_PERMALINK.search(opening) or not link.startswith(b"http"))):
            return match[0]
        return opening + _replaced(link, address) + closing

    def of_attribute(match: re.Match[bytes]) -> bytes:
        opening, link, closing = match.groups()
        if not link or OTHER_RELATION.search(opening + closing):
            return match[0]
        return opening + _replaced(link, address) + closing

    def of_entry(match: re.Match[bytes]) -> bytes:
        return ATTRIBUTE_LINK.sub(of_attribute, ELEMENT_LINK.sub(of_element, match[0]))

    return ENTRY.sub(of_entry, feed.body)


def story_path(link: str, page: int) -> str:
    """Return the path of a link's page: the page's number, and a hash that keeps distinct links distinct."""
    return f"/story/{page:03d}-{digest(link):016x}"


def story_address(link: str, *, feed_url: str, hosts: Sequence[str], pages: int) -> str:
    """Return the loopback address of a link: its site's host, its own path; relative stays relative."""
    absolute = urljoin(feed_url, link)
    path = story_path(absolute, digest(absolute) % pages)
    return host_of(absolute, hosts) + path if urlsplit(link).netloc else path


def host_of(url: str, hosts: Sequence[str]) -> str:
    """Return the loopback host that stands for a URL's site."""
    return hosts[digest(urlsplit(url).netloc.lower()) % len(hosts)]


def digest(text: str) -> int:
    """Return 64 bits of a text's SHA-256: the same on every run."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()[:8], "big")


def _replaced(link: bytes, address: Callable[[str], str]) -> bytes:
    return address(html.unescape(link.decode("utf-8", "surrogateescape")).strip()).encode("ascii")


def _rewritten_json(body: bytes, address: Callable[[str], str]) -> bytes:
    feed = json.loads(body)
    for item in feed["items"]:
        for key in ("url", "id"):
            if str(item.get(key, "")).startswith("http"):
                item[key] = address(item[key])
    return json.dumps(feed, ensure_ascii=False).encode()
