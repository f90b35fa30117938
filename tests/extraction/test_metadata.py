"""Titles, authors, languages and canonical addresses, as feeds and pages write them."""

import json

import pytest

from pipeline.extraction.authors import clean_authors
from pipeline.extraction.jsonld import ArticleClaims, read_claims
from pipeline.extraction.markup import Markup, parse
from pipeline.extraction.metadata import Metadata, language_code, read_metadata
from pipeline.extraction.titles import FEED, HEADING, METADATA, Witness, choose_title
from tests.extraction.pages import entry

URL = "https://www.news.example/world/bridge.html"


def markup(html: str) -> Markup:
    parsed = parse(html)
    assert parsed is not None
    return parsed


def metadata(html: str, *, claims: ArticleClaims | None = None, **changed: object) -> Metadata:
    entries = [entry(**changed)] if changed else []
    return read_metadata(markup(html), claims or ArticleClaims(), entries, url=URL, now=None)


@pytest.mark.parametrize(
    ("witnesses", "sites", "title"),
    [
        ([("Flood in Ghent", FEED)], [], "Flood in Ghent"),
        ([("Flood in Ghent | News Example", METADATA)], ["News Example"], "Flood in Ghent"),
        ([("News Example: Flood in Ghent", METADATA)], ["News Example"], "News Example: Flood in Ghent"),
        ([("BBC News - Flood in Ghent", METADATA)], ["bbc"], "Flood in Ghent"),
        (
            [("Flood in Ghent – World – The News", METADATA), ("Flood in Ghent", HEADING)],
            ["The News"],
            "Flood in Ghent",
        ),
        ([("Flood", FEED), ("Flood in Ghent", HEADING)], [], "Flood"),
        (
            [("Untitled", FEED), *[("Flood in Ghent", weight) for weight in (HEADING, METADATA, METADATA)]],
            [],
            "Flood in Ghent",
        ),
        (
            [("Flood in Ghent leaves hund…", FEED), ("Flood in Ghent leaves hundreds homeless", METADATA)],
            [],
            "Flood in Ghent leaves hundreds homeless",
        ),
        (
            [
                ("Ghent hit by worst flood in a century", METADATA),
                ("Flood in Ghent", HEADING),
                ("Flood in Ghent", METADATA),
            ],
            [],
            "Flood in Ghent",
        ),
        ([("News Example", METADATA)], ["News Example"], "News Example"),
        ([], [], ""),
    ],
)
def test_the_title_with_most_backing_is_chosen(
    witnesses: list[tuple[str, float]], sites: list[str], title: str
) -> None:
    assert choose_title([Witness(*each) for each in witnesses], sites) == title


def test_a_logo_in_a_heading_is_no_title() -> None:
    shared = '<meta property="og:title" content="Flood in Ghent">'
    html = f"<title>Flood in Ghent | Example</title><h1>Example</h1>{shared}"
    assert metadata(html).title == "Flood in Ghent"


@pytest.mark.parametrize(
    ("bylines", "names"),
    [
        (["Jane Doe"], ["Jane Doe"]),
        (["By Jane Doe"], ["Jane Doe"]),
        (["Analysis by Jane Doe"], ["Jane Doe"]),
        (["Par Zoé Dupont"], ["Zoé Dupont"]),
        (["J. R. R. Tolkien"], ["J. R. R. Tolkien"]),
        (["jane@news.example (Jane Doe)"], ["Jane Doe"]),
        (["Jane Doe and John O'Neill"], ["Jane Doe", "John O'Neill"]),
        (["Jane Doe, John Roe and Ann Poe"], ["Jane Doe", "John Roe", "Ann Poe"]),
        (["Jane Doe, Political Editor"], ["Jane Doe"]),
        (["JANE DOE"], ["Jane Doe"]),
        (["Jane Doe", "jane doe"], ["Jane Doe"]),
        (["Reuters"], ["Reuters"]),
        (["Ursula von der Leyen", "van der Berg"], ["Ursula von der Leyen", "van der Berg"]),
        (["山田太郎"], ["山田太郎"]),
        (["Daniel Kahn Gillmor (dkg)"], ["Daniel Kahn Gillmor"]),
        (["atomic14", "woit"], ["atomic14", "woit"]),
        (["News Example", "https://www.facebook.com/jane", "jane@news.example", "admin", "@jane"], []),
        (["November 18, 2019 12:26 PM", "he is specialized in product reviews", ""], []),
    ],
)
def test_bylines_become_names(bylines: list[str], names: list[str]) -> None:
    assert list(clean_authors(bylines, ["News Example"])) == names


def test_the_feeds_authors_go_before_the_pages() -> None:
    html = '<meta name="author" content="Ann Poe"><p>x'
    assert metadata(html, authors=("Jane Doe",)).authors == ("Jane Doe",)
    assert metadata(html, authors=("admin",)).authors == ("Ann Poe",)


@pytest.mark.parametrize(
    ("claim", "code"),
    [
        ("en-GB", "en"),
        ("pt_BR", "pt"),
        ("DE", "de"),
        ("nb-NO", "no"),
        ("iw", "he"),
        ("english", None),
        ("", None),
    ],
)
def test_language_claims_become_iso_639_1(claim: str, code: str | None) -> None:
    assert language_code(claim) == code


def test_the_pages_language_goes_before_the_feeds() -> None:
    assert metadata('<html lang="fr-FR"><p>x', language="en").language == "fr"
    assert metadata("<html><p>x", language="en-us").language == "en"


@pytest.mark.parametrize(
    ("head", "address"),
    [
        ('<link rel="canonical" href="/bridge">', "https://www.news.example/bridge"),
        ('<link rel="Canonical nofollow" href="https://news.example/b?id=1">', "https://news.example/b?id=1"),
        ('<meta property="og:url" content="https://news.example/b">', "https://news.example/b"),
        ('<link rel="canonical" href="javascript:alert(1)">', None),
        ('<link rel="canonical" href="http://[bad">', None),
        ("", None),
    ],
)
def test_the_canonical_address_is_absolute(head: str, address: str | None) -> None:
    assert metadata(f"<head>{head}</head><p>x").canonical_url == address


def test_json_ld_is_read_from_a_graph() -> None:
    graph = [
        {"@type": "WebSite", "name": "Example"},
        {
            "@type": ["NewsArticle", "Article"],
            "headline": "Flood &amp; fire",
            "author": [{"@type": "Person", "name": "Jane Doe"}, "Ann Poe"],
            "publisher": {"name": "News Example"},
            "datePublished": "2024-05-17",
            "articleBody": "<p>One.</p><p>Two.</p>",
        },
    ]
    script = f"<!-- {json.dumps({'@graph': graph})} -->"
    html = f'<script type="application/ld+json;charset=utf-8">{script}</script><p>x'
    assert read_claims(markup(html)) == ArticleClaims(
        headline="Flood & fire",
        body="One.\nTwo.",
        authors=("Jane Doe", "Ann Poe"),
        publisher="News Example",
        published="2024-05-17",
    )


def test_json_ld_of_other_things_claims_nothing() -> None:
    html = '<script type="application/ld+json">{"@type": "Organization", "name": "Example"}</script><p>x'
    assert read_claims(markup(html)) == ArticleClaims()
