"""poll: ask due feeds whether they have news, conditionally, one request a host at a time."""

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.feeds.admission import refusal
from pipeline.feeds.parsing import FeedError
from pipeline.feeds.schedule import Decision, Limits, decide
from pipeline.feeds.schedule import Polled as Outcome
from pipeline.fetching.classify import retry_after
from pipeline.fetching.http import Http, next_hop, open_http
from pipeline.identity import article_id, host_of, url_key
from pipeline.model import Exchange, FeedState, FetchFailure, ParsedFeed, Stage, header
from pipeline.outcomes import FetchSlug
from pipeline.services import Services
from pipeline.stages.shift import Shift, keep_busy, run_loop
from pipeline.store.claimed import FeedClaim
from pipeline.store.claims import claim_feeds
from pipeline.store.found import FoundEntry, known_articles
from pipeline.store.leases import blame_feed, new_owner, release_feed
from pipeline.store.polled import Polled, record_poll
from pipeline.store.removal import is_any_removed

FEEDS_AT_ONCE = 16
"""Connections of one worker; each may hold a body of 10 MiB."""

FAULT_WAIT_S = 60.0
"""After a fault of this machine (a full disk) or of our own; longer with each failure in a row."""

HOPS = 5
NOT_MODIFIED = 304
ACCEPT = (
    "application/rss+xml, application/atom+xml, application/feed+json, application/rdf+xml;q=0.9, "
    "application/xml;q=0.8, text/xml;q=0.8, application/json;q=0.7, */*;q=0.1"
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What came of asking: the last answer, or why there was none."""

    status: int | None
    failure: str | None
    detail: str | None
    exchange: Exchange | None  # the last hop, whatever its status
    parsed: ParsedFeed | None  # None: unchanged, or no feed


def poll(services: Services, shift: Shift) -> bool:
    """Poll due feeds until none is left or the shift is over; True when some may be left."""
    return run_loop(_poll(services, shift), threads=2 * FEEDS_AT_ONCE)


async def _poll(services: Services, shift: Shift) -> bool:
    owner = new_owner(Stage.POLL)
    async with open_http(services.http_options()) as http:
        return await keep_busy(
            shift,
            slots=FEEDS_AT_ONCE,
            claim=lambda free: claim_feeds(services.store, owner=owner, limit=free),
            do=lambda claim: _poll_feed(services, shift, http, claim),
        )


async def _poll_feed(services: Services, shift: Shift, http: Http, claim: FeedClaim) -> None:
    settled = False
    try:
        answer = await _ask(services, http, claim)
        await asyncio.to_thread(_record, services, claim, answer)
        settled = True
    except Exception as error:  # nobody foresaw it: other feeds go on, and this one's host is left alone
        log.exception("poll failed url=%s", claim.url)
        detail = f"{type(error).__name__}: {error}"
        await asyncio.to_thread(_put_off, services, claim, detail)
        settled = True
    finally:
        if not settled:  # cancelled: the feed is due still
            release_feed(services.store, claim, delay_s=services.settings.host_delay)
    shift.ring(Stage.FETCH)


def _put_off(services: Services, claim: FeedClaim, detail: str) -> None:
    wait_s = FAULT_WAIT_S * (1.0 + claim.failures)
    blame_feed(services.store, claim, detail=detail, wait_s=min(wait_s, services.settings.poll_max))


async def _ask(services: Services, http: Http, claim: FeedClaim) -> _Answer:
    url, answer = claim.url, None
    for _ in range(HOPS + 1):
        answer = await http.get(url, headers=_request_headers(claim))
        if isinstance(answer, FetchFailure):
            return _failed(answer.slug, answer.detail)
        target = next_hop(answer)
        if target is None:
            return await asyncio.to_thread(_read, services, claim, answer)
        url = target
    return _failed(FetchSlug.TOO_MANY_REDIRECTS, f"more than {HOPS} redirects, the last to {url}")


def _request_headers(claim: FeedClaim) -> tuple[tuple[str, str], ...]:
    # Validators are opaque, byte for byte (RFC 9110 §13.1). All hops get them: the one that gave them knows.
    given = (("If-None-Match", claim.etag), ("If-Modified-Since", claim.last_modified))
    return (("Accept", ACCEPT), *((name, value) for name, value in given if value))


def _read(services: Services, claim: FeedClaim, exchange: Exchange) -> _Answer:
    """Parse and archive an answer that is new to us."""
    same = exchange.status == NOT_MODIFIED or body_hash(exchange) == claim.body_hash
    if same or exchange.status >= 300:
        failure = None if same else f"http-{exchange.status}"
        return _Answer(status=exchange.status, failure=failure, detail=None, exchange=exchange, parsed=None)
    try:
        parsed = services.feed_parser.parse(exchange.body, url=exchange.url, headers=exchange.headers)
    except FeedError as error:
        services.archive.write(exchange)
        return _Answer(
            status=exchange.status, failure=error.slug, detail=error.detail, exchange=exchange, parsed=None
        )
    ids = [article_id(key) for entry in parsed.entries if (key := url_key(entry.link))]
    if not is_any_removed(services.store, ids):  # of what a person removed, no word is kept again
        services.archive.write(exchange)
    return _Answer(status=exchange.status, failure=None, detail=None, exchange=exchange, parsed=parsed)


def _failed(slug: str, detail: str) -> _Answer:
    return _Answer(status=None, failure=slug, detail=detail, exchange=None, parsed=None)


def _record(services: Services, claim: FeedClaim, answer: _Answer) -> None:
    entries = answer.parsed.entries if answer.parsed else ()
    keyed = {key: entry for entry in reversed(entries) if (key := url_key(entry.link))}
    known = known_articles(services.store, list(keyed))
    found = [
        FoundEntry(
            entry=entry,
            url_key=key,
            article_id=article_id(key),
            host=host_of(entry.link),
            refused=refusal(entry, now=known.at, max_age_s=services.settings.max_age),
        )
        for key, entry in keyed.items()
    ]
    decision = _decide(services, claim, answer, new_entries=len(keyed.keys() - known.url_keys))
    polled = _polled(answer, decision, found)
    record_poll(services.store, claim, polled, host_delay_s=services.settings.host_delay)


def _decide(services: Services, claim: FeedClaim, answer: _Answer, *, new_entries: int) -> Decision:
    settings = services.settings
    outcome = Outcome(
        url=claim.url,
        state=FeedState.ACTIVE,
        interval_s=claim.interval_s,
        failures=claim.failures,
        status=answer.status,
        failure=answer.failure,
        changed=answer.parsed is not None,
        new_entries=new_entries,
        retry_after_s=retry_after(answer.exchange) if answer.exchange else None,
    )
    shortest = max(settings.poll_min, claim.min_interval_s or 0.0)
    return decide(outcome, Limits(shortest=shortest, longest=max(shortest, settings.poll_max)))


def _polled(answer: _Answer, decision: Decision, found: Sequence[FoundEntry]) -> Polled:
    exchange, parsed = answer.exchange, answer.parsed
    told = Polled(
        status=answer.status,
        error=answer.failure,
        detail=answer.detail,
        state=decision.state,
        wait_s=decision.wait_s,
        interval_s=decision.interval_s,
        failures=decision.failures,
        why=decision.why,
    )
    if exchange is None or parsed is None:
        return told
    without_key = sum(url_key(entry.link) is None for entry in parsed.entries)
    without_link = parsed.entries_without_link + without_key
    return replace(
        told,
        etag=header(exchange.headers, "ETag"),
        last_modified=header(exchange.headers, "Last-Modified"),
        body_hash=body_hash(exchange),
        title=parsed.title,
        site=parsed.site,
        language=parsed.language,
        entries=len(parsed.entries) + parsed.entries_without_link,
        entries_repeated=len(parsed.entries) - without_key - len(found),
        entries_without_link=without_link,
        found=tuple(found),
    )


def body_hash(exchange: Exchange) -> str:
    """Hash a feed's body, to notice one that is as it was under other validators, or none."""
    return hashlib.sha256(exchange.body).hexdigest()[:32]
