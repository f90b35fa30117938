"""What a search becomes in Elasticsearch's query DSL; that it finds the same is shown in `contracts`."""

from datetime import UTC, datetime

import pytest

from pipeline.search.elasticsearch_pages import page_clauses, sort_clauses
from pipeline.search.elasticsearch_query import prose_clauses, query_clause, request_query
from pipeline.search.parser import parse
from pipeline.search.query import Clock, Query
from pipeline.search.request import Sort, read_request

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()


def read(text: str) -> Query:
    return parse(text, now=NOW)


def phrase(text: str, *fields: str, **options: object) -> dict[str, object]:
    return {"multi_match": {"query": text, "fields": list(fields), "type": "phrase", **options}}


BOTH = ("title^2", "body")


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("", {"match_all": {}}),
        ('"climate change"', phrase("climate change", *BOTH)),
        ('"climate change"~5', phrase("climate change", *BOTH, slop=5)),
        ('title:"climate change"', phrase("climate change", "title^2")),
        ("covid-19", phrase("covid-19", *BOTH)),  # several words of the index: no stems
        ("東京", phrase("東京", *BOTH)),
        ("закон", phrase("закон", *BOTH, "stemmed.ru.title^2", "stemmed.ru.body")),
        ("text:المناخ", phrase("المناخ", "body", "stemmed.ar.body")),
        ("language:DE", {"term": {"language": "de"}}),
        ("partial:*", {"exists": {"field": "partial"}}),
        ("organization:*", {"exists": {"field": "entities.organization"}}),
        ("-published:*", {"bool": {"must_not": [{"exists": {"field": "published.at"}}]}}),
        ("url:https://bbc.co.uk/news", {"match_phrase": {"url.original.words": "bbc.co.uk/news"}}),
        ("person:merkel", phrase("merkel", "entities.person.words", "entities.person_key.words")),
        ("author:major", phrase("major", "authors.words")),
        ('author:"Mary  Major"', {"term": {"authors.folded": "Mary Major"}}),
    ],
)
def test_a_leaf_is_looked_for_in_the_fields_that_hold_it(text: str, clause: dict[str, object]) -> None:
    assert query_clause(read(text)) == clause


def test_a_word_is_looked_for_in_the_stems_of_the_languages_of_its_script() -> None:
    fields = query_clause(read("l'élection"))["multi_match"]
    assert fields["query"] == "élection"
    assert {*BOTH, "stemmed.fr.title^2", "stemmed.en.body"} <= set(fields["fields"])
    assert not {"stemmed.ru.body", "stemmed.el.body"} & set(fields["fields"])


def test_a_whole_name_is_found_folded_or_by_its_key() -> None:
    assert query_clause(read('person:"Ångela Merkel"')) == {
        "bool": {
            "should": [
                {"term": {"entities.person.folded": "Ångela Merkel"}},
                {"terms": {"entities.person_key": ["Ångela Merkel", "ångela merkel", "angela merkel"]}},
            ]
        }
    }


def test_a_beginning_is_never_cut_off_at_some_number_of_words() -> None:
    assert query_clause(read("title:elect*")) == {
        "query_string": {"query": "elect*", "fields": ["title^2"], "type": "best_fields"}
    }
    row = {
        "intervals": [
            {"match": {"query": "covid", "ordered": True, "max_gaps": 0}},
            {"prefix": {"prefix": "1"}},
        ],
        "ordered": True,
        "max_gaps": 0,
    }
    assert query_clause(read("covid-1*")) == {
        "dis_max": {
            "queries": [
                {"intervals": {"title": {"all_of": row, "boost": 2}}},
                {"intervals": {"body": {"all_of": row}}},
            ]
        }
    }


def test_what_a_person_types_is_never_read_as_the_servers_own_query_language() -> None:
    for text in ("OR*", r"a\:b*", r"\(x*", "élect*"):
        clauses = str(query_clause(read(text)))
        assert "query_string" not in clauses or clauses.count("*") == 1
    assert query_clause(read("OR*"))["query_string"]["query"] == "OR*"  # one term of letters, a beginning


def test_only_words_and_phrases_score() -> None:
    word, place = query_clause(read("закон")), query_clause(read("place:paris"))
    assert query_clause(read("закон place:paris -language:de")) == {
        "bool": {"must": [word], "filter": [place], "must_not": [{"term": {"language": "de"}}]}
    }
    assert query_clause(read("закон OR place:paris")) == {
        "bool": {"should": [word, {"bool": {"filter": [place]}}]}
    }


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("first_seen:[2026-03-04 TO *]", {"gte": "2026-03-04T00:00:00.000000Z"}),
        ("first_seen:<=2026-03-04", {"lt": "2026-03-05T00:00:00.000000Z"}),
        ("first_seen:>=0900-01-01", {"gte": "1970-01-01T00:00:00.000000Z"}),
        ("first_seen:<9000-01-01", {"lt": "2262-01-01T00:00:00.000000Z"}),
        ("first_seen:36h", {"gte": "2026-03-09T00:00:00.000000Z"}),
    ],
)
def test_a_range_is_half_open_and_within_what_the_server_can_hold(text: str, bounds: dict[str, str]) -> None:
    assert query_clause(read(text)) == {"range": {"event.created": bounds}}


def test_filters_stand_where_they_do_not_score() -> None:
    request = read_request("закон", now=NOW, language=["fr"])
    assert request_query(request) == {
        "bool": {
            "must": [query_clause(read("закон"))],
            "filter": [{"bool": {"filter": [{"term": {"language": "fr"}}]}}],
        }
    }


def test_recency_weighs_the_score_by_steps_of_age_and_leaves_the_matches_alone() -> None:
    weighed = request_query(read_request("закон", now=NOW, recent=True))["function_score"]
    assert weighed["query"] == query_clause(read("закон"))
    assert (weighed["score_mode"], weighed["boost_mode"]) == ("first", "multiply")
    assert weighed["functions"][0] == {
        "filter": {"range": {"event.created": {"gte": "2026-03-09T12:00:00.000000Z"}}},
        "weight": 1.0,
    }
    assert weighed["functions"][-1].keys() == {"weight"}
    weights = [step["weight"] for step in weighed["functions"]]
    assert weights == sorted(weights, reverse=True)


def test_recency_of_a_search_without_words_changes_nothing() -> None:
    request = read_request("language:fr", now=NOW, recent=True)
    assert request_query(request) == query_clause(read("language:fr"))


@pytest.mark.parametrize("sort", list(Sort))
@pytest.mark.parametrize("by", list(Clock))
def test_every_order_ends_with_what_is_unique(sort: Sort, by: Clock) -> None:
    *_, last = sort_clauses(read_request("storm", now=NOW, sort=sort, by=by))
    assert last == {"event.id": {"order": "asc"}}


def test_a_page_asks_for_one_hit_more_than_it_shows() -> None:
    assert page_clauses(read_request("storm", now=NOW, size=7))["size"] == 8
    assert page_clauses(read_request("storm", now=NOW, size=0)) == {"size": 0}


def test_a_highlight_marks_words_phrases_and_entities_and_no_values() -> None:
    query = read('"a b"~2 person:merkel language:de -storm title:закон author:doe')
    assert prose_clauses(query) == [
        {"bool": {"should": [phrase("a", *BOTH), phrase("b", *BOTH)]}},
        phrase("merkel", *BOTH),
        phrase("закон", "title^2", "stemmed.ru.title^2"),
    ]
