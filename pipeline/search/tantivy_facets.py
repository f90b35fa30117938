"""Count the hits of the embedded index by value and by day."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo

import tantivy

from pipeline.indexing import tantivy_schema as fields
from pipeline.search.query import Clock, KeywordField, NameField
from pipeline.search.render import moment
from pipeline.search.request import FACET_SIZE, MOST_DAYS, Bucket, Facet, FacetName, SearchRequest
from pipeline.search.tantivy_query import narrowed

# Terms kept of each segment before they are added up: above it `error_bound` is not 0 any more.
SEGMENT_TERMS = 50_000
NANOSECONDS = 1_000_000_000


def facets(
    searcher: tantivy.Searcher, query: tantivy.Query, request: SearchRequest, *, total: int
) -> tuple[Facet, ...]:
    """Count all hits of a query by the facets that the request names."""
    return tuple(
        _day_facet(searcher, query, request, total=total)
        if name is FacetName.DAY
        else _term_facet(searcher, query, name, total=total)
        for name in request.facets
    )


def _term_facet(searcher: tantivy.Searcher, query: tantivy.Query, name: FacetName, *, total: int) -> Facet:
    field = facet_field(name)
    asked = {"terms": {"field": field, "size": FACET_SIZE, "segment_size": SEGMENT_TERMS}}
    answer = searcher.aggregate(query, {"terms": asked})["terms"]
    return Facet(
        name=name,
        buckets=tuple(
            Bucket(shown_form(searcher, query, name, bucket["key"]), bucket["key"], bucket["doc_count"])
            for bucket in answer["buckets"]
        ),
        other=answer["sum_other_doc_count"],
        missing=total - count_hits(searcher, narrowed(query, to=tantivy.Query.exists_query(field))),
        error_bound=answer["doc_count_error_upper_bound"] or 0,
    )


def facet_field(name: FacetName) -> str:
    """Name the field whose values a facet counts."""
    return KeywordField.LANGUAGE if name is FacetName.LANGUAGE else fields.key(NameField(name.value))


def shown_form(searcher: tantivy.Searcher, query: tantivy.Query, name: FacetName, key: str) -> str:
    """Find the form in which most of the hits show a key."""
    if name is FacetName.LANGUAGE:
        return key
    field = fields.display(NameField(name.value))
    terms = searcher.terms_with_prefix(field, fields.display_term(key, ""), query)
    term, _ = max(terms, key=lambda each: (each[1], each[0]), default=(fields.display_term(key, key), 0))
    return term.partition("\x1f")[2]


def count_hits(searcher: tantivy.Searcher, query: tantivy.Query) -> int:
    """Count what a query matches."""
    return int(searcher.search(query, limit=1).count)  # type: ignore[attr-defined]  # missing in tantivy's stubs


def _day_facet(
    searcher: tantivy.Searcher, query: tantivy.Query, request: SearchRequest, *, total: int
) -> Facet:
    days = _day_counts(searcher, query, request.by, request.zone)
    counted = sum(count for _, _, count in days)
    buckets = [Bucket(day.isoformat(), moment(start), count) for day, start, count in days[-MOST_DAYS:]]
    return Facet(
        name=FacetName.DAY,
        buckets=tuple(buckets),
        other=counted - sum(bucket.count for bucket in buckets),
        missing=total - counted,
        error_bound=0,
    )


def _day_counts(
    searcher: tantivy.Searcher, query: tantivy.Query, clock: Clock, zone: tzinfo
) -> list[tuple[date, float, int]]:
    """Count by local day: the day, its first moment, the hits. The histogram knows no zones with summer time,
    so it says which days of UTC have hits, and the local days that touch them are counted as ranges."""
    histogram = {"date_histogram": {"field": clock, "fixed_interval": "1d", "min_doc_count": 1}}
    answer = searcher.aggregate(query, {"days": histogram})["days"]["buckets"]
    if zone is UTC:
        return [(_day(bucket["key"]), bucket["key"] / 1000, bucket["doc_count"]) for bucket in answer]
    starts = {_midnight(day, zone): day for bucket in answer for day in _around(_day(bucket["key"]))}
    ranges = [
        {"from": start * NANOSECONDS, "to": _midnight(day + timedelta(days=1), zone) * NANOSECONDS}
        for start, day in sorted(starts.items())
    ]
    if not ranges:
        return []
    asked = {"days": {"range": {"field": clock, "ranges": ranges}}}
    counts = {
        bucket.get("from"): bucket["doc_count"]
        for bucket in searcher.aggregate(query, asked)["days"]["buckets"]
    }
    counted = ((day, start, counts.get(start * NANOSECONDS, 0)) for start, day in sorted(starts.items()))
    return [(day, start, count) for day, start, count in counted if count]


def _day(milliseconds: float) -> date:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).date()


def _around(day: date) -> Sequence[date]:
    """List the local days, of any zone, that may overlap a day of UTC."""
    return (day - timedelta(days=1), day, day + timedelta(days=1))


def _midnight(day: date, zone: tzinfo) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
