"""When a feed's address is rewritten."""

import pytest

from pipeline.feeds.moves import STAYING, Moving, has_moved, sighted

DAY = 86_400.0
NEW, OTHER = "https://new.example/feed", "https://other.example/feed"


@pytest.mark.parametrize(
    ("sightings", "moved"),
    [
        ([(NEW, 0.1), (NEW, 0.2), (NEW, 1.1)], True),
        ([(NEW, 0.1), (NEW, 0.2), (NEW, 0.9)], False),
        ([(NEW, 0.1), (NEW, 1.1)], False),
        ([(NEW, 0.1), (None, 0.5), (NEW, 1.1), (NEW, 1.2)], False),
        ([(NEW, 0.1), (OTHER, 1.1), (NEW, 2.1), (NEW, 2.2)], False),
        ([(NEW, 0.99), (NEW, 1.0), (NEW, 1.01)], True),
        ([(None, 0.1), (None, 1.1), (None, 2.1)], False),
    ],
    ids=["thrice on two days", "one day", "twice", "not in a row", "elsewhere", "past midnight", "never"],
)
def test_it_takes_three_sightings_on_two_days(sightings: list[tuple[str | None, float]], moved: bool) -> None:
    moving = STAYING
    for target, day in sightings:
        moving = sighted(moving, target=target, now=day * DAY)
    assert has_moved(moving, sightings[-1][1] * DAY) is moved


def test_where_it_leads_and_since_when_is_kept() -> None:
    assert sighted(sighted(STAYING, target=NEW, now=5.0), target=NEW, now=9.0) == Moving(
        to=NEW, seen=2, since=5.0
    )
