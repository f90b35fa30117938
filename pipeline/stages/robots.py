"""Ask a host for its robots.txt: once a day, in the turn of each host that a redirect leads to."""

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import urljoin

from pipeline.fetching.classify import rest_after, retry_after
from pipeline.fetching.http import Http, next_hop
from pipeline.fetching.pacing import OVERLOADED
from pipeline.identity import host_of
from pipeline.model import Exchange, FetchFailure, RequestKind
from pipeline.outcomes import FetchSlug
from pipeline.services import Services
from pipeline.store.claimed import HostTurn
from pipeline.store.claims import claim_host
from pipeline.store.leases import release_host

FRESH_S = 86_400.0
"""RFC 9309 §2.4: no longer than 24 hours."""

RETRY_S = 3_600.0
"""A robots.txt that could not be had is asked for again after an hour."""

REDIRECTS_S = 30.0
"""How long redirects are followed: with a last request and a page, a turn keeps its lease."""

TURN_CHECK_S = 0.2
"""How often another host is looked at that has its turn with somebody else."""

HOPS = 5  # RFC 9309 §2.3.1.2: at least five
LIMIT = 1024 * 1024  # bytes
NO_FILE = 404
NO_ANSWER = 0
"""Kept as a host's robots status when it did not answer at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotsAsked:
    """Hold the last answer, how long the host took for it, and what it asks."""

    status: int
    body: bytes = b""
    elapsed_s: float = 0.0
    retry_after_s: float | None = None


def is_stale(turn: HostTurn) -> bool:
    """Tell whether a host is to be asked for its rules again."""
    status = turn.robots_status or NO_ANSWER
    says_nothing = status == NO_ANSWER or status >= 500 or status in OVERLOADED
    return turn.robots_age_s is None or turn.robots_age_s >= (RETRY_S if says_nothing else FRESH_S)


async def ask_robots(services: Services, http: Http, turn: HostTurn) -> RobotsAsked | None:
    """Ask a host for its robots.txt; None when the guard refuses the host, as it will refuse its pages."""
    own = url = urljoin(turn.claims[0].next_url or turn.claims[0].url, "/robots.txt")
    ends_at = time.monotonic() + REDIRECTS_S
    for hop in range(HOPS + 1):
        answer = await _ask_in_turn(services, http, turn, url, hop=hop, ends_at=ends_at)
        if answer is None:
            return RobotsAsked(status=NO_ANSWER)
        if isinstance(answer, FetchFailure):
            is_refused = answer.slug == FetchSlug.REFUSED_ADDRESS and url == own
            return None if is_refused else _unanswered(answer)
        target = next_hop(answer)
        if target is None:
            return _asked(answer)
        url = target
    return RobotsAsked(status=NO_FILE)


async def _ask_in_turn(
    services: Services, http: Http, turn: HostTurn, url: str, *, hop: int, ends_at: float
) -> Exchange | FetchFailure | None:
    """Ask for one hop in its host's turn; None when that does not come in time."""
    host, chosen_s = host_of(url), services.settings.host_delay
    if host == turn.host:
        if hop:
            await asyncio.sleep(chosen_s)
        return (
            await http.get(url, limit=LIMIT, kind=RequestKind.ROBOTS) if time.monotonic() < ends_at else None
        )
    while not await asyncio.to_thread(claim_host, services.store, host, owner=turn.owner):
        if time.monotonic() >= ends_at:
            return None
        await asyncio.sleep(TURN_CHECK_S)
    delay_s = chosen_s
    try:
        answer = await http.get(url, limit=LIMIT, kind=RequestKind.ROBOTS)
        delay_s = rest_after(answer, chosen_s)
        return answer
    finally:
        http.hang_up()
        release_host(services.store, host, turn.owner, delay_s=delay_s)


def _unanswered(failure: FetchFailure) -> RobotsAsked:
    is_too_large = failure.slug == FetchSlug.TOO_LARGE
    return RobotsAsked(status=NO_FILE if is_too_large else NO_ANSWER, elapsed_s=failure.elapsed_s)


def _asked(answer: Exchange) -> RobotsAsked:
    return RobotsAsked(
        status=answer.status,
        body=answer.body,
        elapsed_s=answer.elapsed_s,
        retry_after_s=retry_after(answer),
    )
