"""What a publisher asks of its readers: how long not to ask, at which hours and on which days. Pure.

A wish is a floor under the next poll; those for more than HINT_CEILING are mistakes more often than wishes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.feeds.rhythm import HOUR, hour_of, weekday_of
from pipeline.fetching.classify import http_date
from pipeline.fetching.pacing import LONGEST_PAUSE_S
from pipeline.model import FeedHints

HINT_CEILING = LONGEST_PAUSE_S
MARGIN = 300.0
"""Seconds before an hour of rest that count as part of it: the publisher's clock is not ours."""

NOTHING_SAID = FeedHints()
_DIRECTIVE = re.compile(r'([\w-]+)(?:\s*=\s*"?([^",]*)"?)?')


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Hold all that a publisher asks: of an answer, and by the newest document that parsed."""

    hints: FeedHints = NOTHING_SAID
    fresh_s: float | None = None  # Cache-Control and Expires of the newest answer that had them
    retry_after_s: float | None = None  # of this answer

    def packed(self) -> dict[str, object] | None:
        """Write what outlasts an answer as JSON has it; None when nothing was asked."""
        hints = self.hints
        written = {
            "fresh_s": self.fresh_s,
            "ttl_s": hints.ttl_s,
            "update_period_s": hints.update_period_s,
            "update_base": hints.update_base,
            "skip_hours": sorted(hints.skip_hours),
            "skip_days": sorted(hints.skip_days),
        }
        return {name: value for name, value in written.items() if value not in (None, [])} or None


def unpacked(written: dict[str, object] | None) -> Asked:
    """Read what `packed` wrote."""
    facts = dict(written or {})
    fresh_s = facts.pop("fresh_s", None)
    sets = {name: frozenset(facts.pop(name, ())) for name in ("skip_hours", "skip_days")}  # type: ignore[call-overload]
    return Asked(hints=FeedHints(**facts, **sets), fresh_s=fresh_s)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Wish:
    """Hold a wait that is asked for, in seconds from now, and by what."""

    seconds: float
    because: str


def fresh_for(headers: Sequence[tuple[str, str]], fetched_at: float) -> float | None:
    """Tell how long an answer is fresh (RFC 9111 §4.2), less its Age; None when it does not say.

    `Expires` is read against the answer's own `Date`, so that neither clock has to be right.
    """
    lifetime = _max_age(headers)
    if lifetime is None:
        expires, sent = (http_date(_last(headers, name)) for name in ("expires", "date"))
        lifetime = None if expires is None else expires - (fetched_at if sent is None else sent)
    age = _last(headers, "age")
    seconds = (lifetime or 0.0) - (float(age) if age.isascii() and age.isdigit() else 0.0)
    return min(seconds, HINT_CEILING) if seconds > 0 else None


def wishes(asked: Asked, now: float) -> tuple[Wish, ...]:
    """List the waits that are asked for, none longer than HINT_CEILING."""
    hints = asked.hints
    period, base = hints.update_period_s, hints.update_base
    if period and base is not None:  # it is updated at fixed moments, and the next one is known
        period = (base - now) % period or period
    told = (
        (asked.retry_after_s, "Retry-After asks for {}"),
        (asked.fresh_s, "its answer is fresh for {} (Cache-Control, Expires)"),
        (hints.ttl_s, "its ttl asks for {}"),
        (period, "its next update comes in {} (sy:updatePeriod)"),
    )
    return tuple(Wish(min(seconds, HINT_CEILING), words) for seconds, words in told if seconds)


def opening(hints: FeedHints, at: float) -> float:
    """Return the first moment from `at` on at which the feed may be read, by skipHours and skipDays.

    `at` itself when that would be more than HINT_CEILING away: a feed that may never be read is a mistake.
    """
    moment = at
    while moment < at + HINT_CEILING:
        if not (_rests(hints, moment) or _rests(hints, moment + MARGIN)):
            return moment
        moment = (moment // HOUR + 1) * HOUR
    return at


def _rests(hints: FeedHints, at: float) -> bool:
    return hour_of(at) in hints.skip_hours or weekday_of(at) in hints.skip_days


def _max_age(headers: Sequence[tuple[str, str]]) -> float | None:
    fields = ",".join(value for name, value in headers if name.lower() == "cache-control")
    directives = {name.lower(): value.strip() for name, value in _DIRECTIVE.findall(fields)}
    if directives.keys() & {"no-cache", "no-store"}:
        return 0.0  # asks for revalidation, which is what a poll is
    age = directives.get("max-age", "")
    return float(age) if age.isascii() and age.isdigit() else None


def _last(headers: Sequence[tuple[str, str]], name: str) -> str:
    return next((value.strip() for key, value in reversed(headers) if key.lower() == name), "")
