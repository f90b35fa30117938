"""Decide what the sample news web answers to a request: pure functions from a target to an answer."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from html import escape
from importlib.resources.abc import Traversable
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment

from pipeline.demo import rendering
from pipeline.demo.content import Article, Feed
from pipeline.demo.rendering import Moment, Site

GZIP_FROM = 500  # bytes; a smaller body hardly shrinks
FEED_TYPES = {
    "rss": "rss+xml",
    "atom": "atom+xml",
    "rdf": "rdf+xml",
    "json": "feed+json",
}  # by start of the kind
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold one HTTP answer before it meets the request's conditions."""

    status: int = 200
    content_type: str = HTML
    body: bytes = b""
    location: str | None = None
    last_modified: datetime | None = None  # None: no validators are sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Hold what answers are made of."""

    templates: Environment
    files: Traversable


def answer(source: Source, site: Site, target: str, moment: Moment) -> Answer:
    """Answer a request for `target` (path and query) at `moment`, as a GET without conditions."""
    path, query = _without_tracking(target)
    outlet = site.outlet
    if path in outlet.redirects and not query:
        return Answer(status=301, location=site.origin + outlet.redirects[path])
    if path in outlet.gone:
        return Answer(status=410, body=_named_page(source, site, "gone"))
    if path in outlet.blocked:
        return Answer(status=403, body=_named_page(source, site, "blocked"))
    return (
        _fixed(source, site, path, moment)
        or _feed(source, site, path, moment)
        or _article(source, site, path, query, moment)
        or Answer(status=404, body=_named_page(source, site, "missing"))
    )


def meet_conditions(found: Answer, request_headers: Mapping[str, str]) -> tuple[Answer, dict[str, str]]:
    """Add validators, answer 304 where the client's copy is good (RFC 9110 §13), compress when accepted.

    ETags are weak, since the compressed and the plain body carry the same one.
    """
    headers = {"Content-Type": found.content_type, "Vary": "Accept-Encoding"}
    if found.location:
        headers["Location"] = found.location
    if found.last_modified:
        headers["ETag"] = f'W/"{hashlib.sha256(found.body).hexdigest()[:16]}"'
        headers["Last-Modified"] = format_datetime(found.last_modified.astimezone(UTC), usegmt=True)
        if _is_fresh(headers["ETag"], found.last_modified, request_headers):
            return replace(found, status=304, body=b""), headers
    if "gzip" in request_headers.get("Accept-Encoding", "") and len(found.body) >= GZIP_FROM:
        headers["Content-Encoding"] = "gzip"
        found = replace(found, body=gzip.compress(found.body, mtime=0))
    return found, headers


def _is_fresh(etag: str, last_modified: datetime, request_headers: Mapping[str, str]) -> bool:
    """Compare weakly; If-Modified-Since counts only without If-None-Match (RFC 9110 §13.1.3)."""
    if "If-None-Match" in request_headers:
        return bool({etag, "*"} & {tag.strip() for tag in request_headers["If-None-Match"].split(",")})
    try:
        since = parsedate_to_datetime(request_headers.get("If-Modified-Since", ""))
    except ValueError:
        return False
    return last_modified.timestamp() // 1 <= since.timestamp()


def _without_tracking(target: str) -> tuple[str, str]:
    path, _, query = target.partition("?")
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if not pair[0].startswith("utm_")]
    return path, urlencode(kept)


def _named_page(source: Source, site: Site, name: str) -> bytes:
    return rendering.answer_html(source.templates, site, name).encode()


def _fixed(source: Source, site: Site, path: str, moment: Moment) -> Answer | None:
    if path == "/robots.txt":
        rules = "".join(f"Disallow: {prefix}\n" for prefix in site.outlet.disallow) or "Disallow:\n"
        return Answer(content_type="text/plain; charset=utf-8", body=f"User-agent: *\n{rules}".encode())
    if path in site.outlet.files:
        body = (source.files / site.outlet.files[path]).read_bytes()
        return Answer(content_type="application/pdf", body=body, last_modified=moment.started)
    if path.startswith("/media/") and path.endswith(".svg"):
        return Answer(content_type="image/svg+xml", body=_picture(path), last_modified=moment.started)
    return None


def _picture(path: str) -> bytes:
    """Draw a plain two-colour picture, another for every path."""
    hue = int.from_bytes(hashlib.sha256(path.encode()).digest()[:2], "big") % 360
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 9">'
        f"<title>{escape(path)}</title>"
        f'<rect width="16" height="9" fill="hsl({hue} 40% 70%)"/>'
        f'<path d="M0 9 5 3l4 4 3-3 4 5z" fill="hsl({(hue + 150) % 360} 35% 40%)"/></svg>'
    ).encode()


def _feed(source: Source, site: Site, path: str, moment: Moment) -> Answer | None:
    feed = next((feed for feed in site.outlet.feeds if feed.path == path), None)
    if feed is None:
        return None
    return Answer(
        content_type=_feed_type(feed),
        body=rendering.feed_text(source.templates, site, feed, moment).encode(),
        last_modified=rendering.newest(rendering.feed_items(site, feed, moment)),
    )


def _feed_type(feed: Feed) -> str:
    return f"application/{FEED_TYPES[feed.kind.partition('-')[0]]}; charset=utf-8"


def _article(source: Source, site: Site, path: str, query: str, moment: Moment) -> Answer | None:
    target = f"{path}?{query}" if query else path
    if target == "/":
        return Answer(body=rendering.front_html(source.templates, site, moment).encode())
    prints = site.outlet.print_pages and query == "print=1"
    article = next((each for each in site.outlet.articles if each.path == (path if prints else target)), None)
    if article is None:
        return None
    render = rendering.print_html if prints else rendering.page_html
    return Answer(
        content_type=_page_type(article),
        body=render(source.templates, site, article, moment).encode(article.charset, "xmlcharrefreplace"),
        last_modified=rendering.story(site, article, moment).updated,
    )


def _page_type(article: Article) -> str:
    return f"text/html; charset={article.charset}" if article.charset_in_header else "text/html"
