"""fetch: one event loop over many hosts, one connection a host; every answer goes into the archive first.

A host's turn is one lease: some pages, a pause between two requests, one transaction at its end. A redirect
to another host gives the article to that host's turn.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from pipeline.archive.errors import ArchiveError
from pipeline.archive.reading import erase
from pipeline.fetching.classify import HOPS, failure_meaning, page_problem, retry_after
from pipeline.fetching.http import Http, next_hop, open_http
from pipeline.fetching.pacing import host_delay, host_pause
from pipeline.fetching.robots import Robots, read_robots
from pipeline.identity import host_of
from pipeline.log_context import bound
from pipeline.masking import mask_url
from pipeline.model import ArchivePosition, Exchange, FetchFailure, Request, Stage, header
from pipeline.outcomes import Cause, Partial, Reason
from pipeline.points import Point, reached
from pipeline.services import Services
from pipeline.stages.retrying import retry_in
from pipeline.stages.robots import NO_ANSWER, NO_FILE, ask_robots, is_stale
from pipeline.stages.shift import Shift, keep_busy, run_loop, to_the_end
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
from pipeline.store.removal import is_removed

TURN_S = 2.0
"""How long a host's turn goes on beginning requests; the host's feeds and other workers wait meanwhile."""

PAGES_A_TURN = 16
ATTEMPTS = 10
"""Tries that may fail, or end their worker; a death blames the whole turn."""

FAULT_WAIT_S = 30.0
"""After a fault of this machine (a full disk), so that no host is asked again and again for what is lost."""

GONE = 410
ACCEPT = (("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.5"),)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Rules:
    """What a host asks of us in this turn."""

    robots: Robots
    answer: RobotsAnswer | None  # None: what the store has is fresh enough
    delay_s: float
    pause_s: float  # for how long its answer to robots.txt asks to be left alone
    ends_at: float  # on time.monotonic(): after it the turn begins no further request


@dataclass(frozen=True, slots=True)
class _Fetched:
    """What became of one page, and how long its host is to be left alone."""

    result: FetchResult
    delay_s: float = 0.0  # as that host took long to answer
    pause_s: float = 0.0  # as it asks


def fetch(services: Services, shift: Shift) -> bool:
    """Fetch due pages until none is left or the shift is over; True when some may be left."""
    return run_loop(_fetch(services, shift), threads=2 * services.settings.concurrency.fetch)


async def _fetch(services: Services, shift: Shift) -> bool:
    owner = new_owner(Stage.FETCH)
    pages = pages_a_turn(services.settings.host_delay)
    async with open_http(services.http_options()) as http:
        return await keep_busy(
            shift,
            slots=services.settings.concurrency.fetch,
            claim=lambda free: claim_hosts(services.store, owner=owner, limit=free, pages=pages),
            do=lambda turn, _answered: _take_turn(services, shift, http, turn),
        )


def pages_a_turn(delay_s: float) -> int:
    """Tell how many pages fit into a turn with a pause between them."""
    return PAGES_A_TURN if delay_s == 0 else max(1, min(PAGES_A_TURN, int(TURN_S / delay_s)))


async def _take_turn(services: Services, shift: Shift, http: Http, turn: HostTurn) -> None:
    with bound(host=turn.host):
        await _settle_turn(services, shift, http, turn)


async def _settle_turn(services: Services, shift: Shift, http: Http, turn: HostTurn) -> None:
    fetched: list[_Fetched] = []
    recorded, put_off_s, http = False, 0.0, http.apart()
    try:
        reached(Stage.FETCH, Point.CLAIMED)
        rules = await _rules(services, http, turn)
        await _fetch_pages(services, shift, http, turn, rules, fetched)
        http.hang_up()
        await to_the_end(partial(_end_turn, services, turn, fetched, rules, http.asked))
        recorded = True
    except (ArchiveError, OSError, SQLAlchemyError):
        log.exception("turn failed")
        put_off_s = FAULT_WAIT_S
    except Exception as error:  # in asking for the host's rules, by the address of its first page
        await asyncio.to_thread(_blame, services, turn.claims[0], error)
    finally:
        # Cancelled, or a fault of ours: what is archived stays so, and the rows are done again.
        services.meters.count_pauses(http.asked)
        left = turn.claims[len(fetched) if recorded else 0 :]
        if not recorded:
            http.hang_up()
        if left or not recorded:
            asked = None if recorded else http.asked
            await to_the_end(partial(_give_back, services, turn, left, asked, delay_s=put_off_s))
    # A broker that does not answer would hold up every page under way, and their servers would be blamed.
    await asyncio.to_thread(shift.ring, Stage.ENRICH)


def _give_back(
    services: Services,
    turn: HostTurn,
    left: Sequence[ArticleClaim],
    asked: Sequence[Request] | None,
    *,
    delay_s: float,
) -> None:
    """Give back what a turn did not come to; with what it `asked`, a turn whose results are not recorded."""
    if asked is not None:
        release_host(services.store, turn.host, turn.owner, delay_s=services.settings.host_delay)
        count_requests(services.store, asked)
    release(services.store, left, delay_s=delay_s)


async def _fetch_pages(
    services: Services, shift: Shift, http: Http, turn: HostTurn, rules: _Rules, fetched: list[_Fetched]
) -> None:
    """Fetch a turn's pages, one after the other, into `fetched`, until the turn is over."""
    for claim in turn.claims:
        if fetched or rules.answer:
            asked_to_pause = bool(fetched and fetched[-1].pause_s)
            delay_s = max(rules.delay_s, fetched[-1].delay_s if fetched else 0.0)
            # A pause that is longer than the turn is the host's, not the worker's, who has others to ask.
            too_late = time.monotonic() + delay_s >= rules.ends_at
            if asked_to_pause or too_late or shift.stopping.is_set():
                return
            await asyncio.sleep(delay_s)
        is_retry = claim.attempts > 1 or claim.refetches > 0
        about = bound(article=claim.id, url=claim.url)
        with about, services.meters.timed(Stage.FETCH, is_retry=is_retry):
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
    log.error("page failed", extra={"article": claim.id, "url": claim.url}, exc_info=error)
    blame(services.store, claim, Stage.FETCH, detail=f"{type(error).__name__}: {error}")


