"""Where names end, and what is not read for names at all."""

import pytest

from pipeline.enrichment.boundaries import readable, whole_spans
from pipeline.enrichment.entities import find_entities
from pipeline.enrichment.models import Models
from pipeline.enrichment.ner.recognizer import Span
from pipeline.model import Label, names


def span(text: str, surface: str, label: str = "PERSON") -> Span:
    start = text.index(surface)
    return Span(start, start + len(surface), label)


@pytest.mark.parametrize(
    ("text", "cut", "whole"),
    [
        ("Ursula von der Leyen spoke", "Ursula von der", "Ursula von der Leyen"),
        ("Guy van den Berghe-Maes spoke", "Guy van", "Guy van den Berghe-Maes"),
        ("Yoon Ji-ah spoke", "Yoon Ji", "Yoon Ji-ah"),
        ("Emmanuel Macron de la République", "Emmanuel Macron", "Emmanuel Macron"),
        ("Ursula von der 3 Leyen", "Ursula von der", "Ursula von der"),
        ("Obama-", "Obama", "Obama"),
    ],
)
def test_a_name_that_was_cut_is_made_whole(text: str, cut: str, whole: str) -> None:
    assert [text[each.start : each.end] for each in whole_spans(text, [span(text, cut)])] == [whole]


def test_a_place_after_a_particle_is_no_persons_name() -> None:
    text = "Baden bei der Donau"
    place = span(text, "Baden bei der", "GPE")
    assert list(whole_spans(text, [place])) == [place]


def test_the_rest_of_a_name_is_no_name_of_its_own() -> None:
    text = "Ursula von der Leyen met Macron"
    cut = [span(text, "Ursula von der"), span(text, "Leyen", "GPE"), span(text, "Macron")]
    assert list(whole_spans(text, cut)) == [span(text, "Ursula von der Leyen"), span(text, "Macron")]


def test_a_cut_name_is_found_whole_in_an_article(models: Models) -> None:
    text = "Ursula von der Leyen spoke in Brussels on Monday. Mrs von der Leyen said the plan was ready."
    assert "Ursula von der Leyen" in names(find_entities("Plan", text, "en", models), Label.PERSON)


@pytest.mark.parametrize("run", ["!?" * 7_000, "=" * 14_000, "😀" * 14_000, "a1/=" * 4_000, "_" * 14_000])
def test_what_no_name_can_be_in_is_not_read(models: Models, run: str) -> None:
    text = f"Barack Obama spoke. {run} Angela Merkel spoke."
    assert readable(text) == text.replace(run, " " * len(run))
    assert set(names(find_entities("Plan", text, "en", models), Label.PERSON)) == {
        "Barack Obama",
        "Angela Merkel",
    }


def test_offsets_stay_where_they_were() -> None:
    text = f"one {'-' * 60} two_three (…) https://example.org/a"
    assert readable(text) == f"one {' ' * 60} two_three (…) https://example.org/a"
