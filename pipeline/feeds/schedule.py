"""Decide when a feed is asked next. Pure: what happened goes in, a decision and its reason come out.

The feed's own rhythm, sooner when a document turns over quickly; a back-off while it fails; a jitter that
spreads feeds over time; what the publisher asks for as a floor: in this order, each a step of `decide`.
"""

import hashlib
from dataclasses import dataclass

from pipeline.feeds.hints import HINT_CEILING, Asked, Wish, opening, wishes
from pipeline.feeds.rhythm import DAY, WEEK, Rhythm, a_day, pause
from pipeline.fetching.pacing import host_pause
from pipeline.model import FeedState
from pipeline.outcomes import FeedSlug, FetchSlug

TURNOVERS = 4.0
"""A document whose entries were all new is asked for again in a quarter of the time that took, so that none
scrolls out of it unseen."""

BACKOFF_FACTOR = 2.0  # per failure in a row, by its weight
BACKOFF_CEILING = DAY  # a surprising number of feeds come back: none is ever given up
MISSING_FAILURES, MISSING_S = 5.0, 3 * DAY
"""From which on a feed that answers 404 is asked weekly: a moved site needs days to put its redirects up."""

LONG_FAILING_S = 30 * DAY  # any feed that failed for so long is asked weekly
JITTER = 0.1  # of the wait, added; never subtracted, so that floors hold
OPENING_JITTER_S = 900.0  # of the first quarter of an hour after hours of rest
HTTP_NOT_MODIFIED = 304
HTTP_ERROR = 400  # the first status that is a failure
HTTP_NOT_FOUND = 404
HTTP_GONE = 410

PASSING = 0.5  # the weight of what is over in an hour most often
WEIGHTS: dict[str, float] = {
    FetchSlug.TIMEOUT: PASSING,
    FetchSlug.CONNECT: PASSING,
    FetchSlug.BAD_ANSWER: PASSING,
    "http-429": PASSING,
    FetchSlug.DNS: 1.0,
    FetchSlug.TLS: 1.0,
    FeedSlug.NOT_A_FEED: 1.0,
    FetchSlug.REFUSED_ADDRESS: 2.0,  # a person put it there
}
UNREADABLE = frozenset(FeedSlug) - {FeedSlug.STAGE_CRASHED}
"""Failures that a 304 does not heal: it says that the document is as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Hold the shortest and longest interval in seconds (WIREROOM_POLL_MIN and _MAX, or the feed's own)."""

    shortest: float
    longest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """Say what was known of a feed before a poll and what the poll met. Durations are seconds."""

    url: str
    now: float  # by the store's clock
    interval_s: float
    elapsed_s: float | None  # since the poll before; None at the first
    failures: float  # weighted, in a row, before this poll
    failing_since: float | None
    last_error: str | None  # of the poll before
    status: int | None  # of the last answer; None when there was none
    was_detour: bool  # a temporary redirect, or an index of sitemaps, led to that answer
    failure: str | None  # a slug of FetchSlug or FeedSlug; None when the answer was usable
    changed: bool  # False for 304 and for a body as before
    entries: int  # of its newest document
    new_entries: int
    rhythm: Rhythm | None  # with these entries; None: never read
    asked: Asked
    sitemaps_waiting: int = 0  # of an index: those that changed and were not asked for yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Say when to ask next and why; `interval_s` is the feed's own rhythm, without back-off and floors."""

    wait_s: float  # from the moment of the poll, by the store's clock
    interval_s: float
    failures: float
    error: str | None  # this poll's, or one that it did not heal
    state: FeedState
    why: str
    asked_s: float | None = None  # how long the publisher asks to be left alone
    host_pause_s: float = 0.0  # how long its whole host does


@dataclass(frozen=True, slots=True)
class _Wait:
    seconds: float
    why: str


def decide(polled: Polled, limits: Limits) -> Decision:
    """Decide when to ask a feed again, from one poll's outcome."""
    if polled.status == HTTP_GONE and not polled.was_detour:
        return _gone(polled)
    error = _error(polled)
    failures = polled.failures + _weight(polled, error) if error else 0.0
    own = _Wait(polled.interval_s, "") if error else _own_pace(polled, limits)
    interval = min(max(own.seconds, limits.shortest), limits.longest)
    wait = _backed_off(polled, error, failures, interval) if error else _Wait(interval, own.why)
    wait = _Wait(wait.seconds * (1 + JITTER * _share(polled.url)), wait.why)
    asked = wishes(polled.asked, polled.now)
    wait = _rested(polled, _no_sooner(polled, wait, asked))
    return Decision(
        wait_s=wait.seconds,
        interval_s=interval,
        failures=failures,
        error=error,
        state=FeedState.ACTIVE,
        why=f"{wait.why}: asking again in {spoken(wait.seconds)}",
        asked_s=max((wish.seconds for wish in asked), default=None),
        host_pause_s=host_pause(polled.status, polled.asked.retry_after_s),
    )


