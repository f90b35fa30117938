"""Searches in Kibana's query language, written by the names of the mapping."""

from dataclasses import replace

import pytest

from pipeline.errors import QueryError
from pipeline.search.kql import request_kql
from pipeline.search.query import Ids
from pipeline.search.request import read_request

NOW = 1_773_144_000.0  # 2026-03-10T12:00:00Z


def kql(text: str, **filters: object) -> str:
    return request_kql(read_request(text, now=NOW, **filters))  # type: ignore[arg-type]


WORDS = [
    ("", "*: *"),
    ("*", "*: *"),
    (
        "title:election",
        'title: "election" or stemmed.*.title: "election"',
    ),
    (
        "election",
        'title: "election" or body: "election" or stemmed.*.title: "election" or stemmed.*.body: "election"',
    ),
    ("title:elect*", "title: elect*"),
    ("elect*", "title: elect* or body: elect*"),
    ("text:covid-19", 'body: "covid-19"'),  # several pieces stand in a row, and have no stem
    ("text:東京", 'body: "東京"'),
    ("title:l'élection", 'title: "élection" or stemmed.*.title: "élection"'),
    ('"climate change"', 'title: "climate change" or body: "climate change"'),
]
JOINED = [
    ('"a b" "c d"', '(title: "a b" or body: "a b") and (title: "c d" or body: "c d")'),
    ("tag:a OR language:fr", 'tags.words: "a" or language: "fr"'),
    ("language:fr -partial:*", 'language: "fr" and not partial: *'),
    ("-(language:fr OR language:de)", 'not (language: "fr" or language: "de")'),
    ("-(-language:fr)", 'not not language: "fr"'),
    (
        "language:en (tag:a OR tag:b language:fr)",
        'language: "en" and ((tags.words: "a" or tags.words: "b") and language: "fr")',
    ),
]
VALUES = [
    ("person:merkel", 'entities.person.words: "merkel" or entities.person_key.words: "merkel"'),
    ("author:jane", 'authors.words: "jane"'),
    ("author:ja*", "authors.words: ja*"),
    ('author:"Jane  Doe"', 'authors.folded: "Jane Doe"'),
    (
        'place:"New York"',
        'entities.place.folded: "New York" or entities.place_key: ("New York" or "new york")',
    ),
    ("outlet:bbc.co.uk", 'outlet.name.words: "bbc.co.uk" or outlet.domain.words: "bbc.co.uk"'),
    ("text_source:page", 'text_source: "page"'),
    ("story:s-1", 'story.id: "s-1"'),
    ("https://www.bbc.co.uk/news/1", 'url.original.words: "www.bbc.co.uk/news/1"'),
    ("feed:science", 'feed.url.words: "science"'),
    ("organization:*", "entities.organization: *"),
    ("-published:*", "not published.at: *"),
    (
        "published:2026-03-04",
        'published.at >= "2026-03-04T00:00:00.000Z" and published.at < "2026-03-05T00:00:00.000Z"',
    ),
    ("first_seen:>=2026-03-04", 'event.created >= "2026-03-04T00:00:00.000Z"'),
    ("first_seen:<0900", 'event.created < "1970-01-01T00:00:00.000Z"'),
    ("published:<1961", 'published.at < "1961-01-01T00:00:00.000Z"'),
    ("published:[* TO *]", "published.at: *"),
]
ESCAPED = [
    (r'"say \"no\" and (not) *all*"', r'"say \"no\" and (not) *all*"'),
    (r'"C:\\temp"', r'"C:\\temp"'),
    ('"a\n\tb\x1b[31m"', '"a b [31m"'),
]


@pytest.mark.parametrize(("text", "expected"), [*WORDS, *JOINED, *VALUES])
def test_a_query_in_kql(text: str, expected: str) -> None:
    assert kql(text) == expected


@pytest.mark.parametrize(("text", "expected"), ESCAPED)
def test_what_is_quoted_cannot_end_its_quotation(text: str, expected: str) -> None:
    assert kql(f"title:{text}") == f"title: {expected}"


def test_filters_are_part_of_it() -> None:
    assert kql("language:fr", since="2026-03-01", tag=["Politics"]) == (
        'language: "fr" and event.created >= "2026-03-01T00:00:00.000Z"'
        ' and (tags.folded: "Politics" or tag_keys: ("Politics" or "politics"))'
    )
    assert kql("", language=["fr"]) == 'language: "fr"'


def test_ids_are_listed() -> None:
    request = read_request("", now=NOW)
    assert request_kql(replace(request, query=Ids(("a", "b")))) == 'event.id: ("a" or "b")'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"climate change"~5', 'KQL cannot say how near words stand ("climate change"~5); use --as dsl'),
        ("covid-1*", "KQL takes * at the end of one word, not of several (covid-1*); use --as dsl"),
    ],
)
def test_what_kql_cannot_say_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(QueryError) as refused:
        kql(text)
    assert str(refused.value) == said
