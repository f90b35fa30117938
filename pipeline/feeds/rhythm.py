"""Know a feed's rhythm: how much news it has at which hour and on which weekday, in UTC. Pure.

Counts of entries by hour and by weekday, and of the days that were watched, all halved every two weeks: some
200 bytes on the feed's row, however long it is watched.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

HOUR = 3_600.0
DAY = 24 * HOUR
WEEK = 7 * DAY
HALF_LIFE = 14 * DAY
"""Long enough to know weekdays apart, short enough to follow a feed whose habits change within a month."""

LOOK_BACK = 2 * HALF_LIFE
"""How far back a first document tells of the rhythm: a blog's oldest entry may be ten years old."""

KNOWN_DAYS_FOR_HOURS = 2.0
KNOWN_DAYS_FOR_WEEKDAYS = 10.0
"""Days watched (decayed) from which on hours and weekdays are told apart: before, all look alike."""

PRIOR_ENTRIES = 0.25
PRIOR_DAYS = 0.25
"""What is believed of a feed that nothing is known of: an entry a day, as if watched for six hours."""

EVEN = 12.0
"""Entries, spread evenly, that are mixed into each profile: a few real ones must not silence other hours."""

FAINTEST = 0.1
"""The least that an hour or a weekday counts against the mean: nights have news, too."""

PATIENCE = 3.0
"""Entries that were due and did not come, from which on the feed counts as quieter than its rhythm."""

