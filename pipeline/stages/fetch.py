"""fetch: one event loop over many hosts, one connection a host; every answer goes into the archive first.

A host's turn is one lease: some pages, a pause between two requests, one transaction at its end. A redirect
to another host gives the article to that host's turn.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urljoin

from sqlalchemy.exc import SQLAlchemyError

from pipeline.archive.errors import ArchiveError
from pipeline.fetching.classify import failure_meaning, page_problem, retry_after
from pipeline.fetching.http import Http, next_hop, open_http
from pipeline.fetching.robots import Robots, read_robots
from pipeline.identity import host_of
from pipeline.model import ArchivePosition, Exchange, FetchFailure, Request, RequestKind, Stage, header
from pipeline.outcomes import Cause, FetchSlug, Partial, Reason
from pipeline.services import Services
from pipeline.settings import masked
from pipeline.stages.retrying import retry_in
from pipeline.stages.shift import Shift, keep_busy, run_loop
from pipeline.store.claimed import ArticleClaim, HostTurn
from pipeline.store.claims import claim_hosts
from pipeline.store.fetched import (
    Dropped,
    FetchResult,
    GotPage,
    Moved,
    NoPage,
    Quarantined,
    RobotsAnswer,
    record_turn,
)
from pipeline.store.leases import blame, new_owner, release, release_host
from pipeline.store.politeness import count_requests

HOSTS_AT_ONCE = 32
"""Connections of one worker; each may hold a page of 10 MiB, so memory stays below some 300 MiB at worst."""

TURN_S = 2.0
"""How long a host's turn goes on beginning requests; the host's feeds and other workers wait meanwhile."""

PAGES_A_TURN = 16
HOPS = 5
"""Redirects followed for one page, as the Fetch standard's 20 is far above what news sites need."""

ATTEMPTS = 10
"""Tries that may fail, or end their worker; a death blames the whole turn."""

FAULT_WAIT_S = 30.0
"""After a fault of this machine (a full disk), so that no host is asked again and again for what is lost."""

ROBOTS_AGE_S = 86_400.0
"""RFC 9309 §2.4: no longer than 24 hours."""

ROBOTS_RETRY_S = 3_600.0
"""A robots.txt that could not be had is asked for again after an hour."""

ROBOTS_S = 30.0
"""How long redirects of a robots.txt are followed: with a last request and a page, a turn keeps its lease."""

ROBOTS_LIMIT = 1024 * 1024
NO_FILE = 404
NO_ANSWER = 0
"""Kept as a host's robots status when it did not answer at all."""

ACCEPT = (("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.5"),)

