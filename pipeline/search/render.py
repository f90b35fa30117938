"""Write results in the `--json` shape that the command line promises."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pipeline.model import Label
from pipeline.search.query import And, DateRange, Not, Or, Query
from pipeline.search.request import Facet, Hit, Results, Significant


def results_json(results: Results) -> dict[str, Any]:
    """Render one page of `wireroom search --json`."""
    return {
        "total": results.total,
        "took_ms": results.took_ms,
        "next": results.next,
        "hits": [hit_json(hit) for hit in results.hits],
        "facets": {facet.name.value: _buckets_json(facet) for facet in results.facets},
        "facets_info": {
            facet.name.value: {
                "other": facet.other,
                "missing": facet.missing,
                "error_bound": facet.error_bound,
            }
            for facet in results.facets
        },
        "significant": {each.name.value: _standouts_json(each) for each in results.significant},
    }


def hit_json(hit: Hit) -> dict[str, Any]:
    """Render one hit; `story` stays null until articles are grouped."""
    names = dict(hit.entities)
    return {
        "id": hit.id,
        "version": hit.version,
        "url": hit.url,
        "title": hit.title,
        "outlet": hit.outlet,
        "outlet_name": hit.outlet_name,
        "published_at": None if hit.published is None else moment(hit.published.at),
        "published_source": None if hit.published is None else hit.published.source,
        "published_precision": None if hit.published is None else hit.published.precision,
        "first_seen_at": moment(hit.first_seen_at),
        "language": hit.language,
        "score": hit.score,
        "text_source": hit.text_source.value,
        "partial": hit.partial,
        "highlights": list(hit.highlights),
        "entities": {label.value: list(names.get(label, ())) for label in Label},
        "authors": list(hit.authors),
        "tags": list(hit.tags),
        "feeds": list(hit.feeds),
        "story": None,
    }


def query_json(query: Query) -> dict[str, Any]:
    """Render a query's tree: each node under its name, dates as moments."""
    name = type(query).__name__.lower()
    match query:
        case And(parts) | Or(parts):
            return {name: [query_json(part) for part in parts]}
        case Not(part):
            return {name: query_json(part)}
        case DateRange(field, start, end):
            return {name: {"field": field, "start": _or_null(start), "end": _or_null(end)}}
    return {name: asdict(query)}


def _or_null(at: float | None) -> str | None:
    return None if at is None else moment(at)


def moment(at: float) -> str:
    """Write a time as RFC 3339 in UTC, to the second: 2026-01-31T18:00:00Z."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _buckets_json(facet: Facet) -> list[dict[str, Any]]:
    return [{"value": each.value, "key": each.key, "count": each.count} for each in facet.buckets]


def _standouts_json(significant: Significant) -> list[dict[str, Any]]:
    return [
        {
            "value": each.value,
            "key": each.key,
            "count": each.count,
            "background": each.background,
            "score": each.score,
        }
        for each in significant.standouts
    ]