EFFORT = 0.25
"""The time between two polls is this many hours over the square root of the entries expected an hour: an
hourly feed is asked every 15 minutes. Requests so shared out give the least delay an entry for their number.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """Hold decayed counts as they were at a moment (seconds since the epoch)."""

    at: float
    watched_days: float
    newest_at: float  # when the newest entry came
    hours: tuple[float, ...]  # entries by hour, 0 to 23
    weekdays: tuple[float, ...]  # entries by weekday, 0 Monday

    def packed(self) -> list[float]:
        """Write it as a short list of numbers; `unpacked` reads it."""
        counts = [round(count, 2) for count in (*self.hours, *self.weekdays)]
        return [round(self.at), round(self.watched_days, 3), round(self.newest_at), *counts]


def unpacked(numbers: Sequence[float]) -> Rhythm:
    """Read what `packed` wrote."""
    at, watched_days, newest_at, *counts = numbers
    return Rhythm(
        at=at,
        watched_days=watched_days,
        newest_at=newest_at,
        hours=tuple(counts[:24]),
        weekdays=tuple(counts[24:31]),
    )


def first_rhythm(dates: Sequence[float], now: float) -> Rhythm:
    """Learn from the dates of a feed's first document.

    It reaches back twice the median age, so that one pinned or forgotten entry does not count for years.
    """
    ages = [now - at for at in dates if at <= now]
    span = min(2 * median(ages), LOOK_BACK) if ages else 0.0
    empty = Rhythm(at=now, watched_days=_days(span), newest_at=now, hours=(0.0,) * 24, weekdays=(0.0,) * 7)
    recent = [now - age for age in ages if age <= span]
    return _counted(empty, recent, now, newest_at=max(recent, default=now))


def heard(rhythm: Rhythm, arrivals: Sequence[float], now: float) -> Rhythm:
    """Count entries that came at some moments up to now."""
    faded = _fading(now - rhythm.at)
    counts = Rhythm(
        at=now,
        watched_days=rhythm.watched_days * faded + _days(now - rhythm.at),
        newest_at=rhythm.newest_at,
        hours=tuple(count * faded for count in rhythm.hours),
        weekdays=tuple(count * faded for count in rhythm.weekdays),
    )
    return _counted(counts, arrivals, now, newest_at=max((rhythm.newest_at, *arrivals)))


def a_day(rhythm: Rhythm, now: float) -> float:
    """Tell how many entries a day it has of late."""
    counted = heard(rhythm, (), now)
    return (sum(counted.hours) + PRIOR_ENTRIES) / (counted.watched_days + PRIOR_DAYS)


def pause(rhythm: Rhythm, now: float, *, longest: float) -> float:
    """Tell how long to wait from now, in seconds: through quiet hours, but not into busy ones."""
    hourly = _hourly(rhythm, now)
    quieter = max(1.0, _awaited(hourly, rhythm.newest_at, now) / PATIENCE)
    effort = 0.0
    for at, hours in _by_hour(now, now + longest):
        pull = math.sqrt(_at(hourly, at) / quieter)
        if effort + pull * hours >= EFFORT:
            return at + (EFFORT - effort) / pull * HOUR - now
        effort += pull * hours
    return longest


def _fading(seconds: float) -> float:
    return math.exp2(-max(0.0, seconds) / HALF_LIFE)


def _days(seconds: float) -> float:
    """Turn a time that was watched up to now into days, each faded by its age."""
    return (1 - _fading(seconds)) * HALF_LIFE / math.log(2) / DAY


def _counted(rhythm: Rhythm, arrivals: Sequence[float], now: float, *, newest_at: float) -> Rhythm:
    hours, weekdays = list(rhythm.hours), list(rhythm.weekdays)
    for at in arrivals:
        weight = _fading(now - at)
        hours[hour_of(at)] += weight
        weekdays[weekday_of(at)] += weight
    return Rhythm(
        at=rhythm.at,
        watched_days=rhythm.watched_days,
        newest_at=newest_at,
        hours=tuple(hours),
        weekdays=tuple(weekdays),
    )


def hour_of(at: float) -> int:
    """Tell the hour of the day, UTC."""
    return int(at // HOUR) % 24


def weekday_of(at: float) -> int:
    """Tell the weekday, UTC, 0 Monday; the epoch began on a Thursday."""
    return int(at // DAY + 3) % 7


@dataclass(frozen=True, slots=True)
class _Hourly:
    mean: float  # entries an hour
    hours: tuple[float, ...]  # factors on it
    weekdays: tuple[float, ...]


def _hourly(rhythm: Rhythm, now: float) -> _Hourly:
    knows_hours = rhythm.watched_days >= KNOWN_DAYS_FOR_HOURS
    knows_weekdays = rhythm.watched_days >= KNOWN_DAYS_FOR_WEEKDAYS
    return _Hourly(
        a_day(rhythm, now) / 24,
        _profile(_smooth(rhythm.hours)) if knows_hours else (1.0,) * 24,
        _profile(rhythm.weekdays) if knows_weekdays else (1.0,) * 7,
    )


def _smooth(hours: Sequence[float]) -> tuple[float, ...]:
    return tuple((hours[hour - 1] + 2 * hours[hour] + hours[(hour + 1) % 24]) / 4 for hour in range(24))


def _profile(counts: Sequence[float]) -> tuple[float, ...]:
    whole, share = sum(counts) + EVEN, EVEN / len(counts)
    return tuple(max(FAINTEST, (count + share) / whole * len(counts)) for count in counts)


def _at(hourly: _Hourly, at: float) -> float:
    return hourly.mean * hourly.hours[hour_of(at)] * hourly.weekdays[weekday_of(at)]


def _awaited(hourly: _Hourly, since: float, until: float) -> float:
    """Tell how many entries would have come in between; whole weeks count by the mean."""
    weeks = max(0.0, until - since) // WEEK
    rest = _by_hour(since + weeks * WEEK, until)
    return weeks * 7 * 24 * hourly.mean + sum(_at(hourly, at) * hours for at, hours in rest)


def _by_hour(since: float, until: float) -> Iterator[tuple[float, float]]:
    """Cut a time at each full hour: where a piece begins, and its length in hours."""
    at = since
    while at < until:
        end = min((at // HOUR + 1) * HOUR, until)
        yield at, (end - at) / HOUR
        at = end
