"""Simulate a week of 200 real feeds under the product's schedule, and under two fixed pollers.

Nothing is asked: each feed's entries come at the dates of its cached document, the week ends with the newest
entry of all, and `decide` is told what each poll would have met. A feed whose document does not reach back
two weeks is given its own dates again, moved back by whole weeks, days or, where it reaches back less than a
day, by its span. Documents are as long as the cached ones; entries that scroll out unseen are counted.
`a feed` is the median over the feeds of each one's median, which rare feeds decide; the other delays are over
entries, which busy feeds decide.

    python -m bench.freshness [--feeds 200] [--settled 0]

`--settled` begins so many days before the week that is counted: the schedule knows its feeds by then.
Exit 1 when the schedule sends as many requests as the poller of 15 minutes, or its median is worse.
"""

import argparse
import hashlib
import math
import sys
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from bench.corpus_web import cached_feeds
from pipeline.feeds.hints import Asked
from pipeline.feeds.parsing import FeedError, parse_feed
from pipeline.feeds.rhythm import DAY, WEEK, Rhythm, first_rhythm, heard
from pipeline.feeds.schedule import Limits, Polled, decide
from pipeline.settings import Settings

MINUTE = 60.0
HISTORY_S = 8 * WEEK  # of each feed's dates: what a first document may show
FIXED = (15 * MINUTE, 60 * MINUTE)


@dataclass(frozen=True, slots=True)
class Feed:
    """Hold when a feed's entries come (seconds since the epoch, in order) and how many it shows at once."""

    url: str
    arrivals: tuple[float, ...]
    shown: int

    def between(self, since: float, until: float) -> tuple[float, ...]:
        """Give the arrivals after a moment, up to another."""
        return self.arrivals[bisect_right(self.arrivals, since) : bisect_right(self.arrivals, until)]

    def document(self, at: float) -> tuple[float, ...]:
        """Give the dates that the feed shows at a moment."""
        end = bisect_right(self.arrivals, at)
        return self.arrivals[max(0, end - self.shown) : end]


@dataclass(frozen=True, slots=True)
class Run:
    """Hold what one way of polling cost and brought. Delays are in seconds from date to poll."""

    requests: int
    by_feed: tuple[tuple[float, ...], ...]
    unseen: int

    @property
    def delays(self) -> tuple[float, ...]:
        """Give the delays of all entries."""
        return tuple(delay for delays in self.by_feed for delay in delays)


Wait = Callable[[Feed, float, Sequence[float], "float | None"], float]
"""Tell how long to wait after a poll at a moment that met some new entries, from the poll before on."""


def read_feeds(count: int) -> tuple[list[Feed], float]:
    """Read the cached feeds that have dates, and when they were cached: at the newest date of all."""
    dated = [(source.url, *_dates(source.url, source.body)) for source in cached_feeds(count)]
    dated = [each for each in dated if each[1]]
    end = max(dates[-1] for _, dates, _ in dated)
    return [Feed(url, _repeated(dates, end), shown) for url, dates, shown in dated], end


def simulate(
    feeds: Sequence[Feed], begin: float, counted: float, end: float, wait_of: Callable[[], Wait]
) -> Run:
    """Poll all feeds from a moment on; count requests and delays of what came after another one."""
    requests, by_feed, unseen = 0, list[tuple[float, ...]](), 0
    for feed in feeds:
        wait, before, delays = wait_of(), None, list[float]()
        at = begin + _share(feed.url) * 15 * MINUTE  # a list's first polls do not come all at once
        while at < end or (before is not None and feed.between(before, end)):
            shown = feed.document(at)
            new = [date for date in shown if before is None or date > before]
            if before is not None and at >= counted:
                due = [date for date in new if counted <= date < end]
                delays += [at - date for date in due]
                unseen += len(feed.between(max(before, counted), min(at, end))) - len(due)
            requests += counted <= at < end
            step = wait(feed, at, new, before)
            before, at = at, at + step
        by_feed.append(tuple(delays))
    return Run(requests, tuple(by_feed), unseen)


def fixed(interval_s: float) -> Callable[[], Wait]:
    """Poll in equal steps."""
    return lambda: lambda _feed, _at, _new, _before: interval_s


