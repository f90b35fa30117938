"""How a new generation compares with the one before, as far as a reader would notice; it decides nothing."""

import time
from collections.abc import Sequence
from typing import Any

from pipeline.errors import WireroomError
from pipeline.indexing.index import Searcher
from pipeline.search.request import FacetName, read_request

FILLED = (
    "author:*", "tag:*", "person:*", "organization:*", "place:*", "partial:*", "text_source:page",
    "language:en", "published:[* TO *]",
)  # fmt: skip
"""Queries whose totals tell how often fields are filled."""

WORDS = ("election", "president", "climate", "war", "economy", "police", "school", "football")
"""What newspapers write of everywhere; the most frequent person and place are asked for, too."""

TOP = 10


def compare_answers(old: Searcher | None, new: Searcher) -> dict[str, Any]:
    """Ask two generations the same: totals by day and outlet, how often fields are filled, top ten hits."""
    now = time.time()
    sides = {"new": new} | ({"old": old} if old is not None else {})
    counts = {side: _counts(searcher, now) for side, searcher in sides.items()}
    queries = [*WORDS, *_frequent(new, now)]
    tops = {
        query: {side: _top(searcher, query, now) for side, searcher in sides.items()} for query in queries
    }
    return {
        "by_outlet": {side: each["outlet"] for side, each in counts.items()},
        "by_day": {side: each["day"] for side, each in counts.items()},
        "filled": {side: _filled(searcher, now) for side, searcher in sides.items()},
        "top_ten": tops,
    }


def _counts(searcher: Searcher, now: float) -> dict[str, dict[str, int]]:
    asked = (FacetName.OUTLET, FacetName.DAY)
    results = searcher.search(read_request("", now=now, size=0, facets=asked))
    return {
        facet.name: {bucket.value: bucket.count for bucket in facet.buckets[-TOP:]}
        for facet in results.facets
    }


def _filled(searcher: Searcher, now: float) -> dict[str, int]:
    def total(query: str) -> int:
        return searcher.search(read_request(query, now=now, size=0)).total

    return {query: total(query) for query in ("", *FILLED)}


def _frequent(searcher: Searcher, now: float) -> Sequence[str]:
    asked = (FacetName.PERSON, FacetName.PLACE)
    facets = searcher.search(read_request("", now=now, size=0, facets=asked)).facets
    quoted = [(each.name, each.buckets[0].value.replace('"', "")) for each in facets if each.buckets]
    return [f'{name}:"{value}"' for name, value in quoted]


def _top(searcher: Searcher, query: str, now: float) -> list[str]:
    try:
        return [hit.id for hit in searcher.search(read_request(query, now=now, size=TOP)).hits]
    except WireroomError:
        return []
