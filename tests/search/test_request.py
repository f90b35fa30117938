import pytest

from pipeline.errors import QueryError
from pipeline.model import Label, Published, TextSource
from pipeline.search.cursor import Cursor, decode, encode
from pipeline.search.query import Clock, DateRange, Name, NameField, Or, Word
from pipeline.search.render import results_json
from pipeline.search.request import (
    Bucket,
    Facet,
    FacetName,
    Hit,
    Results,
    Significant,
    SignificantName,
    Sort,
    Standout,
    next_cursor,
    read_request,
)

NOW = 1_773_144_000.0  # 2026-03-10 12:00 UTC


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"size": -1}, "size is -1; it must be between 0 and 1000"),
        ({"size": 1001}, "size is 1001; it must be between 0 and 1000"),
        ({"tz": "Europe/Berlinn"}, "there is no time zone 'Europe/Berlinn'; write it like Europe/Berlin"),
        ({"tz": "../etc"}, "there is no time zone '../etc'; write it like Europe/Berlin"),
        ({"facets": ["persn"]}, "there is no facet 'persn'; did you mean person?"),
        (
            {"facets": ["zzz"]},
            "there is no facet 'zzz'; facets are person, organization, place, outlet, language, tag, day",
        ),
        (
            {"significant": ["tag"]},
            "there is no significant value 'tag'; significant values are person, organization, place, words",
        ),
        (
            {"since": "soon"},
            "since: 'soon' is no date; write 2026-01-31, 2026-01, 2026, 2026-01-31T18:00:00Z, 7d, 24h or 2w",
        ),
        (
            {"since": "2026-02-01", "until": "2026-01-01"},
            "until (2026-01-01) must be after since (2026-02-01); it is the first moment left out",
        ),
        (
            {"language": ["en", "English"]},
            "language is a code of two letters, as in en or fr, not “English”",
        ),
        ({"after": "x"}, "this cursor is damaged or not one of ours; search again without it"),
    ],
)
def test_a_wrong_option_is_refused_with_the_fix(options: dict[str, object], line: str) -> None:
    with pytest.raises(QueryError) as refused:
        read_request("a", now=NOW, **options)  # type: ignore[arg-type]
    assert str(refused.value) == line


def test_since_and_until_make_one_half_open_filter() -> None:
    request = read_request("a", now=NOW, since="7d", until="24h", by=Clock.PUBLISHED)
    assert request.query == Word("a")
    assert request.filters == (DateRange(Clock.PUBLISHED, NOW - 7 * 86_400, NOW - 86_400),)


def test_values_of_a_filter_are_whole_names_and_mean_any() -> None:
    request = read_request("", now=NOW, entity=["Angela Merkel", "Paris"])
    assert request.filters == (
        Or(
            (Name(NameField.ENTITY, "Angela Merkel", whole=True), Name(NameField.ENTITY, "Paris", whole=True))
        ),
    )


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        ("a", Sort.RELEVANCE),
        ("", Sort.NEWEST),
        ("-a", Sort.NEWEST),
        ("person:a", Sort.NEWEST),
        ("a person:b", Sort.RELEVANCE),
    ],
)
def test_without_words_to_rank_by_relevance_means_newest(text: str, sort: Sort) -> None:
    assert read_request(text, now=NOW).sort is sort


def test_a_cursor_survives_the_shell_and_the_url() -> None:
    cursor = Cursor("digest", NOW, (-12345678901234, 2.5, "é/+?"))
    written = encode(cursor)
    assert written.replace("-", "").replace("_", "").isalnum()
    assert decode(written) == cursor


def test_recency_is_refused_where_no_relevance_is_asked_for() -> None:
    with pytest.raises(QueryError, match="recent weighs the relevance"):
        read_request("a", now=NOW, recent=True, sort=Sort.OLDEST)


def test_a_cursor_of_a_search_with_recency_belongs_to_no_search_without() -> None:
    cursor = next_cursor(read_request("a", now=NOW, recent=True), (5,))
    with pytest.raises(QueryError, match="another search"):
        read_request("a", now=NOW, after=cursor)


def test_a_cursor_may_be_followed_with_another_size_and_other_facets() -> None:
    cursor = next_cursor(read_request("a", now=NOW, size=5), (5,))
    request = read_request("a", now=NOW + 60, size=50, facets=["day"], after=cursor)
    assert (request.position, request.now) == ((5,), NOW)


HIT = Hit(
    id="a1",
    version=3,
    url="https://a.org/1",
    title="A title",
    outlet="a.org",
    outlet_name="A",
    published=Published(at=NOW, source="json-ld", precision="second"),
    first_seen_at=NOW + 60.75,
    language="en",
    text_source=TextSource.PAGE,
    partial=None,
    authors=("Jane Doe",),
    tags=("Politics",),
    feeds=("https://a.org/feed",),
    entities=((Label.PERSON, ("Jane Roe",)), (Label.ORGANIZATION, ()), (Label.PLACE, ("Ohio",))),
    score=1.5,
    highlights=("a «word»",),
)


def test_results_are_written_in_the_promised_shape() -> None:
    facet = Facet(
        name=FacetName.PERSON, buckets=(Bucket("Jane Roe", "jane roe", 2),), other=1, missing=4, error_bound=0
    )
    standout = Standout(value="Ohio", key="ohio", count=3, background=4, score=2.5)
    telling = Significant(name=SignificantName.PLACE, standouts=(standout,))
    results = Results(total=7, took_ms=2, hits=(HIT,), next="abc", facets=(facet,), significant=(telling,))
    assert results_json(results) == {
        "total": 7,
        "took_ms": 2,
        "next": "abc",
        "hits": [
            {
                "id": "a1",
                "version": 3,
                "url": "https://a.org/1",
                "title": "A title",
                "outlet": "a.org",
                "outlet_name": "A",
                "published_at": "2026-03-10T12:00:00Z",
                "published_source": "json-ld",
                "published_precision": "second",
                "first_seen_at": "2026-03-10T12:01:00Z",
                "language": "en",
                "score": 1.5,
                "text_source": "page",
                "partial": None,
                "highlights": ["a «word»"],
                "entities": {"person": ["Jane Roe"], "organization": [], "place": ["Ohio"]},
                "authors": ["Jane Doe"],
                "tags": ["Politics"],
                "feeds": ["https://a.org/feed"],
                "story": None,
            }
        ],
        "facets": {"person": [{"value": "Jane Roe", "key": "jane roe", "count": 2}]},
        "facets_info": {"person": {"other": 1, "missing": 4, "error_bound": 0}},
        "significant": {
            "place": [{"value": "Ohio", "key": "ohio", "count": 3, "background": 4, "score": 2.5}]
        },
    }
