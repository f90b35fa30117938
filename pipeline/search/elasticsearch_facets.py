"""Count the hits in Elasticsearch by value and by day, and find how a key is written."""

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from pipeline.search.elasticsearch_query import CLOCKS, KEYWORDS, NAMES
from pipeline.search.query import Clock, KeywordField, NameField
from pipeline.search.render import moment
from pipeline.search.request import FACET_SIZE, MOST_DAYS, Bucket, Facet, FacetName, SearchRequest

Clause = dict[str, Any]
Answer = Mapping[str, Any]

# Values that each shard sends: `error_bound` is above 0 only where a shard has more and they may matter.
SHARD_VALUES: Final = 1_000
MOST_FORMS: Final = 50  # tags of the articles with a tag, among which its commonest form is looked for

ENTITIES: Final = ("person", "organization", "place")


def facet_clauses(request: SearchRequest) -> Clause:
    """Build the aggregations of the facets that a request names."""
    clauses: Clause = {}
    for name in request.facets:
        field = _field(name, request.by)
        counted = _days(field, request.zone) if name is FacetName.DAY else _values(field, name)
        clauses[name.value] = counted
        clauses[f"{name.value}.missing"] = {"missing": {"field": field}}
    return clauses


def form_clauses(keys: Mapping[str, Sequence[str]]) -> Clause:
    """Build the aggregations that tell how keys are written: of persons, organizations, places and tags."""
    entities = {name: _entity_forms(name, some) for name, some in keys.items() if name in ENTITIES and some}
    tags = {"tag": _tag_forms(keys["tag"])} if keys.get("tag") else {}
    return entities | tags


def read_forms(answer: Answer) -> dict[str, dict[str, str]]:
    """Read the form in which most of the hits show each key, by facet."""
    forms: dict[str, dict[str, str]] = {}
    for name, found in answer.items():
        if name == "tag":
            forms[name] = _read_tag_forms(found)
        else:
            buckets = found["labelled"]["keys"]["buckets"]
            forms[name] = {each["key"]: each["forms"]["buckets"][0]["key"] for each in buckets}
    return forms


def read_facet(name: FacetName, answer: Answer, forms: Mapping[str, str], zone: tzinfo) -> Facet:
    """Read one facet out of the aggregations of a search."""
    counted, missing = answer[name.value], answer[f"{name.value}.missing"]["doc_count"]
    if name is FacetName.DAY:
        return _read_days(counted["buckets"], missing, zone)
    buckets = [
        Bucket(_form(bucket, forms), bucket["key"], bucket["doc_count"]) for bucket in counted["buckets"]
    ]
    return Facet(
        name=name,
        buckets=tuple(buckets),
        other=counted["sum_other_doc_count"],
        missing=missing,
        error_bound=max(0, counted["doc_count_error_upper_bound"]),
    )


def _field(name: FacetName, clock: Clock) -> str:
    match name:
        case FacetName.DAY:
            return CLOCKS[clock]
        case FacetName.LANGUAGE:
            return KEYWORDS[KeywordField.LANGUAGE]
    return NAMES[NameField(name.value)].keys[0]


def _values(field: str, name: FacetName) -> Clause:
    forms = {"aggs": {"forms": _terms("outlet.name", 1)}} if name is FacetName.OUTLET else {}
    return {**_terms(field, FACET_SIZE), **forms}


def _terms(field: str, size: int, **options: object) -> Clause:
    return {"terms": {"field": field, "size": size, "shard_size": SHARD_VALUES, **options}}


def _form(bucket: Answer, forms: Mapping[str, str]) -> str:
    if "forms" in bucket:
        return str(bucket["forms"]["buckets"][0]["key"])
    return forms.get(bucket["key"], bucket["key"])


def _entity_forms(label: str, keys: Sequence[str]) -> Clause:
    """Count how articles show the keys: `mentions` has each name of an article once."""
    order = [{"_count": "desc"}, {"_key": "desc"}]
    forms = _terms("mentions.text", 1, order=order)
    counted = {**_terms("mentions.key", len(keys), include=list(keys)), "aggs": {"forms": forms}}
    asked = [{"term": {"mentions.label": label}}, {"terms": {"mentions.key": list(keys)}}]
    labelled = {"filter": {"bool": {"filter": asked}}, "aggs": {"keys": counted}}
    return {"nested": {"path": "mentions"}, "aggs": {"labelled": labelled}}


def _tag_forms(keys: Sequence[str]) -> Clause:
    having = {key: {"term": {"tag_keys": key}} for key in keys}
    order = [{"_count": "desc"}, {"_key": "desc"}]
    return {"filters": {"filters": having}, "aggs": {"forms": _terms("tags", MOST_FORMS, order=order)}}


def _read_tag_forms(found: Answer) -> dict[str, str]:
    forms: dict[str, str] = {}
    for key, bucket in found["buckets"].items():
        written = [each["key"] for each in bucket["forms"]["buckets"]]
        forms[key] = next((form for form in written if _bare(form) == _bare(key)), key)
    return forms


def _bare(text: str) -> str:
    """Take off case and accents, to tell two writings of one tag."""
    decomposed = unicodedata.normalize("NFKD", " ".join(text.split()).casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _days(field: str, zone: tzinfo) -> Clause:
    interval = {"calendar_interval": "1d", "time_zone": zone_name(zone), "min_doc_count": 1}
    return {"date_histogram": {"field": field, **interval}}


def zone_name(zone: tzinfo) -> str:
    """Name a time zone as the server knows it."""
    return "UTC" if zone is UTC else str(zone)


def _read_days(days: Sequence[Answer], missing: int, zone: tzinfo) -> Facet:
    shown = days[-MOST_DAYS:]
    buckets = tuple(
        Bucket(
            datetime.fromtimestamp(day["key"] / 1000, zone).date().isoformat(),
            moment(day["key"] / 1000),
            day["doc_count"],
        )
        for day in shown
    )
    other = sum(day["doc_count"] for day in days) - sum(bucket.count for bucket in buckets)
    return Facet(name=FacetName.DAY, buckets=buckets, other=other, missing=missing, error_bound=0)
