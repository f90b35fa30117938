"""What is known of the hours and weekdays at which a feed has news."""

import json

import pytest

from pipeline.feeds.rhythm import (
    DAY,
    HOUR,
    Rhythm,
    a_day,
    first_rhythm,
    heard,
    hour_of,
    pause,
    unpacked,
    weekday_of,
)

MONDAY = 20_010 * DAY  # 2024-10-14, 00:00 UTC


def office() -> Rhythm:
    """Give a feed watched for four weeks: an entry at each hour from 8 to 17, Monday to Friday."""
    dates = [
        MONDAY - (28 - day) * DAY + hour * HOUR for day in range(28) if day % 7 < 5 for hour in range(8, 18)
    ]
    return first_rhythm(dates, MONDAY)


def test_hours_and_weekdays_are_utc() -> None:
    assert [weekday_of(MONDAY + day * DAY) for day in range(7)] == [0, 1, 2, 3, 4, 5, 6]
    assert [hour_of(MONDAY + hour * HOUR) for hour in (0, 9.5, 23.99)] == [0, 9, 23]


def test_it_is_asked_often_when_it_has_news_and_seldom_at_night_and_on_sunday() -> None:
    at_ten = pause(office(), MONDAY + 10 * HOUR, longest=DAY)
    at_night = pause(office(), MONDAY + DAY, longest=DAY)
    on_sunday = pause(office(), MONDAY - 14 * HOUR, longest=DAY)
    assert at_ten < 25 * 60
    assert at_night > 2 * at_ten
    assert on_sunday > 2 * at_ten


def test_a_wait_through_the_night_ends_when_the_morning_begins() -> None:
    assert pause(office(), MONDAY + 7 * HOUR, longest=DAY) < pause(office(), MONDAY + 3 * HOUR, longest=DAY)


def test_a_first_document_tells_the_rate() -> None:
    six_hourly = [MONDAY - number * 6 * HOUR for number in range(40)]
    assert a_day(first_rhythm(six_hourly, MONDAY), MONDAY) == pytest.approx(4, abs=0.5)


def test_one_pinned_entry_of_years_ago_does_not_count() -> None:
    recent = [MONDAY - number * HOUR for number in range(20)]
    with_pinned = first_rhythm([*recent, MONDAY - 2_000 * DAY], MONDAY)
    assert a_day(with_pinned, MONDAY) == pytest.approx(a_day(first_rhythm(recent, MONDAY), MONDAY), rel=0.2)


def test_dates_in_the_future_count_for_nothing() -> None:
    assert first_rhythm([MONDAY + DAY], MONDAY) == first_rhythm([], MONDAY)


def test_a_feed_that_falls_silent_is_asked_ever_less() -> None:
    waits = [pause(office(), MONDAY + weeks * 7 * DAY, longest=DAY) for weeks in (0, 2, 8, 30, 100)]
    assert waits == sorted(waits)
    assert waits[-1] > 6 * HOUR


def test_one_that_speaks_again_is_asked_more_often_at_once() -> None:
    silent = office()
    later = MONDAY + 60 * DAY
    awake = heard(silent, [later - HOUR, later - 2 * HOUR], later)
    assert pause(awake, later, longest=DAY) < pause(silent, later, longest=DAY) / 1.5


def test_counts_halve_in_two_weeks() -> None:
    assert sum(heard(office(), (), MONDAY + 14 * DAY).hours) == pytest.approx(sum(office().hours) / 2)


def test_it_is_kept_in_few_bytes_and_read_back_as_it_was() -> None:
    packed = office().packed()
    assert len(json.dumps(packed)) < 300
    assert unpacked(packed).packed() == packed


def test_nothing_is_known_of_a_feed_without_dates() -> None:
    unknown = first_rhythm([], MONDAY)
    assert pause(unknown, MONDAY, longest=DAY) == pytest.approx(0.25 * 24**0.5 * HOUR)
    assert pause(unknown, MONDAY, longest=HOUR) == HOUR
