"""poll: ask due feeds whether they have news, conditionally, one request a host at a time."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from pipeline.feeds.children import DEPTH
from pipeline.feeds.headers import headers_for, without
from pipeline.feeds.hints import opening, unpacked
from pipeline.feeds.moves import PERMANENT
from pipeline.feeds.parsing import FeedError
from pipeline.fetching.classify import HOPS
from pipeline.fetching.http import Http, next_hop, open_http
from pipeline.fetching.pacing import host_delay
from pipeline.log_context import bound
from pipeline.model import Exchange, FeedKind, FetchFailure, Request, RequestKind, Stage
from pipeline.outcomes import FeedSlug, FetchSlug
from pipeline.points import Point, reached
from pipeline.services import Services
from pipeline.stages.judging import Answer, body_hash, judge
from pipeline.stages.rounds import after_index, after_sitemap, is_index
from pipeline.stages.shift import Shift, keep_busy, run_loop, to_the_end
from pipeline.store.children import as_of_child
from pipeline.store.claimed import FeedClaim
from pipeline.store.claims import claim_feeds
from pipeline.store.found import PollCounts, known_articles, nothing_known
from pipeline.store.leases import blame_feed, new_owner, postpone_feed, release_feed
from pipeline.store.ledger import count_crashed_poll
from pipeline.store.politeness import count_requests
from pipeline.store.polled import record_hop, record_part, record_poll

FAULT_WAIT_S = 60.0
"""After a fault of this machine (a full disk) or of our own; longer with each failure in a row."""

RESTS = "it rests (skipHours, skipDays)"
NOT_MODIFIED = 304
ACCEPT = (
    "application/rss+xml, application/atom+xml, application/feed+json, application/rdf+xml;q=0.9, "
    "application/xml;q=0.8, text/xml;q=0.8, application/json;q=0.7, */*;q=0.1"
)

log = logging.getLogger(__name__)


def poll(services: Services, shift: Shift) -> bool:
    """Poll due feeds until none is left or the shift is over; True when some may be left."""
    return run_loop(_poll(services, shift), threads=2 * services.settings.concurrency.poll)


async def _poll(services: Services, shift: Shift) -> bool:
    owner = new_owner(Stage.POLL)
    async with open_http(services.http_options(), keep_alive_s=0) as http:  # one request a turn
        return await keep_busy(
            shift,
            slots=services.settings.concurrency.poll,
            claim=lambda free: claim_feeds(services.store, owner=owner, limit=free),
            do=lambda claim, answered: _poll_feed(services, shift, http, claim, answered),
        )


async def _poll_feed(
    services: Services, shift: Shift, http: Http, claim: FeedClaim, answered: Callable[[], None]
) -> None:
    secrets = [value for _, value in claim.headers]
    with (
        bound(feed=claim.url, secrets=secrets),
        services.meters.timed(Stage.POLL, is_retry=claim.failures > 0),
    ):
        await _settle_feed(services, shift, http.apart(), claim, answered)


async def _settle_feed(
    services: Services, shift: Shift, http: Http, claim: FeedClaim, answered: Callable[[], None]
) -> None:
    settled = False
    try:
        reached(Stage.POLL, Point.CLAIMED, claim.url)
        opens = _opens(claim)
        if opens is None:
            await _ask(services, shift, http, claim, answered)
        else:
            answered()
            await to_the_end(partial(postpone_feed, services.store, claim, until=opens, why=RESTS))
        settled = True
    except Exception as error:  # nobody foresaw it: other feeds go on, of this host too
        log.exception("poll failed")
        detail = f"{type(error).__name__}: {error}"
        await to_the_end(partial(_put_off, services, claim, detail, http.asked))
        settled = True
    finally:
        if not settled:  # cancelled while it was asked: the feed is due still
            release_feed(services.store, claim, delay_s=services.settings.host_delay)
            count_requests(services.store, http.asked)
        services.meters.count_pauses(http.asked)


def _opens(claim: FeedClaim) -> float | None:
    """Tell when a feed may be read that nobody may read now (it was due in time, and is late), or None."""
    opens = opening(unpacked(claim.hints).hints, claim.claimed_at)
    return None if claim.forced or claim.next_url or opens == claim.claimed_at else opens


def _put_off(services: Services, claim: FeedClaim, detail: str, asked: Sequence[Request]) -> None:
    wait_s = min(FAULT_WAIT_S * (1.0 + claim.failures), services.settings.poll_max)
    delay_s = host_delay(services.settings.host_delay, crawl_delay_s=claim.crawl_delay_s)
    blame_feed(services.store, claim, detail=detail, wait_s=wait_s, host_delay_s=delay_s)
    count_crashed_poll(services.store, claim, asked)


async def _ask(
    services: Services, shift: Shift, http: Http, claim: FeedClaim, answered: Callable[[], None]
) -> None:
    """Ask once, and write down what came of it; a redirect is followed in a turn of its own."""
    if claim.round:
        claim = await to_the_end(partial(as_of_child, services.store, claim))
    url = claim.asked_url
    secrets = headers_for(url, claim.headers, origin=claim.headers_origin)
    exchange = await http.get(url, headers=(*_request_headers(claim), *secrets), kind=RequestKind.FEED)
    answered()
    if isinstance(exchange, Exchange):
        exchange = without(exchange, secrets)
    target = None if isinstance(exchange, FetchFailure) else next_hop(exchange)
    if target is None or claim.hops >= HOPS:
        counts = await to_the_end(partial(_settle, services, claim, exchange, target, http.asked))
        if counts is not None and counts != PollCounts():
            await asyncio.to_thread(shift.ring, Stage.FETCH)  # a silent broker must hold up no other feed
    elif not isinstance(exchange, FetchFailure):
        temporary = exchange.status not in PERMANENT
        delay_s = _host_delay(services, claim, exchange)
        hop = partial(record_hop, to=target, temporary=temporary, host_delay_s=delay_s, asked=http.asked)
        await to_the_end(partial(hop, services.store, claim))
        await asyncio.to_thread(shift.ring, Stage.POLL)


def _request_headers(claim: FeedClaim) -> tuple[tuple[str, str], ...]:
    # Validators are opaque, byte for byte (RFC 9110 §13.1), for the address that gave them and no other. What
    # is not ASCII would not go back as it came.
    knows = claim.asked_url == (claim.validators_from or claim.url)
    given = (("If-None-Match", claim.etag), ("If-Modified-Since", claim.last_modified))
    usable = ((name, value) for name, value in given if knows and value and value.isascii())
    return (("Accept", ACCEPT), *usable)


def _settle(
    services: Services,
    claim: FeedClaim,
    exchange: Exchange | FetchFailure,
    target: str | None,
    asked: Sequence[Request],
) -> PollCounts | None:
    """Read an answer and end the poll with it, or go on with the next sitemap of an index."""
    answer, onward = _answer(services, claim, exchange, target), None
    if is_index(claim, answer):
        answer, onward = after_index(services, claim, answer)
    keyed = list(answer.keyed)
    known = known_articles(services.store, keyed) if keyed else nothing_known(at=claim.claimed_at)
    # Of what a person removed, no word is kept again.
    if answer.parsed and answer.exchange and not known.is_any_removed:
        services.archive.write(answer.exchange)
    polled = judge(services.settings, claim, answer, known)
    onward = onward or after_sitemap(services, claim, answer, polled, known)
    delay_s = _host_delay(services, claim, exchange)
    reached(Stage.POLL, Point.DONE, claim.url)
    if onward is None:
        counts = record_poll(services.store, claim, polled, host_delay_s=delay_s, asked=asked)
    else:
        counts = record_part(services.store, claim, polled, onward=onward, host_delay_s=delay_s, asked=asked)
    reached(Stage.POLL, Point.COMMITTED, claim.url)
    return counts


def _answer(
    services: Services, claim: FeedClaim, exchange: Exchange | FetchFailure, target: str | None
) -> Answer:
    if target is not None:
        detail = f"more than {HOPS} redirects, the last to {target}"
        return _failed(exchange, FetchSlug.TOO_MANY_REDIRECTS, detail)
    if isinstance(exchange, FetchFailure):
        return _failed(exchange, exchange.slug, exchange.detail)
    return _read(services, claim, exchange)


def _read(services: Services, claim: FeedClaim, exchange: Exchange) -> Answer:
    """Parse an answer that is new to us; what cannot be parsed is archived as it is."""
    plain = Answer(status=exchange.status, failure=None, detail=None, exchange=exchange, parsed=None)
    if exchange.status == NOT_MODIFIED:
        return plain
    if not 200 <= exchange.status < 300:
        return replace(plain, failure=f"http-{exchange.status}")
    hashed = body_hash(exchange)
    if hashed == claim.body_hash:
        return replace(plain, body_hash=hashed)
    try:
        parsed = services.feed_parser.parse(exchange.body, url=exchange.url, headers=exchange.headers)
    except FeedError as error:
        services.archive.write(exchange)
        return replace(plain, failure=error.slug, detail=error.detail)
    if parsed.kind is FeedKind.INDEX and claim.child and claim.child.depth >= DEPTH:
        return replace(plain, failure=FeedSlug.NOT_A_FEED, detail="it lists lists of lists of sitemaps")
    return replace(plain, parsed=parsed, body_hash=hashed)


def _failed(exchange: Exchange | FetchFailure, slug: str, detail: str) -> Answer:
    answered = None if isinstance(exchange, FetchFailure) else exchange
    status = answered.status if answered else None
    return Answer(status=status, failure=slug, detail=detail, exchange=answered, parsed=None)


def _host_delay(services: Services, claim: FeedClaim, exchange: Exchange | FetchFailure) -> float:
    chosen_s, elapsed_s = services.settings.host_delay, exchange.elapsed_s
    return host_delay(chosen_s, crawl_delay_s=claim.crawl_delay_s, elapsed_s=elapsed_s)
