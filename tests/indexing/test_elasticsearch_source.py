"""What Elasticsearch keeps of a document, and that every document fits the mapping."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import regex
import tantivy
from elasticsearch import BadRequestError, Elasticsearch

from pipeline.indexing import tantivy_schema
from pipeline.indexing.elasticsearch_source import digest, mapping_file, source
from pipeline.model import Entity, Label, Published, Sighting, TextSource
from pipeline.search.words import TOKEN
from tests.contracts.test_index import ARTICLES, article, at

# What the servers for tests lack, and a licence or a newer server would be needed for.
NOT_EVERYWHERE = {
    "wildcard", "match_only_text", "constant_keyword", "scaled_float", "search_as_you_type", "version",
    "unsigned_long", "rank_feature", "percolator", "semantic_text",
}  # fmt: skip


@pytest.fixture
def client(elasticsearch_url: str) -> Iterator[Elasticsearch]:
    """Connect to an index by the mapping, under a name that no template claims."""
    with Elasticsearch(elasticsearch_url, request_timeout=60) as client:
        mapping = mapping_file()
        client.indices.create(
            index="wireroom-mapping", settings=mapping["settings"], mappings=mapping["mappings"]
        )
        yield client


def fields(properties: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, field in properties.items():
        yield above + name, field
        for inner in ("properties", "fields"):
            yield from fields(field.get(inner, {}), f"{above}{name}.")


MAPPED = dict(fields(mapping_file()["mappings"]["properties"]))
VOTE = ARTICLES[0]


def test_the_mapping_takes_no_field_that_it_does_not_name() -> None:
    assert mapping_file()["mappings"]["dynamic"] == "strict"
    assert all("dynamic" not in field for field in MAPPED.values())


def test_the_mapping_uses_no_type_that_a_server_may_lack() -> None:
    assert not {field["type"] for field in MAPPED.values() if "type" in field} & NOT_EVERYWHERE


def test_every_keyword_leaves_out_what_lucene_would_refuse() -> None:
    keywords = [field for field in MAPPED.values() if field.get("type") == "keyword"]
    assert keywords
    assert all(field["ignore_above"] <= 32766 // 4 for field in keywords)


def test_languages_have_the_stems_of_the_embedded_index() -> None:
    stemmed = set(mapping_file()["mappings"]["properties"]["stemmed"]["properties"])
    assert stemmed == {*tantivy_schema.STEMMERS, "zh", "ja", "ko"}


def test_words_end_where_those_of_the_embedded_index_do() -> None:
    """Every character: a letter or digit goes on with the word, one of an unspaced script stands alone."""
    pattern = mapping_file()["settings"]["index"]["analysis"]["tokenizer"]["words"]["pattern"]
    cut, ours = regex.compile(TOKEN, regex.VERSION1), regex.compile(pattern)
    known = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(TOKEN)).build()
    text = "".join(f"{chr(code)}{chr(code)} " for code in range(0x20, 0x30000) if not 0xD800 <= code < 0xE000)
    assert ours.findall(text) == known.analyze(text)
    assert ours.findall("covid-19 東京 l’été") == cut.findall("covid-19 東京 l’été")


def test_a_document_is_written_by_its_fields() -> None:
    entities = (
        Entity(label=Label.PLACE, name="Ohio", key="ohio", count=1, first_offset=3),
        Entity(label=Label.PERSON, name="Jane  Roe", key="jane roe", count=4, first_offset=9),
    )
    written = source(replace(VOTE, entities=entities))
    assert written["@timestamp"] == written["published"]["at"] == "2026-03-01T22:45:00Z"
    assert written["event"]["created"] == "2026-03-01T23:30:00Z"
    assert written["lag_s"] == 45 * 60
    assert written["url"] == {
        "original": "https://www.example.com/news/vote?lang=en",
        "domain": "www.example.com",
        "registered_domain": "example.com",
        "path": "/news/vote",
    }
    assert written["entities"]["all"] == ["Jane Roe", "Ohio"]
    assert written["entities"]["all_key"] == ["jane roe", "ohio"]
    assert written["entities"]["person"] == ["Jane Roe"]
    assert [mention["text"] for mention in written["mentions"]] == ["Jane Roe", "Ohio"]
    assert list(written["stemmed"]) == ["en"]
    assert written["feed"] == {"url": ["https://example.com/rss"], "count": 1}
    assert "partial" not in written


@pytest.mark.parametrize(
    "published",
    [
        None,
        Published(at=VOTE.first_seen_at - 60, source="url", precision="day"),
        Published(at=VOTE.first_seen_at + 60, source="feed", precision="second"),
    ],
)
def test_a_publication_date_that_says_too_little_is_not_the_timestamp(published: Published | None) -> None:
    assert source(replace(VOTE, published=published))["@timestamp"] == "2026-03-01T23:30:00Z"


def test_only_the_language_of_a_document_is_stemmed() -> None:
    assert "stemmed" not in source(replace(VOTE, language=None))
    assert "stemmed" not in source(replace(VOTE, language="cy"))
    assert list(source(replace(VOTE, language="ja"))["stemmed"]) == ["ja"]


def test_the_most_mentioned_are_kept_of_many_entities() -> None:
    many = [
        Entity(label=Label.PERSON, name=f"P {n}", key=f"p {n}", count=n, first_offset=n)
        for n in range(1, 1001)
    ]
    written = source(replace(VOTE, entities=tuple(many)))
    assert len(written["entities"]["person"]) == 1000
    assert [mention["count"] for mention in written["mentions"]] == list(range(1000, 800, -1))


@pytest.mark.parametrize("year", ["1969-12-31T23:59:59", "2262-04-12T00:00:00", "9000-01-01T00:00:00"])
def test_a_first_sight_that_the_index_cannot_hold_is_refused(year: str) -> None:
    with pytest.raises(ValueError, match=r"first seen is .* the index holds the years 1970 to 2262"):
        source(replace(VOTE, first_seen_at=at(year)))


def test_the_digest_leaves_out_when_it_was_written_and_nothing_else() -> None:
    written = source(VOTE)
    later = {**written, "event": {**written["event"], "ingested": "2026-03-01T23:31:00Z"}}
    assert digest(later) == digest(dict(reversed(written.items()))) == digest(written)
    assert digest(source(replace(VOTE, title=VOTE.title + "!"))) != digest(written)


def test_a_document_of_every_kind_fits_the_mapping(client: Elasticsearch) -> None:
    long = "x" * 40_000
    odd = replace(
        article(
            "odd",
            f"Half \ud83d pair {long}",
            "soft\xadhyphen, nul\0 and cafe\u0301",
            tags=[long],
            url="http://[::1",
        ),
        authors=(long, "ß" * 8191),
        entities=(Entity(label=Label.PERSON, name=long, key=long, count=1, first_offset=0),),
        sightings=tuple(Sighting(feed=f"https://feed.example/{n}", seen_at=1.0) for n in range(200)),
    )
    distant = [
        replace(VOTE, id=f"at{at_}", published=Published(at=at_, source="feed", precision="second"))
        for at_ in (-62_135_596_800.0, 253_402_300_799.0)
    ]
    kinds = [article(kind.value, "T", "x", text_source=kind, partial="robots") for kind in TextSource]
    languages = [
        article(f"in-{language}", "T", "x", language=language) for language in tantivy_schema.STEMMERS
    ]
    for document in (*ARTICLES, odd, *distant, *kinds, *languages):
        client.index(index="wireroom-mapping", id=document.id, document=source(document))
    client.indices.refresh(index="wireroom-mapping")
    asked = {"term": {"event.id": "odd"}}
    (found,) = client.search(index="wireroom-mapping", query=asked)["hits"]["hits"]
    assert set(found["_ignored"]) >= {"tags", "authors", "entities.person", "mentions.text"}
    assert found["_source"]["body"] == "softhyphen, nul  and café"
    assert digest(found["_source"]) == digest(source(odd))


def test_a_field_that_the_mapping_does_not_name_is_refused(client: Elasticsearch) -> None:
    with pytest.raises(BadRequestError, match="strict_dynamic_mapping_exception"):
        client.index(index="wireroom-mapping", document={**source(VOTE), "surprise": 1})


def test_words_are_folded_and_stemmed_as_in_the_embedded_index(client: Elasticsearch) -> None:
    """At most one word of 50 has another stem; in Dutch, with stemmers of different years, one of nine."""
    text = " ".join(f"{each.title} {each.text}" for each in ARTICLES)

    def terms(analyzer: str) -> list[str]:
        found = client.indices.analyze(index="wireroom-mapping", analyzer=analyzer, text=text)
        return [each["token"] for each in found["tokens"]]

    assert terms("folding") == tantivy_schema.folded().analyze(text)
    for language in tantivy_schema.STEMMERS:
        ours, theirs = terms(f"stemmed_{language}"), tantivy_schema.stemmer(language).analyze(text)
        different = [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]]
        assert len(different) <= len(theirs) / (9 if language == "nl" else 50), (language, different)
