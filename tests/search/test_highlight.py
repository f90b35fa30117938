import pytest

from pipeline.search.highlight import FRAGMENT_CHARS, fragments, mark

MARKS = ("«", "»")


def spans(text: str, word: str) -> list[tuple[int, int]]:
    places: list[tuple[int, int]] = []
    start = text.find(word)
    while start >= 0:
        places.append((start, start + len(word)))
        start = text.find(word, start + 1)
    return places


@pytest.mark.parametrize(
    ("text", "word", "shown"),
    [
        ("a short text", "short", ("a «short» text",)),
        ("two\nlines, one\n\nword", "word", ("two lines, one «word»",)),
        ("go go stop go", "go", ("«go go» stop «go»",)),
        ("nothing here", "word", ()),
    ],
)
def test_a_short_text_is_shown_whole(text: str, word: str, shown: tuple[str, ...]) -> None:
    assert fragments(text, spans(text, word), marks=MARKS) == shown


def test_a_long_text_is_cut_at_words_around_the_matches() -> None:
    text = "before " * 100 + "needle" + " after" * 100
    (fragment,) = fragments(text, spans(text, "needle"), marks=MARKS)
    assert fragment.startswith("… before")
    assert fragment.endswith("after …")
    assert "«needle»" in fragment
    assert len(fragment) <= FRAGMENT_CHARS + len("… «» …")


def test_the_two_richest_passages_are_shown_in_the_order_of_the_text() -> None:
    gap = " filler" * 60
    text = f"one needle{gap} needle needle two{gap} needle three{gap} needle or needle four"
    first, second = fragments(text, spans(text, "needle"), marks=MARKS)
    assert "two" in first
    assert "four" in second


def test_a_text_without_spaces_is_cut_anywhere() -> None:
    text = "長" * 500 + "競技場" + "い" * 500
    (fragment,) = fragments(text, spans(text, "競技場"), marks=MARKS)
    assert "長«競技場»い" in fragment
    assert len(fragment) < 200


def test_a_match_longer_than_a_passage_is_kept_whole() -> None:
    text = "x" * 400
    assert fragments(text, [(0, 400)], marks=MARKS) == (f"«{text}»",)


def test_overlapping_matches_share_one_pair_of_marks() -> None:
    assert mark("東京都庁", [(0, 2), (1, 3)], marks=("<", ">")) == "<東京都>庁"
