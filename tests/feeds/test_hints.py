"""What publishers ask of readers, in headers and in documents."""

import json

import pytest

from pipeline.feeds.hints import Asked, fresh_for, opening, unpacked
from pipeline.feeds.rhythm import DAY, HOUR
from pipeline.model import FeedHints

DATE = ("Date", "Mon, 10 Feb 2025 10:00:00 GMT")
NOON = 20_000 * DAY + 12 * HOUR


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([("Cache-Control", "max-age=3600")], 3600),
        ([("cache-control", 'public, MAX-AGE="600", immutable')], 600),
        ([("Cache-Control", "public"), ("Cache-Control", "max-age=60")], 60),
        ([("Cache-Control", "max-age=3600"), ("Age", "600")], 3000),
        ([("Cache-Control", "max-age=60"), ("Age", "600")], None),
        ([("Cache-Control", "max-age=0")], None),
        ([("Cache-Control", "no-cache, max-age=3600")], None),
        ([("Cache-Control", "s-maxage=3600")], None),
        ([("Cache-Control", "max-age=soon")], None),
        ([("Cache-Control", "max-age=" + "9" * 400)], 7 * DAY),
        ([DATE, ("Expires", "Mon, 10 Feb 2025 11:00:00 GMT")], 3600),
        ([DATE, ("Expires", "Mon, 10 Feb 2025 09:00:00 GMT")], None),
        ([DATE, ("Expires", "0")], None),
        ([DATE, ("Expires", "Mon, 10 Feb 2025 11:00:00 GMT"), ("Cache-Control", "max-age=60")], 60),
        ([("Expires", "Thu, 01 Jan 1970 00:20:00 GMT")], 200),
        ([], None),
    ],
)
def test_an_answer_says_how_long_it_is_fresh(headers: list[tuple[str, str]], seconds: float | None) -> None:
    assert fresh_for(headers, fetched_at=1000.0) == seconds


@pytest.mark.parametrize(
    ("skip_hours", "at", "opens"),
    [
        (set(), NOON, NOON),
        ({13}, NOON, NOON),
        ({12}, NOON, NOON + HOUR),
        ({12, 13}, NOON + 600, NOON + 2 * HOUR),
        ({13}, NOON + HOUR - 60, NOON + 2 * HOUR),
        (set(range(24)), NOON, NOON),
    ],
    ids=["none", "later", "now", "two hours", "in a minute", "always, which is a mistake"],
)
def test_a_feed_opens_after_its_hours_of_rest(skip_hours: set[int], at: float, opens: float) -> None:
    assert opening(FeedHints(skip_hours=frozenset(skip_hours)), at) == opens


def test_days_of_rest_end_at_midnight_utc() -> None:
    weekday = int(NOON // DAY + 3) % 7
    hints = FeedHints(skip_days=frozenset({weekday, (weekday + 1) % 7}))
    assert opening(hints, NOON) == NOON + 12 * HOUR + DAY


@pytest.mark.parametrize(
    "asked",
    [
        Asked(),
        Asked(fresh_s=60.0),
        Asked(hints=FeedHints(ttl_s=3600.0, update_period_s=1.0, update_base=0.0)),
        Asked(hints=FeedHints(skip_hours=frozenset({0, 23}), skip_days=frozenset({6}))),
    ],
)
def test_what_was_asked_is_kept_as_json(asked: Asked) -> None:
    assert unpacked(json.loads(json.dumps(asked.packed()))) == asked