def _end_turn(
    services: Services,
    turn: HostTurn,
    fetched: Sequence[_Fetched],
    rules: _Rules,
    requests: Sequence[Request],
) -> None:
    rests = [rules.delay_s, rules.pause_s]
    rests += [each.pause_s for each in fetched] + [each.delay_s for each in fetched[-1:]]
    reached(Stage.FETCH, Point.DONE)
    record_turn(
        services.store,
        turn,
        [each.result for each in fetched],
        delay_s=max(rests),
        robots=rules.answer,
        asked=requests,
        spacing_s=rules.delay_s,
    )
    reached(Stage.FETCH, Point.COMMITTED)


async def _rules(services: Services, http: Http, turn: HostTurn) -> _Rules:
    status, body, asked = turn.robots_status, turn.robots_body or b"", None
    if is_stale(turn):
        asked = await ask_robots(services, http, turn)
        status, body = (asked.status, asked.body) if asked else (NO_FILE, b"")
    robots = read_robots(body, status or None)
    chosen_s, elapsed_s = services.settings.host_delay, asked.elapsed_s if asked else 0.0
    return _Rules(
        robots=robots,
        answer=RobotsAnswer(status=status or NO_ANSWER, body=body, crawl_delay_s=robots.crawl_delay)
        if asked
        else None,
        delay_s=host_delay(chosen_s, crawl_delay_s=robots.crawl_delay, elapsed_s=elapsed_s),
        pause_s=host_pause(asked.status, asked.retry_after_s) if asked else 0.0,
        ends_at=time.monotonic() + TURN_S,
    )


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
            return replace(_failed(services, claim, answer), delay_s=_rest(rules, answer))
        position = await asyncio.to_thread(_archive, services, claim, answer)
        target = next_hop(answer)
        if target is None:
            return replace(_judge(services, claim, answer, position), delay_s=_rest(rules, answer))
        hops += 1
        if hops > HOPS:
            return _no_page(
                services, claim, Partial.FETCH_FAILED, f"more than {HOPS} redirects, the last to {target}"
            )
        delay_s = _rest(rules, answer)
        if host_of(target) != claim.host or time.monotonic() + delay_s >= rules.ends_at:
            moved = Moved(claim=claim, next_url=target, host=host_of(target), hops=hops)
            return _Fetched(moved, delay_s=delay_s)
        url = target
        await asyncio.sleep(delay_s)


def _archive(services: Services, claim: ArticleClaim, answer: Exchange) -> ArchivePosition:
    """Write an answer, then look whether its article was removed while it was on its way: a removal that
    comes after the look finds it."""
    position = services.archive.write(answer)
    with services.store.read() as connection:
        is_late = is_removed(connection, claim.id)
    if is_late:
        erase(services.settings.archive_folder, position)
    return position


def _rest(rules: _Rules, answer: Exchange | FetchFailure) -> float:
    return host_delay(rules.delay_s, crawl_delay_s=None, elapsed_s=answer.elapsed_s)


def _judge(services: Services, claim: ArticleClaim, answer: Exchange, position: ArchivePosition) -> _Fetched:
    essence = (header(answer.headers, "Content-Type") or "no type").partition(";")[0].strip()
    detail = f"HTTP {answer.status}, {essence}, {len(answer.body):,} bytes from {answer.url}"
    problem = page_problem(answer, is_first=claim.refetches == 0)
    if problem is not None:
        asked_s = retry_after(answer)
        no_page = _no_page(services, claim, problem, detail, asked_s=asked_s, for_good=answer.status == GONE)
        return replace(no_page, pause_s=host_pause(answer.status, asked_s))
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
    detail = f"{failure.slug}: {failure.detail} ({mask_url(failure.url)})"
    if isinstance(meaning, Reason):
        return _Fetched(Dropped(claim=claim, reason=meaning, detail=detail))
    return _no_page(services, claim, meaning, detail)


def _no_page(
    services: Services,
    claim: ArticleClaim,
    partial: Partial,
    detail: str,
    *,
    asked_s: float | None = None,
    for_good: bool = False,
) -> _Fetched:
    again = retry_in(claim.refetches, first_delay_s=services.settings.retry_delay, asked_s=asked_s)
    retry_in_s = None if for_good else again
    return _Fetched(NoPage(claim=claim, partial=partial, detail=detail, retry_in_s=retry_in_s))


def _robots_refusal(rules: _Rules) -> tuple[Partial, str]:
    if rules.robots.rules is None:
        return (
            Partial.FETCH_FAILED,
            "robots.txt cannot be had just now, so nothing may be asked for (RFC 9309)",
        )
    return Partial.ROBOTS, "robots.txt does not allow it"
