"""Where new entries stand in the queue."""

from pipeline.feeds.queueing import STEP_S, Queued, fair_places

NOW = 1_790_000_000.0
HOUR = 3_600.0


def test_the_newest_stands_first_and_each_further_one_counts_as_older() -> None:
    shown = [Queued("old", NOW - HOUR), Queued("new", NOW - 10), Queued("middle", NOW - 60)]
    assert fair_places(shown, NOW) == {
        "new": NOW - 10,
        "middle": NOW - 60 - STEP_S,
        "old": NOW - HOUR - 2 * STEP_S,
    }


def test_without_dates_the_order_of_the_feed_counts() -> None:
    places = fair_places([Queued("first", None), Queued("second", None), Queued("third", None)], NOW)
    assert sorted(places, key=lambda id: -places[id]) == ["first", "second", "third"]
    assert places["first"] == NOW


def test_a_date_of_the_future_is_no_advantage() -> None:
    assert fair_places([Queued("tomorrow", NOW + 24 * HOUR)], NOW) == {"tomorrow": NOW}


def test_of_a_flood_without_dates_few_stand_before_news_of_the_last_quarter_of_an_hour() -> None:
    flood = fair_places([Queued(str(number), None) for number in range(2_000)], NOW)
    news = fair_places([Queued("news", NOW - HOUR / 4)], NOW)
    assert sum(place > news["news"] for place in flood.values()) == 15
