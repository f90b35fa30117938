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
MOST_FORMS: Final = 100  # commonest tags as they are written, among which those of the shown keys are
CANDIDATES: Final = 2 * FACET_SIZE  # commonest names, which those of the shown keys are among
COMMONEST: Final = [{"_count": "desc"}, {"_key": "desc"}]

ENTITIES: Final = (FacetName.PERSON, FacetName.ORGANIZATION, FacetName.PLACE)


def facet_clauses(request: SearchRequest) -> Clause:
    """Build the aggregations of the facets that a request names, and of how their keys are written."""
    clauses: Clause = {}
    for name in request.facets:
        field = _field(name, request.by)
        counted = _days(field, request.zone) if name is FacetName.DAY else _values(field, name)
        clauses |= {name.value: counted, f"{name.value}.missing": {"missing": {"field": field}}}
        if name in ENTITIES:
            clauses[_forms(name.value)] = _entity_forms(name.value, None)
        elif name is FacetName.TAG:
            clauses[_forms(name.value)] = _terms("tags", MOST_FORMS, order=COMMONEST)
    return clauses


def form_clauses(keys: Mapping[str, Sequence[str]]) -> Clause:
    """Build the aggregations that tell how some keys are written, by label of entity."""
    return {_forms(label): _entity_forms(label, some) for label, some in keys.items() if some}


def read_forms(label: str, answer: Answer) -> dict[str, str]:
    """Read the form in which most of the hits show each key of an entity."""
    buckets = answer[_forms(label)]["labelled"]["keys"]["buckets"]
    return {each["key"]: each["forms"]["buckets"][0]["key"] for each in buckets if each["forms"]["buckets"]}


def read_facet(name: FacetName, answer: Answer, zone: tzinfo) -> Facet:
    """Read one facet out of the aggregations of a search."""
    counted, missing = answer[name.value], answer[f"{name.value}.missing"]["doc_count"]
    if name is FacetName.DAY:
        return _read_days(counted["buckets"], missing, zone)
    forms = _shown_forms(name, answer)
    return Facet(
        name=name,
        buckets=tuple(
            Bucket(forms.get(each["key"], each["key"]), each["key"], each["doc_count"])
            for each in counted["buckets"]
        ),
        other=counted["sum_other_doc_count"],
        missing=missing,
        error_bound=max(0, counted["doc_count_error_upper_bound"]),
    )


def _shown_forms(name: FacetName, answer: Answer) -> dict[str, str]:
    """Find how the keys of a facet are written: an outlet by its name, a tag as its commonest form."""
    buckets = answer[name.value]["buckets"]
    if name in ENTITIES:
        return read_forms(name.value, answer)
    if name is FacetName.OUTLET:
        return {each["key"]: form["key"] for each in buckets for form in each["forms"]["buckets"]}
    if name is FacetName.TAG:
        commonest_first = [each["key"] for each in answer[_forms(name.value)]["buckets"]]
        forms = {_bare(form): form for form in reversed(commonest_first)}
        return {each["key"]: forms[bare] for each in buckets if (bare := _bare(each["key"])) in forms}
    return {}


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


def _forms(name: str) -> str:
    return f"{name}.forms"


def _entity_forms(label: str, keys: Sequence[str] | None) -> Clause:
    """Count how articles show some keys, or the commonest: `mentions` has each name of an article once."""
    chosen = {} if keys is None else {"include": list(keys)}
    size = CANDIDATES if keys is None else len(keys)
    forms = {"forms": _terms("mentions.text", 1, order=COMMONEST)}
    counted = {**_terms("mentions.key", size, **chosen), "aggs": forms}
    labelled = {"filter": {"term": {"mentions.label": label}}, "aggs": {"keys": counted}}
    return {"nested": {"path": "mentions"}, "aggs": {"labelled": labelled}}


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
