"""Find the feeds that an address stands for: itself, or those of the site that it is a page of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urljoin

from pipeline.cli.addresses import addresses
from pipeline.cli.turns import Turns
from pipeline.cli.wording import request_in_words
from pipeline.feeds.child import FeedParser
from pipeline.feeds.children import DEPTH
from pipeline.feeds.discovery import Candidate, feed_links, looks_like_feed, sitemap_links
from pipeline.feeds.headers import split_login
from pipeline.feeds.moves import PERMANENT
from pipeline.feeds.parsing import FeedError
from pipeline.fetching.classify import HOPS
from pipeline.fetching.http import next_hop
from pipeline.identity import origin_of, url_key
from pipeline.model import Exchange, FetchFailure, header
from pipeline.outcomes import FetchSlug

SITEMAPS_TRIED = 3  # of one index, newest first, until one can be read
MOVED = "it has moved there for good"
NAMED = "it is a web page that names it"
LISTED = "it is a web page, and its site's robots.txt names it"
GUESSED = "it is a web page, and feeds are often there"
GZIP = b"\x1f\x8b"
TRIED = 12
"""Candidates of a page that are fetched; the feeds of one site that people want are among the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFeed:
    """Hold a feed that was fetched and read."""

    url: str
    title: str
    site: str | None
    language: str | None
    entries: int
    is_well_formed: bool
    answered_by: str  # where temporary redirects led
    because: str = ""  # of an address that is not the one that was given: how it was found
    is_on_page: bool = False  # what was given is a web page


@dataclass(frozen=True, slots=True)
class NotFound:
    """Say in one line why an address stands for no feed, and what its server answered if that is why."""

    why: str
    answer: Exchange | FetchFailure | None = None
    is_page: bool = False  # what was given is a web page


@dataclass(frozen=True, slots=True)
class _Fetched:
    url: str  # where it is to be asked for from now on: permanent redirects are followed
    exchange: Exchange


def own_origin(written: str) -> str | None:
    """Tell the origin of a written address, to which alone its secrets go; of a bare host the https one."""
    return next(map(origin_of, addresses(written)), None)


async def find_feeds(
    turns: Turns, parser: FeedParser, written: str, *, best_only: bool = False
) -> tuple[FoundFeed, ...] | NotFound:
    """Fetch an address and find its feeds, best first; candidates are fetched and read to make sure.

    `best_only` asks no more once there is one.
    """
    spelled = addresses(written)
    if not spelled:
        return NotFound(f"{written.strip() or 'an empty address'} is no http(s) URL")
    for url in spelled:
        fetched = await _fetch(turns, url)
        if isinstance(fetched, _Fetched):
            return await _read(turns, parser, fetched, best_only=best_only)
    assert isinstance(fetched, NotFound)
    return fetched


async def _read(
    turns: Turns, parser: FeedParser, fetched: _Fetched, *, best_only: bool
) -> tuple[FoundFeed, ...] | NotFound:
    exchange = fetched.exchange
    body, media_type = exchange.body, header(exchange.headers, "Content-Type") or ""
    if body.startswith(GZIP) or looks_like_feed(body, media_type):
        feed = await _parse(turns, parser, fetched)
        return (replace(feed, because=MOVED),) if isinstance(feed, FoundFeed) else feed
    candidates = feed_links(body, url=exchange.url)
    named = [candidate for candidate in candidates if not candidate.guessed]
    guessed = [candidate for candidate in candidates if candidate.guessed]
    found = await _check(turns, parser, named[:TRIED], NAMED, best_only=best_only)
    if not (found and best_only):
        listed = await _listed_in_robots(turns, exchange.url)
        found = _distinct(found + await _check(turns, parser, listed, LISTED, best_only=best_only))
    found = found or await _check(turns, parser, guessed, GUESSED, best_only=True)
    return found or NotFound(f"{fetched.url} is no feed, and no page of a site with one", is_page=True)


async def _listed_in_robots(turns: Turns, url: str) -> tuple[Candidate, ...]:
    answer = await _fetch(turns, urljoin(url, "/robots.txt"))
    return sitemap_links(answer.exchange.body, url=url) if isinstance(answer, _Fetched) else ()


async def _check(
    turns: Turns, parser: FeedParser, candidates: Sequence[Candidate], because: str, *, best_only: bool
) -> tuple[FoundFeed, ...]:
    found: list[FoundFeed] = []
    for candidate in candidates:
        fetched = await _fetch(turns, candidate.url)
        feed = await _parse(turns, parser, fetched) if isinstance(fetched, _Fetched) else fetched
        if isinstance(feed, FoundFeed):
            found.append(replace(feed, because=because, is_on_page=True))
            if best_only:
                break
    return _distinct(found)


def _distinct(found: Iterable[FoundFeed]) -> tuple[FoundFeed, ...]:
    distinct: dict[str | None, FoundFeed] = {}
    for feed in found:
        distinct.setdefault(url_key(feed.url), feed)
    return tuple(distinct.values())


async def _fetch(turns: Turns, url: str) -> _Fetched | NotFound:
    asked = kept = url = split_login(url)[0]
    is_permanent = True
    for _ in range(HOPS + 1):
        answer = await turns.get(asked)
        if isinstance(answer, FetchFailure):
            let = answer.slug == FetchSlug.REFUSED_ADDRESS
            lets = "; WIREROOM_ALLOW_ADDRESSES can let it through" if let else ""
            return NotFound(f"{url}: {request_in_words(answer)}{lets}", answer)
        target = next_hop(answer)
        if target is None:
            break
        is_permanent = is_permanent and answer.status in PERMANENT
        asked, kept = target, target if is_permanent else kept
    else:
        return NotFound(f"{url} redirects more than {HOPS} times", answer)
    if not 200 <= answer.status < 300:
        return NotFound(f"{url} answers {answer.status} {answer.reason}".rstrip(), answer)
    return _Fetched(kept, answer)


async def _parse(
    turns: Turns, parser: FeedParser, fetched: _Fetched, *, depth: int = 0
) -> FoundFeed | NotFound:
    """Read a feed; of an index of sitemaps, the newest that can be read, as polls will."""
    exchange = fetched.exchange
    try:
        parsed = parser.parse(exchange.body, url=exchange.url, headers=exchange.headers)
    except FeedError as error:
        return NotFound(f"{fetched.url} cannot be read as a feed: {error.detail}", exchange)
    if not parsed.sitemaps:
        return FoundFeed(
            url=fetched.url,
            title=parsed.title,
            site=parsed.site,
            language=parsed.language,
            entries=len(parsed.entries) + parsed.entries_without_link,
            is_well_formed=parsed.is_well_formed,
            answered_by=exchange.url,
        )
    if depth >= DEPTH:
        return NotFound(f"{fetched.url} lists lists of lists of sitemaps", exchange)
    for listed in parsed.sitemaps[:SITEMAPS_TRIED]:
        child = await _fetch(turns, listed.url)
        read = await _parse(turns, parser, child, depth=depth + 1) if isinstance(child, _Fetched) else child
        if isinstance(read, FoundFeed):
            return replace(read, url=fetched.url, answered_by=exchange.url)
    return read
