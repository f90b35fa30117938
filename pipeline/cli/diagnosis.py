"""`wireroom doctor URL`: go the way of a feed's newest article, step by step, by the product's own code."""

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from pipeline.cli.addresses import address as address_of
from pipeline.cli.doctor import Finding
from pipeline.cli.finding import FoundFeed, NotFound, find_feeds, own_origin
from pipeline.cli.judging import (
    WRITE_WHOLE,
    judge_dates,
    judge_document,
    judge_identity,
    judge_index,
    judge_page,
    judge_request,
    judge_robots,
    judge_text,
    others_of,
)
from pipeline.cli.opening import existing_store, is_store_absent
from pipeline.cli.turns import Turns
from pipeline.cli.wording import failure_in_words, pause_in_words
from pipeline.errors import WireroomError
from pipeline.feeds.child import FeedParser
from pipeline.feeds.children import DEPTH
from pipeline.feeds.headers import split_login
from pipeline.feeds.parsing import FeedError
from pipeline.fetching.classify import HOPS, page_problem
from pipeline.fetching.http import next_hop, open_http
from pipeline.fetching.robots import Robots, read_robots
from pipeline.identity import url_key
from pipeline.model import Entry, Exchange, FeedState, FetchFailure, Page, ParsedFeed, RequestKind
from pipeline.services import http_options
from pipeline.stages import fetch, poll
from pipeline.store.children import UnreadSitemap, read_unread

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from pipeline.store.store import Store
    from pipeline.store.subscriptions import WatchedFeed


async def examine_feed(settings: "Settings", written: str) -> AsyncIterator[Finding]:
    """Examine an address from discovery to the text of its newest article; the first fault that lets nothing
    follow ends it."""
    with ExitStack() as stack:
        parser, store = stack.enter_context(FeedParser()), _store(settings, stack)
        async with open_http(http_options(settings), keep_alive_s=0) as http:
            turns = Turns(http, store, settings.host_delay)
            address, login = split_login(written.strip())
            own = turns.with_own(login, origin=own_origin(address)) if login else None
            found = await find_feeds(own or _as_polls(turns, address), parser, address)
            given = _watched(store, address)
            if given and (found.is_page if isinstance(found, NotFound) else found[0].is_on_page):
                yield _is_a_page(given, () if isinstance(found, NotFound) else found, store)
                return
            if isinstance(found, NotFound):
                yield Finding("discovery", False, found.why, _what_mends(found, given))
                return
            yield _discovered(found)
            watched = _watched(store, found[0].url)
            yield _subscription(watched, found[0].url)
            turns = own or _as_polls(turns, found[0].url)
            async for finding in _examine_document(turns, parser, found[0].url, watched):
                yield finding


def _store(settings: "Settings", stack: ExitStack) -> "Store | None":
    """Open the store, if there is one: its workers may be asking the same hosts."""
    if is_store_absent(settings):
        return None
    try:
        return stack.enter_context(existing_store(settings))
    except WireroomError:
        return None  # plain `doctor` tells of it


def _as_polls(turns: Turns, url: str) -> Turns:
    """Ask for a feed as its polls do, with its own headers if it is watched and has some."""
    from pipeline.store.subscriptions import read_own_headers

    headers, origin = read_own_headers(turns.store, url) if turns.store else ((), None)
    return turns.with_own(headers, origin=origin)


async def _get(turns: Turns, url: str, *, kind: RequestKind) -> Exchange | FetchFailure:
    """Ask for a URL and follow its redirects; the answer may be one redirect too many."""
    for _ in range(HOPS + 1):
        answer = await turns.get(url, headers=_headers(kind), kind=kind)
        target = next_hop(answer) if isinstance(answer, Exchange) else None
        if target is None:
            break
        url = target
    return answer


def _what_mends(found: NotFound, watched: "WatchedFeed | None") -> str:
    """Tell what to do about an address that stands for no feed."""
    if isinstance(found.answer, Exchange) and found.answer.status < 300:
        return f"the publisher must mend it; {others_of(found.answer.url)}"
    if found.answer is not None:
        return judge_request(found.answer, watched=watched.url if watched else None).do
    return "give the feed's own address, if the site has a feed" if found.is_page else WRITE_WHOLE


def _is_a_page(watched: "WatchedFeed", found: Sequence[FoundFeed], store: "Store | None") -> Finding:
    """Tell of a web page that is watched as a feed, and whether it ever was one."""
    was_feed = watched.last_success_at is not None
    text = f"{watched.url} is watched as a feed, and is a web page{' now' if was_feed else ''}"
    ends = f"`wireroom feeds remove {watched.url}` ends its polls"
    if not found:
        do = f"no feed was found from there: {'wait whether it comes back, or ' if was_feed else ''}{ends}"
    elif _watched(store, found[0].url):
        do = f"{found[0].url}, the feed that was found from there, is watched already: {ends}"
    else:
        do = f"`wireroom add {found[0].url}` watches the feed that was found from there; {ends}"
    return Finding("discovery", False, text, do)


async def _examine_document(
    turns: Turns, parser: FeedParser, url: str, watched: "WatchedFeed | None", *, depth: int = 0
) -> AsyncIterator[Finding]:
    answer = await _get(turns, url, kind=RequestKind.FEED)
    yield judge_request(answer, watched=watched.url if watched else None)
    if isinstance(answer, FetchFailure) or answer.status >= 300:
        return
    parsed = _parse(parser, answer)
    if isinstance(parsed, ParsedFeed) and parsed.sitemaps and depth < DEPTH:
        yield judge_index(parsed, _unread(turns.store, url))
        async for finding in _examine_document(
            turns, parser, parsed.sitemaps[0].url, watched, depth=depth + 1
        ):
            yield finding
        return
    yield judge_document(parsed, url)
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
        async for finding in _examine_article(turns.with_own((), origin=None), newest):
            yield finding


async def _examine_article(turns: Turns, entry: Entry) -> AsyncIterator[Finding]:
    from pipeline.extraction.article import Effort, extract

    robots = _robots(await _get(turns, urljoin(entry.link, "/robots.txt"), kind=RequestKind.ROBOTS))
    yield judge_robots(robots, entry.link)
    page = None
    if robots.allows(entry.link):
        answer = await _get(turns, entry.link, kind=RequestKind.PAGE)
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


def _watched(store: "Store | None", url: str) -> "WatchedFeed | None":
    from pipeline.store.subscriptions import find_feeds as find_watched

    try:
        return find_watched(store, [address_of(url)])[0] if store else None
    except WireroomError:
        return None  # not watched


def _unread(store: "Store | None", url: str) -> "Sequence[UnreadSitemap]":
    """List the sitemaps of an index that its polls have not read yet; none if nobody watches it."""
    if store is None:
        return ()
    with store.read() as connection:
        return [each for each in read_unread(connection) if url_key(each.feed) == url_key(url)]


def _subscription(watched: "WatchedFeed | None", url: str) -> Finding:
    if watched is None:
        return Finding("watched", True, "not yet: `wireroom add` watches it")
    if watched.state is not FeedState.ACTIVE:
        return Finding("watched", False, f"it is {watched.state}", f"wireroom feeds resume {url}")
    if watched.last_error:
        text = f"its last poll failed: {failure_in_words(watched.last_error)}; {watched.why}"
        if watched.host_pause:
            return Finding("watched", False, text, f"wait: {pause_in_words(watched.host_pause)}")
        return Finding("watched", False, text, f"if all below is well: wireroom feeds poll {url}")
    return Finding("watched", True, f"yes; {watched.why}")
