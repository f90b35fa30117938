"""What is cut off names, what is no name, and which names are the same."""

import pytest

from pipeline.enrichment.names import (
    begins_with_honorific,
    clean_name,
    follows_honorific,
    is_acronym_of,
    is_short_for,
    name_key,
    shown_case,
)
from pipeline.model import Label


@pytest.mark.parametrize(
    ("surface", "label", "language", "name"),
    [
        ("Angela Merkel’s", Label.PERSON, "en", "Angela Merkel"),
        ("James'", Label.PERSON, "en", "James"),
        ("the European Union", Label.ORGANIZATION, "en", "European Union"),
        ("The Hague", Label.PLACE, "en", "Hague"),
        ("President Donald Trump", Label.PERSON, "en", "Donald Trump"),
        ("Vice President Mike Pence", Label.PERSON, "en", "Mike Pence"),
        ("Sen. Elizabeth Warren", Label.PERSON, "en", "Elizabeth Warren"),
        ("Mr Smith", Label.PERSON, "en", "Smith"),
        ("General Motors", Label.ORGANIZATION, "en", "General Motors"),
        ("Mme Le Pen", Label.PERSON, "fr", "Le Pen"),
        ("M. Dupont", Label.PERSON, "fr", "Dupont"),
        ("l’Union européenne", Label.ORGANIZATION, "fr", "Union européenne"),
        ("Le Havre", Label.PLACE, "fr", "Le Havre"),
        ("Microsoft Corp.", Label.ORGANIZATION, "en", "Microsoft"),
        ("New\u00a0 York", Label.PLACE, "en", "New York"),
        ("Berlin\nBy Jane", Label.PLACE, "en", "Berlin"),
        ("“Kyiv”", Label.PLACE, "en", "Kyiv"),
        ("European Central Bank (ECB", Label.ORGANIZATION, "en", "European Central Bank"),
    ],
)
def test_names_are_cut_out_of_their_surroundings(
    surface: str, label: Label, language: str, name: str
) -> None:
    assert clean_name(surface, label, language=language) == name


@pytest.mark.parametrize(
    "surface",
    [
        "@jack",
        "RT",
        "https://a.example/B",
        "www.Example",
        "#Berlin",
        "2024",
        "the",
        "him",
        "A",
        "Example.com",
        "",
        "—",
    ],
)
def test_handles_links_and_numbers_are_no_names(surface: str) -> None:
    assert clean_name(surface, Label.PERSON, language="en") is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("U.S.", "US"),
        ("Zoé Müller", "ZOE MULLER"),
        ("Jean-Luc", "jean luc"),
        ("O’Neill", "O'Neill"),
        ("A  B", "a b"),
    ],
)
def test_spellings_of_a_name_have_one_key(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ASH CARTER", "Ash Carter"),
        ("BERLIN", "Berlin"),
        ("NATO", "NATO"),
        ("U.S.", "U.S."),
        ("McDonald", "McDonald"),
    ],
)
def test_names_in_capitals_are_shown_as_usual(name: str, shown: str) -> None:
    assert shown_case(name) == shown


@pytest.mark.parametrize(
    ("before", "person"), [("met Mr. ", True), ("(M. ", True), ("with Mme ", True), ("the farm ", False)]
)
def test_an_honorific_makes_a_person(before: str, person: bool) -> None:
    assert follows_honorific(before) is person


@pytest.mark.parametrize(
    ("surface", "person"), [("Ms Marwick", True), ("Mme Le Pen", True), ("Mr", False), ("Marwick Ms", False)]
)
def test_a_name_that_begins_with_an_honorific_is_a_person(surface: str, person: bool) -> None:
    assert begins_with_honorific(surface) is person


def test_acronyms_are_initials_in_their_order() -> None:
    assert is_acronym_of("ECB", "European Central Bank")
    assert is_acronym_of("FDA", "Food and Drug Administration")
    assert not is_acronym_of("AFP", "European Central Bank")
    assert not is_acronym_of("CEB", "European Central Bank")


def test_surnames_are_short_for_full_names() -> None:
    assert is_short_for("carter", "ash carter")
    assert is_short_for("le pen", "marine le pen")
    assert not is_short_for("ash", "ash carter")
    assert not is_short_for("ter", "ash carter")
