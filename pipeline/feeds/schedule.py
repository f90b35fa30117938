"""Decide when a feed is asked next. Pure: what happened goes in, a decision and its reason come out.

An interval that adapts to the feed, a back-off while it fails, what the publisher asks for as a floor, and a
jitter that spreads feeds over time: in this order, each a step of `decide`.
"""

import hashlib
from dataclasses import dataclass

from pipeline.model import FeedState

DAY = 86_400.0  # seconds
FASTER = (
    0.5  # factor on the interval when a poll found new entries: catches up with a busy hour in three polls
)
SLOWER = 1.5  # factor when it found none: a night of quiet polls costs about ten requests
BACKOFF_FACTOR = 2.0  # per failure in a row
BACKOFF_CEILING = DAY  # a surprising number of feeds come back: none is ever given up
HINT_CEILING = 7 * DAY  # longer wishes of a publisher are mistakes more often than wishes
JITTER = 0.1  # of the wait, added; never subtracted, so that floors hold
HTTP_GONE = 410
HTTP_ERROR = 400  # the first status that is a failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Hold the shortest and longest interval in seconds (WIREROOM_POLL_MIN and _MAX)."""

    shortest: float
    longest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """Say what was known of a feed before a poll and what the poll met. Durations are seconds."""

    url: str
    state: FeedState
    interval_s: float
    failures: float  # in a row, before this poll
    status: int | None  # of the last answer; None when there was none
    failure: str | None  # a slug of FetchSlug or FeedSlug; None when the answer was usable
    changed: bool  # False for 304 and for a body as before
    new_entries: int
    retry_after_s: float | None  # what Retry-After asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Say when to ask next and why; `interval_s` is the feed's own rhythm, without back-off and floors."""

    wait_s: float  # from the moment of the poll, by the store's clock
    interval_s: float
    failures: float
    state: FeedState
    why: str


@dataclass(frozen=True, slots=True)
class _Wait:
    seconds: float
    why: str


def decide(polled: Polled, limits: Limits) -> Decision:
    """Decide when to ask a feed again, from one poll's outcome."""
    if polled.status == HTTP_GONE:
        return _gone(polled)
    failure = _failure(polled)
    failures = polled.failures + 1 if failure else 0.0
    interval = _bounded(polled.interval_s * _pace(polled, failure), limits)
    wait = _backed_off(failure, failures, interval) if failure else _Wait(interval, _finding(polled))
    wait = _no_sooner(wait, polled.retry_after_s, "the server asks for it")
    seconds = wait.seconds * (1 + JITTER * _share(polled.url))
    return Decision(
        wait_s=seconds,
        interval_s=interval,
        failures=failures,
        state=FeedState.ACTIVE if polled.state is FeedState.GONE and not failure else polled.state,
        why=f"{wait.why}: asking again in {spoken(seconds)}",
    )


def _gone(polled: Polled) -> Decision:
    return Decision(
        wait_s=HINT_CEILING,
        interval_s=polled.interval_s,
        failures=polled.failures + 1,
        state=FeedState.GONE,
        why="the server says that the feed is gone for good (410): not asking again",
    )


def _failure(polled: Polled) -> str | None:
    if polled.failure is None and polled.status is not None and polled.status >= HTTP_ERROR:
        return f"http-{polled.status}"
    return polled.failure


def _pace(polled: Polled, failure: str | None) -> float:
    if failure:
        return 1.0  # a failure says nothing about how often the feed has news
    return FASTER if polled.new_entries else SLOWER


def _bounded(interval: float, limits: Limits) -> float:
    return min(max(interval, limits.shortest), limits.longest)


def _backed_off(failure: str, failures: float, interval: float) -> _Wait:
    ceiling = max(BACKOFF_CEILING, interval)
    doublings = min(failures - 1, 64)  # beyond, a float might overflow
    times = "" if failures < 2 else f", {failures:.0f} times in a row"
    return _Wait(min(interval * BACKOFF_FACTOR**doublings, ceiling), f"failed ({failure}{times})")


def _finding(polled: Polled) -> str:
    if polled.new_entries:
        return f"{polled.new_entries} new {'entry' if polled.new_entries == 1 else 'entries'}"
    return "changed, but no new entries" if polled.changed else "nothing new"


def _no_sooner(wait: _Wait, floor: float | None, because: str) -> _Wait:
    """Raise a wait to what a publisher asks for, within HINT_CEILING."""
    if floor is None or min(floor, HINT_CEILING) <= wait.seconds:
        return wait
    return _Wait(min(floor, HINT_CEILING), f"{wait.why}, and {because}")


def _share(url: str) -> float:
    """Return a number in [0, 1) that is always the same for a URL, on every machine (`hash` is salted)."""
    return int.from_bytes(hashlib.sha256(url.encode()).digest()[:4]) / 2**32


def spoken(seconds: float) -> str:
    """Say a duration in the largest unit that keeps it readable: 45 s, 15 min, 3 h, 2 days."""
    for unit, length, until in (("s", 1.0, 90.0), ("min", 60.0, 5_400.0), ("h", 3_600.0, 2 * DAY)):
        if seconds < until:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / DAY:.0f} days"
