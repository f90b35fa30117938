"""Find in Elasticsearch what stands out: entities and words that hits have more often than all articles."""

from collections.abc import Mapping
from typing import Any, Final

from pipeline.search.elasticsearch_query import NAMES
from pipeline.search.query import NameField
from pipeline.search.request import (
    FACET_SIZE,
    FEWEST_STANDING_OUT,
    SearchRequest,
    Significant,
    SignificantName,
    Standout,
)

Clause = dict[str, Any]
Answer = Mapping[str, Any]

SAMPLED: Final = 200  # best hits of each shard whose text is read again: words are told apart by some hundred


def significant_clauses(request: SearchRequest) -> Clause:
    """Build the aggregations of what stands out."""
    return {_key(name): _clause(name) for name in request.significant}


def read_significant(name: SignificantName, answer: Answer, forms: Mapping[str, str]) -> Significant:
    """Read what stands out from the aggregations of a search."""
    found = answer[_key(name)]
    buckets = (found["words"] if name is SignificantName.WORDS else found)["buckets"]
    return Significant(
        name=name,
        standouts=tuple(
            Standout(
                value=forms.get(each["key"], each["key"]),
                key=each["key"],
                count=each["doc_count"],
                background=each["bg_count"],
                score=each["score"],
            )
            for each in buckets
        ),
    )


def significant_keys(name: SignificantName, answer: Answer) -> list[str]:
    """List the keys whose written forms are to be found; words have none."""
    return [] if name is SignificantName.WORDS else [each["key"] for each in answer[_key(name)]["buckets"]]


def _key(name: SignificantName) -> str:
    return f"{name.value}.significant"


def _clause(name: SignificantName) -> Clause:
    asked = {"size": FACET_SIZE, "min_doc_count": FEWEST_STANDING_OUT, "jlh": {}}
    if name is not SignificantName.WORDS:
        field = NAMES[NameField(name.value)].keys[0]
        return {"significant_terms": {"field": field, "shard_min_doc_count": 1, **asked}}
    # Wire copy comes in many articles: without the filter its every phrase would stand out.
    words = {"significant_text": {"field": "body", "filter_duplicate_text": True, **asked}}
    return {"sampler": {"shard_size": SAMPLED}, "aggs": {"words": words}}