LONGEST_PAUSE_S = 7 * 86_400.0
"""A Retry-After beyond this is a mistake."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Rules:
    """What a host asks of us in this turn."""

    robots: Robots
    answer: RobotsAnswer | None  # None: what the store has is fresh enough
    delay_s: float
    ends_at: float  # on time.monotonic(): after it the turn begins no further request


@dataclass(frozen=True, slots=True)
class _Fetched:
    """What became of one page, and how long its host asked to be left alone."""

    result: FetchResult
    pause_s: float = 0.0


def fetch(services: Services, shift: Shift) -> bool:
    """Fetch due pages until none is left or the shift is over; True when some may be left."""
    return run_loop(_fetch(services, shift), threads=2 * HOSTS_AT_ONCE)


async def _fetch(services: Services, shift: Shift) -> bool:
    owner = new_owner(Stage.FETCH)
    pages = pages_a_turn(services.settings.host_delay)
    async with open_http(services.http_options()) as http:
        return await keep_busy(
            shift,
            slots=HOSTS_AT_ONCE,
            claim=lambda free: claim_hosts(services.store, owner=owner, limit=free, pages=pages),
            do=lambda turn: _take_turn(services, shift, http, turn),
        )


def pages_a_turn(delay_s: float) -> int:
    """Tell how many pages fit into a turn with a pause between them."""
    return PAGES_A_TURN if delay_s == 0 else max(1, min(PAGES_A_TURN, int(TURN_S / delay_s)))


async def _take_turn(services: Services, shift: Shift, http: Http, turn: HostTurn) -> None:
    fetched: list[_Fetched] = []
    recorded, put_off_s, http = False, 0.0, http.apart()
    try:
        rules = await _rules(services, http, turn)
        await _fetch_pages(services, shift, http, turn, rules, fetched)
        await asyncio.to_thread(_end_turn, services, turn, fetched, rules, http.asked)
        recorded = True
    except (ArchiveError, OSError, SQLAlchemyError):
        log.exception("turn failed host=%s", turn.host)
        put_off_s = FAULT_WAIT_S
    except Exception as error:  # in asking for the host's rules, by the address of its first page
        await asyncio.to_thread(_blame, services, turn.claims[0], error)
    finally:
        # Cancelled, or a fault of ours: what is archived stays so, and the rows are done again.
        if not recorded:
            release_host(services.store, turn, delay_s=services.settings.host_delay)
            count_requests(services.store, http.asked)
        release(services.store, turn.claims[len(fetched) if recorded else 0 :], delay_s=put_off_s)
    shift.ring(Stage.ENRICH)


async def _fetch_pages(
    services: Services, shift: Shift, http: Http, turn: HostTurn, rules: _Rules, fetched: list[_Fetched]
) -> None:
    """Fetch a turn's pages, one after the other, into `fetched`, until the turn is over."""
    for claim in turn.claims:
        if fetched or rules.answer:
            asked_to_pause = bool(fetched and fetched[-1].pause_s)
            # A pause that is longer than the turn is the host's, not the worker's, who has others to ask.
            too_late = time.monotonic() + rules.delay_s >= rules.ends_at
            if asked_to_pause or too_late or shift.stopping.is_set():
                return
            await asyncio.sleep(rules.delay_s)
        page = await _try_page(services, http, claim, rules)
        if page is None:
            return
        fetched.append(page)


async def _try_page(services: Services, http: Http, claim: ArticleClaim, rules: _Rules) -> _Fetched | None:
    """Fetch a page; what nobody foresaw is its own fault, and ends in quarantine when it comes again."""
    try:
        return await _fetch_page(services, http, claim, rules)
    except (ArchiveError, OSError, SQLAlchemyError):
        raise
    except Exception as error:
        await asyncio.to_thread(_blame, services, claim, error)
        return None


def _blame(services: Services, claim: ArticleClaim, error: Exception) -> None:
    log.error("page failed url=%s", claim.url, exc_info=error)
    blame(services.store, claim, Stage.FETCH, detail=f"{type(error).__name__}: {error}")


def _end_turn(
    services: Services,
    turn: HostTurn,
    fetched: Sequence[_Fetched],
    rules: _Rules,
    asked: Sequence[Request],
) -> None:
    pause_s = max((each.pause_s for each in fetched), default=0.0)
    record_turn(
        services.store,
        turn,
        [each.result for each in fetched],
        delay_s=max(rules.delay_s, min(pause_s, LONGEST_PAUSE_S)),
        robots=rules.answer,
        asked=asked,
    )


async def _rules(services: Services, http: Http, turn: HostTurn) -> _Rules:
    status, body, answer = turn.robots_status, turn.robots_body or b"", None
    fresh_s = ROBOTS_AGE_S if 0 < (status or 0) < 500 else ROBOTS_RETRY_S
    if turn.robots_age_s is None or turn.robots_age_s >= fresh_s:
        answer = await _ask_robots(services, http, turn.claims[0])
        status, body = (answer.status, answer.body) if answer else (NO_FILE, b"")
    robots = read_robots(body, status or None)
    delay_s = max(services.settings.host_delay, robots.crawl_delay or 0.0)
    return _Rules(robots, answer, delay_s, ends_at=time.monotonic() + TURN_S)


