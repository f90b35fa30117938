"""When a feed's address is rewritten: after permanent redirects to the same address, for long enough. Pure.

One permanent redirect may be a mistake of an evening; a rewritten address lasts (RFC 9110 §15.4.2 allows it).
"""

from dataclasses import dataclass

from pipeline.feeds.rhythm import DAY

SIGHTINGS = 3
DAYS = 2  # different ones, UTC
PERMANENT = frozenset({301, 308})  # RFC 9110 §15.4: from now on use the new address


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """Hold where permanent redirects led, how often in a row, and since when (seconds since the epoch)."""

    to: str | None = None
    seen: int = 0
    since: float | None = None


STAYING = Moving()


def sighted(before: Moving, *, target: str | None, now: float) -> Moving:
    """Count a poll that ended well at `target`; None: at its own address, or by a temporary redirect."""
    if target is None:
        return STAYING
    if target != before.to:
        return Moving(to=target, seen=1, since=now)
    return Moving(to=target, seen=before.seen + 1, since=before.since)


def has_moved(moving: Moving, now: float) -> bool:
    """Tell whether the address is to be rewritten."""
    since = now if moving.since is None else moving.since
    return moving.seen >= SIGHTINGS and now // DAY - since // DAY >= DAYS - 1
