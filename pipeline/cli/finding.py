"""Find the feeds that an address stands for: itself, or those of the site that it is a page of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin

from pipeline.cli.turns import Turns
from pipeline.cli.wording import FEED
from pipeline.feeds.child import FeedParser
from pipeline.feeds.discovery import Candidate, feed_links, looks_like_feed, sitemap_links
from pipeline.feeds.headers import split_login
from pipeline.feeds.moves import PERMANENT
from pipeline.feeds.parsing import FeedError
from pipeline.fetching.classify import HOPS
from pipeline.fetching.http import next_hop
from pipeline.identity import origin_of, url_key
from pipeline.model import Exchange, FetchFailure, header
from pipeline.outcomes import FetchSlug

INDEXES = 2  # of sitemaps, one in the other; the protocol allows one
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


@dataclass(frozen=True, slots=True)
class NotFound:
    """Say in one line why an address stands for no feed, and what its server answered if that is why."""

    why: str
    answer: Exchange | FetchFailure | None = None


@dataclass(frozen=True, slots=True)
class _Fetched:
    url: str  # where it is to be asked for from now on: permanent redirects are followed
    exchange: Exchange


def addresses(written: str) -> tuple[str, ...]:
    """List the URLs that a person may mean: a bare host name is tried as https, then as http."""
    written = written.strip()
    if "://" in written:
        return (written,) if url_key(written) else ()
    host = written.partition("/")[0]
    named = "." in host or ":" in host or host == "localhost"
    looks_like_host = named and "@" not in host and not any(map(str.isspace, written))
    spelled = (f"https://{written}", f"http://{written}")
    return spelled if looks_like_host and url_key(spelled[0]) else ()


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
        return (feed,) if isinstance(feed, FoundFeed) else feed
    candidates = feed_links(body, url=exchange.url)
    named = [candidate for candidate in candidates if not candidate.guessed]
    guessed = [candidate for candidate in candidates if candidate.guessed]
    found = await _check(turns, parser, named[:TRIED], best_only=best_only)
    if not (found and best_only):
        listed = await _listed_in_robots(turns, exchange.url)
        found = _distinct(found + await _check(turns, parser, listed, best_only=best_only))
    found = found or await _check(turns, parser, guessed, best_only=True)
    return found or NotFound(f"{fetched.url} is no feed, and no page of a site with one")


async def _listed_in_robots(turns: Turns, url: str) -> tuple[Candidate, ...]:
    answer = await _fetch(turns, urljoin(url, "/robots.txt"))
    return sitemap_links(answer.exchange.body, url=url) if isinstance(answer, _Fetched) else ()


async def _check(
    turns: Turns, parser: FeedParser, candidates: Sequence[Candidate], *, best_only: bool
) -> tuple[FoundFeed, ...]:
    found: list[FoundFeed] = []
    for candidate in candidates:
        fetched = await _fetch(turns, candidate.url)
        feed = await _parse(turns, parser, fetched) if isinstance(fetched, _Fetched) else fetched
        if isinstance(feed, FoundFeed):
            found.append(feed)
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
            let = (
                "; WIREROOM_ALLOW_ADDRESSES can let it through"
                if answer.slug == FetchSlug.REFUSED_ADDRESS
                else ""
            )
            return NotFound(f"{url}: {FEED.get(answer.slug, answer.slug)} ({answer.detail}){let}", answer)
        target = next_hop(answer)
        if target is None:
            break
        is_permanent = is_permanent and answer.status in PERMANENT
        asked, kept = target, target if is_permanent else kept
    else:
        return NotFound(f"{url} redirects more than {HOPS} times")
    if not 200 <= answer.status < 300:
        return NotFound(f"{url} answers {answer.status} {answer.reason}".rstrip(), answer)
    return _Fetched(kept, answer)


async def _parse(turns: Turns, parser: FeedParser, fetched: _Fetched) -> FoundFeed | NotFound:
    """Read a feed; of an index of sitemaps, what its newest child holds, which a poll will read too."""
    exchange = fetched.exchange
    for _ in range(INDEXES + 1):
        try:
            parsed = parser.parse(exchange.body, url=exchange.url, headers=exchange.headers)
        except FeedError as error:
            return NotFound(f"{fetched.url} cannot be read as a feed: {error.detail}")
        if parsed.next_url is None:
            return FoundFeed(
                url=fetched.url,
                title=parsed.title,
                site=parsed.site,
                language=parsed.language,
                entries=len(parsed.entries) + parsed.entries_without_link,
                is_well_formed=parsed.is_well_formed,
            )
        child = await _fetch(turns, parsed.next_url)
        if isinstance(child, NotFound):
            return child
        exchange = child.exchange
    return NotFound(f"{fetched.url} lists lists of sitemaps, {INDEXES} deep and more")
