"""Read what a feed's document asks of its readers: ttl, skipHours, skipDays, and the syndication module's.

feedparser gives ttl and `sy:`; of skipHours and skipDays it keeps the last one, so those are read here.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline.model import FeedHints

_LONGEST_LIST = 4_096  # bytes of a skipHours or skipDays; all 24 hours take some 500
_PERIODS_S = {
    "hourly": 3_600.0,
    "daily": 86_400.0,
    "weekly": 7 * 86_400.0,
    "monthly": 30 * 86_400.0,
    "yearly": 365 * 86_400.0,
}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HOUR = re.compile(rb"<hour\s*>\s*(\d{1,2})\s*</hour\s*>")
_DAY = re.compile(rb"<day\s*>\s*([a-z]{6,9})\s*</day\s*>")


def read_hints(feed: Mapping[str, Any], body: bytes) -> FeedHints:
    """Read the hints of an RSS, RDF or Atom document from feedparser's `feed` and the document itself.

    What is not well formed, asks for nothing, or would never let the feed be read, is left out.
    """
    return FeedHints(
        ttl_s=_ttl_s(_text(feed, "ttl")),
        update_period_s=_period_s(_text(feed, "sy_updateperiod"), _text(feed, "sy_updatefrequency")),
        update_base=_moment(_text(feed, "sy_updatebase")),
        skip_hours=_skip_hours(_list(body, b"skiphours")),
        skip_days=_skip_days(_list(body, b"skipdays")),
    )


def _text(feed: Mapping[str, Any], key: str) -> str:
    value = dict.get(feed, key) if isinstance(feed, dict) else None
    return value.strip()[:64] if isinstance(value, str) else ""


def _positive(written: str) -> float | None:
    try:
        number = float(written)
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None


def _ttl_s(written: str) -> float | None:
    minutes = _positive(written)
    return None if minutes is None else minutes * 60


def _period_s(period: str, frequency: str) -> float | None:
    """Divide updatePeriod by updateFrequency; where one is missing the module's default stands."""
    if not period and not frequency:
        return None
    seconds, times = _PERIODS_S.get(period.lower() or "daily"), _positive(frequency or "1")
    return None if seconds is None or times is None else seconds / times


def _moment(written: str) -> float | None:
    try:
        moment = datetime.fromisoformat(written)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _list(body: bytes, name: bytes) -> bytes:
    """Cut a list out of a document, in small letters: the first of its name."""
    text = body.replace(b"\0", b"").lower()  # \0: UTF-16
    start = text.find(b"<" + name)
    end = text.find(b"</" + name, start, start + _LONGEST_LIST) if start >= 0 else -1
    return text[start:end] if end >= 0 else b""


def _skip_hours(written: bytes) -> frozenset[int]:
    # RSS 0.91 counted from 1 to 24, which is midnight.
    hours = frozenset(int(hour) % 24 for hour in _HOUR.findall(written) if int(hour) <= 24)
    return hours if len(hours) < 24 else frozenset()


def _skip_days(written: bytes) -> frozenset[int]:
    names = {day.decode() for day in _DAY.findall(written)}
    days = frozenset(number for number, name in enumerate(_DAYS) if name in names)
    return days if len(days) < 7 else frozenset()