def scheduled(limits: Limits) -> Callable[[], Wait]:
    """Poll as the product does."""

    def begin() -> Wait:
        rhythm: Rhythm | None = None
        interval_s = limits.shortest

        def wait(feed: Feed, at: float, new: Sequence[float], before: float | None) -> float:
            nonlocal rhythm, interval_s
            rhythm = first_rhythm(new, at) if rhythm is None else heard(rhythm, new, at) if new else rhythm
            decision = decide(_polled(feed, at, new, before, rhythm, interval_s), limits)
            interval_s = decision.interval_s
            return decision.wait_s

        return wait

    return begin


def table(runs: Sequence[tuple[str, Run]]) -> str:
    """Lay out what each way of polling cost and brought."""
    heads = ("requests", "entries", "median", "p90", "mean", "a feed", "unseen")
    lines = [f"{'poller':>22} " + " ".join(f"{head:>8}" for head in heads)]
    for name, run in runs:
        p90 = quantiles(run.delays, n=10)[-1]
        a_feed = median(median(delays) for delays in run.by_feed if delays)
        times = (median(run.delays), p90, sum(run.delays) / len(run.delays), a_feed)
        spoken = " ".join(f"{seconds / MINUTE:6.1f} m" for seconds in times)
        lines.append(f"{name:>22} {run.requests:8,} {len(run.delays):8,} {spoken} {run.unseen:8,}")
    return "\n".join(lines)


def main() -> None:
    """Simulate, print the table, and exit 1 when the schedule is no better."""
    parser = argparse.ArgumentParser(prog="python -m bench.freshness", description=__doc__.splitlines()[0])
    parser.add_argument("--feeds", type=int, default=200, help="how many of the cached feeds (default: 200)")
    parser.add_argument("--settled", type=float, default=0.0, help="days watched before (default: 0)")
    arguments = parser.parse_args()
    feeds, end = read_feeds(arguments.feeds)
    fields = Settings.model_fields
    limits = Limits(shortest=fields["poll_min"].default, longest=fields["poll_max"].default)
    counted = end - WEEK
    span = (counted - arguments.settled * DAY, counted, end)
    ours = simulate(feeds, *span, scheduled(limits))
    others = [simulate(feeds, *span, fixed(interval_s)) for interval_s in FIXED]
    print(f"{len(feeds)} feeds with dates, one week after {arguments.settled:g} days")
    names = ["Wireroom's schedule", *(f"every {interval_s / MINUTE:.0f} minutes" for interval_s in FIXED)]
    print(table(list(zip(names, [ours, *others], strict=True))))
    better = ours.requests < others[0].requests and median(ours.delays) <= median(others[0].delays)
    print("fewer requests at a median that is no worse" if better else "no better than every 15 minutes")
    sys.exit(0 if better else 1)


def _polled(
    feed: Feed, at: float, new: Sequence[float], before: float | None, rhythm: Rhythm, interval_s: float
) -> Polled:
    return Polled(
        was_detour=False,
        url=feed.url,
        now=at,
        interval_s=interval_s,
        elapsed_s=None if before is None else at - before,
        failures=0.0,
        failing_since=None,
        last_error=None,
        status=200 if new else 304,
        failure=None,
        changed=bool(new),
        entries=feed.shown,
        new_entries=len(new),
        rhythm=rhythm,
        asked=Asked(),
    )


def _dates(url: str, body: bytes) -> tuple[list[float], int]:
    try:
        entries = parse_feed(body, url=url, headers=()).entries
    except FeedError:
        return [], 0
    return sorted(entry.published_at for entry in entries if entry.published_at), len(entries)


def _repeated(dates: Sequence[float], end: float) -> tuple[float, ...]:
    """Carry a feed's dates back over HISTORY_S before the end, or leave them where they reach so far."""
    span = dates[-1] - dates[0]
    if span >= 2 * WEEK or dates[-1] < end - 2 * WEEK or len(dates) < 2:
        return tuple(date for date in dates if date <= end)
    unit = next((unit for unit in (WEEK, DAY) if span >= unit), max(span * 1.01, MINUTE))
    step = math.ceil(span / unit) * unit
    copies = math.ceil(HISTORY_S / step)
    return tuple(sorted(date - copy * step for copy in range(copies) for date in dates))


def _share(url: str) -> float:
    return int.from_bytes(hashlib.sha256(url.encode()).digest()[4:8]) / 2**32


if __name__ == "__main__":
    main()
