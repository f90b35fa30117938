"""docs/searching.md promises only what is so."""

import json
import re
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.errors import QueryError
from pipeline.indexing.tantivy import TantivyGenerations
from pipeline.indexing.tantivy_schema import STEMMERS
from pipeline.model import Document, Entity, Label, Published, Sighting, Stamps, TextSource
from pipeline.search.parser import FIELDS, parse
from pipeline.search.render import results_json
from pipeline.search.request import FacetName, read_request
from pipeline.search.tantivy import open_searcher

PAGE = (Path(__file__).parents[2] / "docs" / "searching.md").read_text()
NOW = 1_773_144_000.0  # 2026-03-10 12:00 UTC


@dataclass(frozen=True)
class Section:
    title: str
    rows: list[tuple[str, str]]  # the query in the first cell, the rest of the row


def sections() -> list[Section]:
    parts = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    return [
        Section(part.split("\n")[0], re.findall(r"^\| `(.+?)` \| (.+) \|$", part, flags=re.MULTILINE))
        for part in parts
    ]


REFUSED = [row for section in sections() if section.title == "What is refused" for row in section.rows]
ANSWERED = [
    query for section in sections() if section.title != "What is refused" for query, _ in section.rows
]


def test_the_page_has_examples() -> None:
    assert len(ANSWERED) > 35
    assert len(REFUSED) == 10


@pytest.mark.parametrize("query", ANSWERED)
def test_an_example_is_answered(query: str) -> None:
    parse(query, now=NOW)


@pytest.mark.parametrize(("query", "error"), REFUSED)
def test_a_refused_example_is_refused_in_these_words(query: str, error: str) -> None:
    with pytest.raises(QueryError) as refused:
        parse(query, now=NOW)
    assert str(refused.value) == error


def test_every_field_and_facet_is_on_the_page() -> None:
    assert [field for field in FIELDS if f"{field}:" not in PAGE] == []
    assert f"`--facets {','.join(FacetName)}`" in PAGE


def test_all_stemmed_languages_are_on_the_page() -> None:
    prose = " ".join(PAGE.split())
    assert [name for name in STEMMERS.values() if name.title() not in prose] == []


def test_the_json_is_what_a_search_prints(tmp_path: Path) -> None:
    document = Document(
        id="01f3",
        version=1,
        revision=1,
        url="https://www.example.com/news/1",
        title="Storm floods the harbour",
        text="The storm broke the harbour wall, said Jane Roe.",
        authors=("Sam Writer",),
        tags=("Weather",),
        language="en",
        outlet="example.com",
        outlet_name="Example",
        published=Published(at=1_772_607_600.0, source="feed", precision="second"),
        first_seen_at=1_772_608_329.0,
        text_source=TextSource.PAGE,
        partial=None,
        entities=(Entity(label=Label.PERSON, name="Jane Roe", key="jane roe", count=1, first_offset=39),),
        fingerprint=(),
        sightings=(Sighting(feed="https://example.com/rss", seen_at=1_772_608_329.0),),
        stamps=Stamps(extractor="test", language="test", model=None, rules=1),
    )
    generations = TantivyGenerations(tmp_path)
    with closing(generations.open("page")) as index:
        index.put([document])
        index.commit()
    generations.expose("page")
    results = results_json(open_searcher(tmp_path).search(read_request("storm", now=NOW, facets=["person"])))
    (promised,) = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    promised = json.loads(promised)
    results["took_ms"] = promised["took_ms"]
    results["hits"][0]["score"] = promised["hits"][0]["score"]
    assert results == promised