async def _ask_robots(services: Services, http: Http, claim: ArticleClaim) -> RobotsAnswer | None:
    """Ask a host for its robots.txt; None when the guard refuses the host, as it will refuse its pages."""
    own = urljoin(claim.next_url or claim.url, "/robots.txt")
    url: str | None = own
    ends_at = time.monotonic() + ROBOTS_S
    for _ in range(HOPS + 1):
        if time.monotonic() >= ends_at:
            return RobotsAnswer(status=NO_ANSWER, body=b"")
        answer = await http.get(url or "", limit=ROBOTS_LIMIT, kind=RequestKind.ROBOTS)
        if isinstance(answer, FetchFailure):
            if answer.slug == FetchSlug.REFUSED_ADDRESS and url == own:
                return None
            too_large = answer.slug == FetchSlug.TOO_LARGE
            return RobotsAnswer(status=NO_FILE if too_large else NO_ANSWER, body=b"")
        url = next_hop(answer)
        if url is None:
            return RobotsAnswer(status=answer.status, body=answer.body)
    return RobotsAnswer(status=NO_FILE, body=b"")  # RFC 9309 §2.3.1.2: more than five redirects


async def _fetch_page(services: Services, http: Http, claim: ArticleClaim, rules: _Rules) -> _Fetched:
    if claim.attempts > ATTEMPTS:
        detail = f"failed {ATTEMPTS} times, or its worker died; `trace` tells each"
        return _Fetched(Quarantined(claim=claim, stage=Stage.FETCH, cause=Cause.STAGE_CRASHED, detail=detail))
    url, hops = claim.next_url or claim.url, claim.hops
    while True:
        if not rules.robots.allows(url):
            return _no_page(services, claim, *_robots_refusal(rules))
        answer = await http.get(url, headers=ACCEPT)
        if isinstance(answer, FetchFailure):
            return _failed(services, claim, answer)
        position = await asyncio.to_thread(services.archive.write, answer)
        target = next_hop(answer)
        if target is None:
            return _judge(services, claim, answer, position)
        hops += 1
        if hops > HOPS:
            return _no_page(
                services, claim, Partial.FETCH_FAILED, f"more than {HOPS} redirects, the last to {target}"
            )
        if host_of(target) != claim.host or time.monotonic() + rules.delay_s >= rules.ends_at:
            return _Fetched(Moved(claim=claim, next_url=target, host=host_of(target), hops=hops))
        url = target
        await asyncio.sleep(rules.delay_s)


def _judge(services: Services, claim: ArticleClaim, answer: Exchange, position: ArchivePosition) -> _Fetched:
    essence = (header(answer.headers, "Content-Type") or "no type").partition(";")[0].strip()
    detail = f"HTTP {answer.status}, {essence}, {len(answer.body):,} bytes from {answer.url}"
    problem = page_problem(answer)
    if problem is not None:
        return _no_page(services, claim, problem, detail, asked_s=retry_after(answer))
    page = GotPage(
        claim=claim,
        url=answer.url,
        status=answer.status,
        position=position,
        fetched_at=answer.fetched_at,
        detail=detail,
    )
    return _Fetched(page)


def _failed(services: Services, claim: ArticleClaim, failure: FetchFailure) -> _Fetched:
    meaning = failure_meaning(failure)
    detail = f"{failure.slug}: {failure.detail} ({masked(failure.url)})"
    if isinstance(meaning, Reason):
        return _Fetched(Dropped(claim=claim, reason=meaning, detail=detail))
    return _no_page(services, claim, meaning, detail)


def _no_page(
    services: Services, claim: ArticleClaim, partial: Partial, detail: str, *, asked_s: float | None = None
) -> _Fetched:
    again = retry_in(claim.refetches, first_delay_s=services.settings.retry_delay, asked_s=asked_s)
    return _Fetched(NoPage(claim=claim, partial=partial, detail=detail, retry_in_s=again), asked_s or 0.0)


def _robots_refusal(rules: _Rules) -> tuple[Partial, str]:
    if rules.robots.rules is None:
        return (
            Partial.FETCH_FAILED,
            "robots.txt cannot be had just now, so nothing may be asked for (RFC 9309)",
        )
    return Partial.ROBOTS, "robots.txt does not allow it"