def _gone(polled: Polled) -> Decision:
    return Decision(
        wait_s=HINT_CEILING,
        interval_s=polled.interval_s,
        failures=polled.failures + 1,
        error=f"http-{HTTP_GONE}",
        state=FeedState.GONE,
        why="the server says that the feed is gone for good (410): not asking again",
    )


def _error(polled: Polled) -> str | None:
    if polled.failure is not None:
        return polled.failure
    if polled.status == HTTP_NOT_MODIFIED and polled.last_error in UNREADABLE:
        return polled.last_error
    is_failure = polled.status is not None and polled.status >= HTTP_ERROR
    return f"http-{polled.status}" if is_failure else None


def _weight(polled: Polled, error: str) -> float:
    if polled.status == HTTP_NOT_MODIFIED:
        return 0.0  # the failure of before, told once more
    return WEIGHTS.get(error, PASSING if error.startswith("http-5") else 1.0)


def _own_pace(polled: Polled, limits: Limits) -> _Wait:
    """Follow the feed's rhythm, or its document's turnover where that is faster."""
    found = _finding(polled)
    if polled.sitemaps_waiting:
        left = "1 sitemap is" if polled.sitemaps_waiting == 1 else f"{polled.sitemaps_waiting} sitemaps are"
        return _Wait(limits.shortest, f"{found}, and {left} left to read")
    if polled.rhythm is None:
        return _Wait(polled.interval_s, found)
    wait = _Wait(
        pause(polled.rhythm, polled.now, longest=limits.longest),
        f"{found}, {_frequency(a_day(polled.rhythm, polled.now))} of late",
    )
    share = polled.new_entries / polled.entries if polled.entries else 0.0
    if polled.elapsed_s is None or share == 0.0:
        return wait
    turned_over = polled.elapsed_s / (share * TURNOVERS)
    if turned_over >= wait.seconds:
        return wait
    return _Wait(turned_over, f"{found} of {polled.entries}, which is fast")


def _finding(polled: Polled) -> str:
    if polled.new_entries:
        return f"{polled.new_entries} new {'entry' if polled.new_entries == 1 else 'entries'}"
    return "changed, but no new entries" if polled.changed else "nothing new"


def _frequency(daily: float) -> str:
    if daily >= 0.95:
        return f"about {daily:.0f} a day"
    return f"about {7 * daily:.0f} a week" if 7 * daily >= 0.95 else "less than one a week"


def _backed_off(polled: Polled, error: str, failures: float, interval: float) -> _Wait:
    lasted = 0.0 if polled.failing_since is None else polled.now - polled.failing_since
    for_how_long = f", for {spoken(lasted)} now" if lasted else ""
    missing = polled.status == HTTP_NOT_FOUND and failures >= MISSING_FAILURES and lasted >= MISSING_S
    if missing or lasted >= LONG_FAILING_S:
        return _Wait(WEEK, f"failed ({error}){for_how_long}, so once a week will do")
    doublings = min(max(0.0, failures - 1), 64.0)  # beyond, a float might overflow
    ceiling = max(BACKOFF_CEILING, interval)
    return _Wait(min(interval * BACKOFF_FACTOR**doublings, ceiling), f"failed ({error}){for_how_long}")


def _no_sooner(polled: Polled, wait: _Wait, asked: tuple[Wish, ...]) -> _Wait:
    """Raise a wait to what the publisher asks for most; the jitter does not go over the longest wish."""
    longest = max(asked, key=lambda wish: wish.seconds, default=Wish(0.0, ""))
    if longest.seconds <= wait.seconds:
        return wait
    seconds = min(longest.seconds * (1 + JITTER * _share(polled.url)), HINT_CEILING)
    return _Wait(seconds, f"{wait.why}, and {longest.because.format(spoken(longest.seconds))}")


def _rested(polled: Polled, wait: _Wait) -> _Wait:
    """Put a poll off that would fall into hours or days of rest."""
    at = polled.now + wait.seconds
    opens = opening(polled.asked.hints, at)
    if opens == at:
        return wait
    late = OPENING_JITTER_S * _share(polled.url)
    return _Wait(opens + late - polled.now, f"{wait.why}, and it rests until then (skipHours, skipDays)")


def _share(url: str) -> float:
    """Return a number in [0, 1) that is always the same for a URL, on every machine (`hash` is salted)."""
    return int.from_bytes(hashlib.sha256(url.encode()).digest()[:4]) / 2**32


def spoken(seconds: float) -> str:
    """Say a duration in the largest unit that keeps it readable: 45 s, 15 min, 3 h, 2 days."""
    for unit, length, until in (("s", 1.0, 90.0), ("min", 60.0, 5_400.0), ("h", 3_600.0, 2 * DAY)):
        if seconds < until:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / DAY:.0f} days"
