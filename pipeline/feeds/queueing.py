"""Where the new entries of a feed stand in the queue: news first, and no flood before anybody's news."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

STEP_S = 60.0
"""By how much each further entry that a feed shows at once counts as older. The newest of 2,000 without dates
stands where it should, the last as if it were 33 hours old; of twenty, where most polls end, none loses more
than twenty minutes to its neighbours' news."""


@dataclass(frozen=True, slots=True)
class Queued:
    """Hold an entry's article and its date as far as it is known, seconds since the epoch."""

    article_id: str
    published_at: float | None


def fair_places(shown: Sequence[Queued], now: float) -> Mapping[str, float]:
    """Give for each new entry, in its feed's order, the time by which it is claimed: the newest first.

    Fair queueing by virtual times (Demers, Keshav and Shenker, 1989), with a feed's poll for a flow."""
    dated = [(_dated(each, now), each.article_id) for each in shown]
    newest_first = sorted(dated, key=lambda pair: -pair[0])  # stable: without dates the feed's order counts
    return {article_id: at - STEP_S * place for place, (at, article_id) in enumerate(newest_first)}


def _dated(shown: Queued, now: float) -> float:
    return min(shown.published_at, now) if shown.published_at else now
