"""Dates as people write them in a search: `2026`, `2026-01`, `2026-01-31`, RFC 3339, `7d`, `24h`, `2w`."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

SECONDS = {"h": 3_600, "d": 86_400, "w": 604_800}
AGO = re.compile(r"(\d{1,5})([hdw])")
DAY = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?")
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(?:\.\d{1,9})?)?([Zz]|[+-]\d{2}:\d{2})?")
FORMS = "2026-01-31, 2026-01, 2026, 2026-01-31T18:00:00Z, 7d, 24h or 2w"


@dataclass(frozen=True, slots=True)
class Period:
    """Hold the half-open span that a written date covers, in seconds since the epoch."""

    start: float
    end: float
    relative: bool = False  # written as `7d`: a moment, from which `published:7d` reaches to now


def read_period(text: str, *, now: float, zone: tzinfo = UTC) -> Period | None:
    """Read a written date; None when it is none. Dates without an offset are of `zone`."""
    if ago := AGO.fullmatch(text):
        moment = now - int(ago[1]) * SECONDS[ago[2]]
        return Period(moment, moment, relative=True)
    try:
        return _calendar_period(text, zone) if DAY.fullmatch(text) else _clock_period(text, zone)
    except (ValueError, OverflowError):
        return None


def _calendar_period(text: str, zone: tzinfo) -> Period:
    year, *rest = (int(part) for part in text.split("-"))
    month, day = [*rest, 1, 1][:2]
    start = datetime(year, month, day, tzinfo=zone)
    if len(rest) == 2:
        end = datetime.combine(start.date() + timedelta(days=1), start.time(), zone)
    elif len(rest) == 1:
        end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone)
    else:
        end = datetime(year + 1, 1, 1, tzinfo=zone)
    return Period(start.timestamp(), end.timestamp())


def _clock_period(text: str, zone: tzinfo) -> Period | None:
    match = MOMENT.fullmatch(text)
    if match is None:
        return None
    moment = datetime.fromisoformat(text.upper())
    start = (moment if match[2] else moment.replace(tzinfo=zone)).timestamp()
    return Period(start, start + (1 if match[1] else 60))
