"""Find in the embedded index what stands out: entities that the hits have more often than all articles."""

from dataclasses import replace

import tantivy

from pipeline.errors import QueryError
from pipeline.search.request import (
    FACET_SIZE,
    FEWEST_STANDING_OUT,
    FacetName,
    SearchRequest,
    Significant,
    SignificantName,
    Standout,
)
from pipeline.search.tantivy_facets import SEGMENT_TERMS, count_hits, facet_field, shown_form
from pipeline.search.tantivy_query import documents

CANDIDATES = 1_000  # most frequent values of the hits, among which those that stand out are looked for


def significant(
    searcher: tantivy.Searcher, query: tantivy.Query, request: SearchRequest, *, total: int
) -> tuple[Significant, ...]:
    """Find what stands out, for the names that the request asks for; words it does not know."""
    if SignificantName.WORDS in request.significant:
        raise QueryError(
            "the embedded index cannot tell significant words; ask for person,organization,place, "
            "or use Elasticsearch (WIREROOM_INDEX_URL)"
        )
    return tuple(
        Significant(name=name, standouts=_standouts(searcher, query, name, total=total))
        for name in request.significant
    )


def standing_out(*, count: int, among: int, background: int, of_all: int) -> float:
    """Score by JLH, as Elasticsearch does: how much more frequent, absolutely times relatively."""
    here, everywhere = count / among, background / of_all
    return (here - everywhere) * here / everywhere if here > everywhere else 0.0


def _standouts(
    searcher: tantivy.Searcher, query: tantivy.Query, name: SignificantName, *, total: int
) -> tuple[Standout, ...]:
    facet = FacetName(name.value)
    counted = _counts(searcher, query, facet)
    of_all = count_hits(searcher, documents())
    found = []
    for key, count in counted.items():
        background = max(count, searcher.doc_freq(facet_field(facet), key))
        score = standing_out(count=count, among=total, background=background, of_all=of_all)
        found.append(Standout(key, key, count, background, score))
    best = sorted(found, key=lambda each: (-each.score, each.key))[:FACET_SIZE]
    return tuple(
        replace(each, value=shown_form(searcher, query, facet, each.key)) for each in best if each.score > 0
    )


def _counts(searcher: tantivy.Searcher, query: tantivy.Query, facet: FacetName) -> dict[str, int]:
    """Count the hits by the values that enough of them have."""
    asked = {"field": facet_field(facet), "size": CANDIDATES, "min_doc_count": FEWEST_STANDING_OUT}
    answer = searcher.aggregate(query, {"terms": {"terms": {**asked, "segment_size": SEGMENT_TERMS}}})
    return {bucket["key"]: bucket["doc_count"] for bucket in answer["terms"]["buckets"]}
