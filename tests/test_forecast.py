"""When the disk will be full."""

import pytest

from pipeline.forecast import LEAST_DAYS, LOOK_BACK_DAYS, Forecast, forecast

GIB = 1024**3
TODAY = 20_000


def filling(days: int, *, by: float, free: float = 100) -> list[tuple[int, int]]:
    """Give the records of a disk that loses so many GiB a day, down to `free` today."""
    return [(TODAY - back, int((free + back * by) * GIB)) for back in reversed(range(days))]


def at(records: list[tuple[int, int]], free: float = 100) -> Forecast:
    return forecast(records, free_bytes=int(free * GIB), today=TODAY)


def test_it_is_what_is_free_by_what_goes_a_day() -> None:
    assert at(filling(10, by=2)).days == pytest.approx(50)


def test_nothing_is_said_before_there_are_three_days() -> None:
    assert at([]) == at(filling(LEAST_DAYS - 1, by=2)) == Forecast(None, is_known=False)
    assert at(filling(LEAST_DAYS, by=2)).is_known


def test_nor_of_records_that_are_old() -> None:
    old = [(day - 30, free) for day, free in filling(10, by=2)]
    assert at(old) == Forecast(None, is_known=False)


@pytest.mark.parametrize("by", [0.0, -3.0])
def test_a_disk_that_does_not_fill_is_never_full(by: float) -> None:
    assert at(filling(10, by=by)) == Forecast(None)


def test_what_somebody_deleted_or_added_once_changes_little() -> None:
    records = [(day, free + (50 * GIB if day > TODAY - 3 else 0)) for day, free in filling(10, by=2)]
    assert at(records, free=150).days == pytest.approx(75, rel=0.3)


def test_only_the_last_two_weeks_count() -> None:
    before = [(TODAY - back, 900 * GIB) for back in range(40, LOOK_BACK_DAYS, -1)]
    assert at([*before, *filling(10, by=2)]).days == pytest.approx(50)
