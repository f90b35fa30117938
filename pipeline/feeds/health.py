"""Whether a feed is well, by its own history and that of the others: pure, facts in, ailments out.

A feed is *silent* when it answers and brings nothing for much longer than it ever did before. In a quiet
August most feeds bring less: then its silence counts only by the share that the others still bring of what
they brought in the weeks before, and a feed that is within its rhythm so reckoned is *quiet*, not silent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

DAY_S = 86_400.0

SILENCE = 1.5
"""Times the longest silence before that is one too many."""

SHORTEST_SILENCE_S = DAY_S
"""A feed that never paused for an hour may still pause for a night."""

FEWEST_ENTRIES = 5
"""With fewer there is no rhythm to compare with."""

FEWEST_FEEDS = 5
"""With fewer others nobody knows whether it is August."""

LATE_S = 3 * 3_600.0
"""A median lag from publication to first sight above this is slow: no floor of polling explains it."""

FEWEST_LAGS = 5

RECENT_TEXTS = 10
SHORTENED = 0.5
"""The share of their earlier median length below which recent texts got short: a wall went up, or the page's
build changed and its text is not found any more."""

REDUNDANT = 0.9
"""The share of a feed's articles that another feed of its host shows, too, from which it adds nothing."""


class Ailment(StrEnum):
    """Name what may be wrong with a feed."""

    FAILING = "failing"
    SILENT = "silent"
    QUIET = "quiet"  # silent like the others: no ailment, but told
    SLOW = "slow"
    SHORT = "short"
    REDUNDANT = "redundant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Hold what is known of one feed. None: it cannot be told."""

    is_failing: bool
    is_active: bool
    entries: int  # with a time, in the history that is looked at
    silence_s: float | None  # from its newest entry to its last good answer
    longest_silence_s: float | None  # between two entries, before
    lags_s: Sequence[float]  # from publication to first sight
    text_lengths: Sequence[int]  # newest first
    most_shared: float  # of its articles with one other feed of its host


def judge(facts: Facts, *, season: float) -> tuple[Ailment, ...]:
    """Name what ails a feed, at a time at which feeds bring the share `season` of what they used to."""
    found = [Ailment.FAILING] if facts.is_failing else []
    silence = _silence(facts, season)
    found += [silence] if silence else []
    if len(facts.lags_s) >= FEWEST_LAGS and median(facts.lags_s) > LATE_S:
        found.append(Ailment.SLOW)
    recent, before = text_medians(facts.text_lengths)
    if recent is not None and before is not None and recent < SHORTENED * before:
        found.append(Ailment.SHORT)
    if facts.most_shared >= REDUNDANT:
        found.append(Ailment.REDUNDANT)
    return tuple(found)


def _silence(facts: Facts, season: float) -> Ailment | None:
    if not facts.is_active or facts.entries < FEWEST_ENTRIES:
        return None
    if facts.silence_s is None or facts.longest_silence_s is None:
        return None
    allowed = SILENCE * max(facts.longest_silence_s, SHORTEST_SILENCE_S)
    if facts.silence_s <= allowed:
        return None
    return Ailment.SILENT if facts.silence_s * season > allowed else Ailment.QUIET


def season(shares: Sequence[float]) -> float:
    """Reckon how much feeds bring now of what they brought in the weeks before, at most 1: the median."""
    return min(1.0, median(shares)) if len(shares) > FEWEST_FEEDS else 1.0


def text_medians(lengths: Sequence[int]) -> tuple[float | None, float | None]:
    """Give the median length of the newest texts, and of those before; None where there are too few."""
    recent, before = lengths[:RECENT_TEXTS], lengths[RECENT_TEXTS:]
    return tuple(median(each) if len(each) >= RECENT_TEXTS else None for each in (recent, before))  # type: ignore[return-value]
