"""Which sitemaps of an index a poll asks, and in which order."""

from collections.abc import Sequence

import pytest

from pipeline.feeds.children import Child, Choice, choose, read_before, retry_wait
from pipeline.model import ListedSitemap

DAY = 86_400.0
NOW = 1_000 * DAY
READ = {"read_at": NOW - 3_600, "asked_at": NOW - 3_600, "brought_at": NOW - 3_600}


def child(id: int, changed: float | None = None, **known: object) -> Child:
    """Make a sitemap that changed so many days ago by its index; unread, if nothing else is known."""
    facts: dict[str, object] = dict.fromkeys(Child.__dataclass_fields__)
    changed_at = None if changed is None else NOW - changed * DAY
    facts |= {"id": id, "url": f"https://news.example/{id}.xml", "depth": 1, "changed_at": changed_at}
    return Child(**{**facts, "failures": 0, "shown_entries": 0, **known})  # type: ignore[arg-type]


def read_child(id: int, changed: float | None = None, **known: object) -> Child:
    made = child(id, changed)
    return child(id, changed, **{**READ, "read_changed_at": made.changed_at, **known})


def ids(choice: Choice) -> list[int]:
    return [each.id for each in choice.children]


@pytest.mark.parametrize(
    ("children", "asked"),
    [
        ([child(1, 9), child(2, 1), child(3, 5)], [2, 3, 1]),
        ([read_child(1, 9), child(2, 30)], [2, 1]),
        ([read_child(1, 0.1), read_child(2, 1.9), read_child(3, 2.2)], [1, 2]),
        ([read_child(1), child(2), child(3, 40)], [3, 2, 1]),
        ([child(1, 1, failures=1), child(2, 5)], [2, 1]),
        ([child(1, 1, failures=1, not_before=NOW + 1), child(2, 5, not_before=NOW)], [2]),
        ([read_child(1, 5, read_changed_at=NOW - DAY)], [1]),
        ([read_child(1, -900, asked_at=NOW - 60), read_child(2, 0.5), read_child(3, 2.5)], [2, 1]),
    ],
    ids=[
        "what changed is asked for, the newest first",
        "what changed goes before what may have changed; the newest may always have",
        "what changed in the two days before the newest may change under the same date",
        "what has no date may have changed at any time, and comes last",
        "what failed comes last",
        "what is to be left alone is left alone",
        "a date that went backwards is a change",
        "a date in the future is none that others are old by",
    ],
)
def test_a_poll_asks_what_changed_and_what_may_have(children: Sequence[Child], asked: list[int]) -> None:
    assert ids(choose(children, now=NOW)) == asked


def test_what_a_poll_does_not_come_to_is_counted_and_who_waits_for_longest_has_a_place() -> None:
    waiting = child(99, 300, asked_at=NOW - 300 * DAY)
    changing = [child(number, number / 100, asked_at=NOW - 60) for number in range(6)]
    chosen = choose([waiting, *changing], now=NOW, room=4)
    assert (ids(chosen), chosen.waiting) == ([0, 1, 99, 5], 3)


def test_of_sitemaps_without_dates_those_that_changed_lately_are_asked_sooner() -> None:
    lively = read_child(1, asked_at=NOW - 1_800, brought_at=NOW - 3_600)
    still = [read_child(n, asked_at=NOW - n * 3_600, brought_at=NOW - 30 * DAY) for n in range(2, 9)]
    assert ids(choose([*still, lively], now=NOW, room=4)) == [1, 8, 7, 6]


def test_a_first_list_brings_what_changed_in_the_two_days_before_its_newest_and_not_the_past() -> None:
    dated = [("a", 0.0), ("b", 1.9), ("c", 2.1)]
    listed = [ListedSitemap(url=name, changed_at=NOW - days * DAY) for name, days in dated]
    assert read_before([*listed, ListedSitemap(url="undated", changed_at=None)], now=NOW) == {"c"}


def test_a_date_in_the_future_makes_no_sitemap_of_a_first_list_the_past() -> None:
    dated = [("next-year", -365.0), ("today", 0.1), ("old", 2.1)]
    listed = [ListedSitemap(url=name, changed_at=NOW - days * DAY) for name, days in dated]
    assert read_before(listed, now=NOW) == {"old"}


def test_a_sitemap_that_fails_is_left_alone_for_longer_each_time_for_a_week_at_most() -> None:
    assert [retry_wait(failures) / 3_600 for failures in (1, 2, 3, 60)] == [1, 2, 4, 168]
