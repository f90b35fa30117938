from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from pipeline.search.dates import read_period

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()


def hours(text: str, zone: str) -> float:
    period = read_period(text, now=NOW, zone=ZoneInfo(zone))
    assert period is not None
    return (period.end - period.start) / 3600


@pytest.mark.parametrize(
    ("day", "length"), [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25), ("2026-12-31", 24)]
)
def test_a_day_is_as_long_as_its_zone_makes_it(day: str, length: float) -> None:
    assert hours(day, "Europe/Berlin") == length


NO_DATES = (
    "soon 2026-00 2026-02-30 26-01-01 2026-1-1 0000 9999 2026-01-01T25:00 2026-01-01T10:00+99:99 7 7m 123456d"
)


@pytest.mark.parametrize("text", ["", "2026-01-01 TO", *NO_DATES.split()])
def test_what_is_no_date_is_none(text: str) -> None:
    assert read_period(text, now=NOW) is None


def test_an_offset_is_stronger_than_the_zone() -> None:
    inside = read_period("2026-01-01T10:00:00-05:00", now=NOW, zone=ZoneInfo("Asia/Tokyo"))
    assert inside is not None
    assert inside.start == datetime(2026, 1, 1, 15, tzinfo=UTC).timestamp()
