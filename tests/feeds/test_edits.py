"""What is an edit of an entry, and what is a feed that flaps."""

import pytest

from pipeline.feeds.edits import MAX_EDITS, Seen, Shown, edited

BEFORE = Shown(text_hash="aaaaaaaa1", updated_at=10.0)


def remembered(before: Shown, *seen: Seen) -> list[Shown | None]:
    """Show an entry several times and tell what is remembered each time; None where it was no edit."""
    told: list[Shown | None] = []
    for each in seen:
        after = edited({"a": before}, {"a": each}).get("a")
        before = after or before
        told.append(after)
    return told


@pytest.mark.parametrize(
    ("seen", "after"),
    [
        (Seen("aaaaaaaa1", 10.0), None),
        (Seen("bbbbbbbb2", 10.0), Shown(text_hash="bbbbbbbb2", earlier="aaaaaaaa", edits=1, updated_at=10.0)),
        (Seen("aaaaaaaa1", 11.0), Shown(text_hash="aaaaaaaa1", edits=1, updated_at=11.0)),
        (Seen("aaaaaaaa1", 9.0), None),
    ],
)
def test_another_text_or_a_later_date_is_an_edit(seen: Seen, after: Shown | None) -> None:
    assert remembered(BEFORE, seen) == [after]


def test_a_text_that_was_there_before_is_none_however_often_it_returns() -> None:
    first, second, third = (Seen(text * 8, 10.0) for text in "abc")
    told = remembered(BEFORE, second, first, third, second, first)
    assert [each is not None for each in told] == [True, False, True, False, False]


def test_after_its_last_edit_an_entry_is_followed_no_more() -> None:
    told = remembered(BEFORE, *(Seen(f"{number:08x}", 10.0) for number in range(MAX_EDITS + 3)))
    assert [each is not None for each in told] == [True] * MAX_EDITS + [False] * 3


def test_an_entry_of_a_store_that_knew_no_dates_is_not_edited_by_its_date() -> None:
    assert remembered(Shown(text_hash="aaaaaaaa1"), Seen("aaaaaaaa1", 11.0)) == [None]


@pytest.mark.parametrize(
    ("later", "of", "chosen"), [(3, 3, 3), (4, 8, 4), (4, 7, 0), (5, 5, 0), (20, 30, 0), (1, 30, 1)]
)
def test_new_dates_on_most_of_a_feed_are_no_edits(later: int, of: int, chosen: int) -> None:
    before = {str(number): BEFORE for number in range(of)}
    now = {str(number): Seen("aaaaaaaa1", 11.0 if number < later else 10.0) for number in range(of)}
    assert len(edited(before, now)) == chosen


def test_an_entry_that_is_new_or_has_left_the_feed_is_not_edited() -> None:
    assert edited({"left": BEFORE}, {"new": Seen("bbbbbbbb2", 11.0)}) == {}
