"""`wireroom doctor URL`: go the way of a feed's newest article, step by step, by the product's own code."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from pipeline.cli.doctor import Finding
from pipeline.cli.finding import HOPS, FoundFeed, NotFound, addresses, find_feeds
from pipeline.cli.judging import (
    judge_dates,
    judge_document,
    judge_identity,
    judge_page,
    judge_request,
    judge_robots,
    judge_text,
)
from pipeline.cli.opening import existing_store, is_store_absent
from pipeline.errors import WireroomError
from pipeline.feeds.child import FeedParser
from pipeline.feeds.parsing import FeedError
from pipeline.fetching.classify import page_problem
from pipeline.fetching.http import Http, next_hop, open_http
from pipeline.fetching.robots import Robots, read_robots
from pipeline.identity import host_of, url_key
from pipeline.model import Entry, Exchange, FeedState, FetchFailure, Page, ParsedFeed, RequestKind
from pipeline.services import http_options
from pipeline.stages import fetch, poll

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from pipeline.store.subscriptions import WatchedFeed


@dataclass(frozen=True, slots=True)
class _Visit:
    """One visit: requests to a host are as far apart as workers' are."""

    http: Http
    delay_s: float

    async def get(self, url: str, *, kind: RequestKind) -> Exchange | FetchFailure:
        """Ask for a URL and follow its redirects; the answer may be one redirect too many."""
        for _ in range(HOPS + 1):
            if any(request.host == host_of(url) for request in self.http.asked):
                await asyncio.sleep(self.delay_s)
            answer = await self.http.get(url, headers=_headers(kind), kind=kind)
            target = next_hop(answer) if isinstance(answer, Exchange) else None
            if target is None:
                break
            url = target
        return answer


async def examine_feed(settings: "Settings", written: str) -> AsyncIterator[Finding]:
    """Examine an address from discovery to the text of its newest article; the first fault that lets nothing
    follow ends it."""
    with FeedParser() as parser:
        async with open_http(http_options(settings)) as http:
            visit = _Visit(http, settings.host_delay)
            found = await find_feeds(http, parser, written)
            if isinstance(found, NotFound):
                yield Finding("discovery", False, found.why, await _what_mends(visit, written))
                return
            yield _discovered(found)
            watched = _watched(settings, found[0].url)
            yield _subscription(watched, found[0].url)
            async for finding in _examine_document(visit, parser, found[0].url):
                yield finding


async def _what_mends(visit: _Visit, written: str) -> str:
    """Tell what to do about an address that stands for no feed: ask once more, and judge the answer alone."""
    spelled = addresses(written)
    judged = judge_request(await visit.get(spelled[0], kind=RequestKind.FEED)) if spelled else None
    return judged.do if judged and not judged.ok else "give the feed's own address, if the site has a feed"


async def _examine_document(visit: _Visit, parser: FeedParser, url: str) -> AsyncIterator[Finding]:
    answer = await visit.get(url, kind=RequestKind.FEED)
    yield judge_request(answer)
    if isinstance(answer, FetchFailure) or answer.status >= 300:
        return
    parsed = _parse(parser, answer)
    yield judge_document(parsed)
    if isinstance(parsed, FeedError):
        return
    yield judge_identity(parsed)
    yield judge_dates(parsed, now=answer.fetched_at)
    newest = max(
        (entry for entry in parsed.entries if url_key(entry.link)),
        key=lambda entry: entry.published_at or 0.0,
        default=None,
    )
    if newest is not None:
        async for finding in _examine_article(visit, newest):
            yield finding


async def _examine_article(visit: _Visit, entry: Entry) -> AsyncIterator[Finding]:
    from pipeline.extraction.article import Effort, extract

    robots = _robots(await visit.get(urljoin(entry.link, "/robots.txt"), kind=RequestKind.ROBOTS))
    yield judge_robots(robots, entry.link)
    page = None
    if robots.allows(entry.link):
        answer = await visit.get(entry.link, kind=RequestKind.PAGE)
        yield judge_page(answer)
        page = _page(answer)
    yield judge_text(extract(page, [entry], effort=Effort.FULL))


def _headers(kind: RequestKind) -> tuple[tuple[str, str], ...]:
    """Ask as the stages do: some servers answer others otherwise."""
    if kind is RequestKind.FEED:
        return (("Accept", poll.ACCEPT),)
    return fetch.ACCEPT if kind is RequestKind.PAGE else ()


def _parse(parser: FeedParser, answer: Exchange) -> ParsedFeed | FeedError:
    try:
        return parser.parse(answer.body, url=answer.url, headers=answer.headers)
    except FeedError as error:
        return error


def _robots(answer: Exchange | FetchFailure) -> Robots:
    if isinstance(answer, FetchFailure):
        return read_robots(b"", None)
    return read_robots(answer.body, answer.status)


def _page(answer: Exchange | FetchFailure) -> Page | None:
    if isinstance(answer, FetchFailure) or page_problem(answer, is_first=False):
        return None
    return Page(
        url=answer.url,
        status=answer.status,
        headers=answer.headers,
        body=answer.body,
        fetched_at=answer.fetched_at,
    )


def _discovered(found: tuple[FoundFeed, ...]) -> Finding:
    others = f" and {len(found) - 1:,} more: {', '.join(feed.url for feed in found[1:])}" if found[1:] else ""
    return Finding("discovery", True, f"{found[0].url}{others}")


def _watched(settings: "Settings", url: str) -> "WatchedFeed | None":
    from pipeline.store.subscriptions import find_feeds as find_watched

    if is_store_absent(settings):
        return None
    try:
        with existing_store(settings) as store:
            return find_watched(store, [url])[0]
    except WireroomError:
        return None  # not watched, or a store that plain `doctor` tells of


def _subscription(watched: "WatchedFeed | None", url: str) -> Finding:
    if watched is None:
        return Finding("watched", True, "not yet: `wireroom add` watches it")
    if watched.state is not FeedState.ACTIVE:
        return Finding("watched", False, f"it is {watched.state}", f"wireroom feeds resume {url}")
    if watched.last_error:
        text = f"its last poll failed: {watched.last_error}; {watched.why}"
        return Finding("watched", False, text, f"if all below is well: wireroom feeds poll {url}")
    return Finding("watched", True, f"yes; {watched.why}")
