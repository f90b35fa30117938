"""What each panel makes Kibana ask is asked of real servers, on documents of the sample.

The requests are written after those that Lens makes. Two things differ: KQL is asked as a query string, and
the last value as a top hit, since the test servers lack the module of `top_metrics`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from elasticsearch import Elasticsearch

from kibana.bundle import DASHBOARDS, SEARCHES
from kibana.declarations import (
    Dashboard,
    DataView,
    Metric,
    Named,
    Operation,
    OverTime,
    Panel,
    SavedSearch,
    Split,
)
from kibana.views import ARTICLES, EVENTS
from pipeline.indexing.elasticsearch_client import connect
from pipeline.indexing.elasticsearch_events import EventStream, events_template
from pipeline.indexing.elasticsearch_source import mapping_file, source
from tests.kibana.sample import sample_documents, sample_events

Json = dict[str, Any]

CHOSEN = "language: de"
"""Something must be chosen for names to stand out."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Hold a server with the sample in it, and what the data views' names stand for there."""

    client: Elasticsearch
    indices: Mapping[DataView, str]

    def ask(self, view: DataView, **body: Any) -> Json:
        answer = self.client.search(index=self.indices[view], **body).body
        assert answer["_shards"]["failed"] == 0
        assert not answer["timed_out"]
        return dict(answer)


@pytest.fixture(scope="module", params=["elasticsearch8", "elasticsearch9"])
def shown(request: pytest.FixtureRequest) -> Iterator[Shown]:
    """Put the sample into each server, once for all of these tests, under names that no other test uses."""
    server = request.getfixturevalue(f"{request.param}_server")
    name = f"test-articles-{uuid4().hex}"
    with Elasticsearch(server.url, max_retries=0, request_timeout=60) as client:
        stream = EventStream(connect(server.url), f"test-events-{uuid4().hex}")
        client.indices.put_index_template(name=stream.name, **events_template(stream.name, keep_s=None))
        stream.send(sample_events())
        mapping = mapping_file()
        client.indices.create(index=name, settings=mapping["settings"], mappings=mapping["mappings"])
        operations: list[Json] = []
        for document in sample_documents():
            operations += [{"index": {"_id": document.id}}, source(document)]
        assert not client.bulk(index=name, operations=operations)["errors"]
        client.indices.refresh(index=f"{name},{stream.name}")
        yield Shown(client, {ARTICLES: name, EVENTS: stream.name})
        client.indices.delete(index=name)


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.id)
def test_every_panel_has_something_to_show(shown: Shown, board: Dashboard) -> None:
    empty = [panel.id for panel in board.panels if not values(shown, panel)]
    assert empty == []


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.id)
def test_every_control_has_values_to_choose(shown: Shown, board: Dashboard) -> None:
    for control in board.controls:
        answer = shown.ask(control.view, size=0, aggs={"values": {"terms": {"field": control.field}}})
        assert answer["aggregations"]["values"]["buckets"], control.field


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.id)
def test_every_saved_search_finds_something(shown: Shown, search: SavedSearch) -> None:
    newest = [{search.view.time_field: "desc"}]
    answer = shown.ask(search.view, query=asked(search.query), sort=newest, fields=list(search.columns))
    assert answer["hits"]["hits"]
    assert set(search.columns) & {name for hit in answer["hits"]["hits"] for name in hit["fields"]}


def test_the_numbers_are_those_of_the_sample(shown: Shown) -> None:
    articles = len(sample_documents())
    news, _, health = DASHBOARDS
    panels = {panel.id: panel for panel in news.panels}
    assert values(shown, panels["articles"]) == [articles]
    assert sum(values(shown, panels["by-outlet"])) == articles
    assert values(shown, panels["lag"]) == [600.0]
    panels = {panel.id: panel for panel in health.panels}
    assert values(shown, panels["median-lag"]) == [630.0]
    funnel = answered(shown, panels["funnel"])["split0"]["buckets"]
    assert {name: number(bucket["metric0"]) for name, bucket in funnel.items()} == {
        "found": articles,
        "page fetched": articles,
        "page not to be had": 1,
        "read": articles,
        "indexed": articles,
        "dropped": 1,
        "quarantined": 1,
    }
    ill, *_ = buckets(shown, panels["feed-health"])
    assert (ill["key"], number(ill["metric0"])) == ("https://broken.example/feed.xml", 2)
    last = ill["metric4"]["value"]["hits"]["hits"][0]["_source"]["event"]["reason"]
    assert last in ("dns", "http-503")


def values(shown: Shown, panel: Panel) -> list[float]:
    """Ask what a panel would, and give the first metric of every part that has any."""
    if not panel.splits:
        found = [number(answered(shown, panel)["metric0"])]
    else:
        inner = [part for bucket in buckets(shown, panel) for part in parts(bucket)]
        found = [number(part["metric0"]) for part in inner]
    return [each for each in found if each]


def parts(bucket: Json) -> Sequence[Json]:
    """List the coloured parts of a bucket, or itself when it has none."""
    return listed(bucket["split1"]) if "split1" in bucket else [bucket]


def buckets(shown: Shown, panel: Panel) -> Sequence[Json]:
    return listed(answered(shown, panel)["split0"])


def listed(split: Json) -> Sequence[Json]:
    found = split["buckets"]
    return list(found.values()) if isinstance(found, dict) else found


def number(metric: Json) -> float:
    value = metric.get("value", {"value": metric["doc_count"]})
    if "values" in value:
        (value,) = ({"value": each} for each in value["values"].values())
    return float(value["value"] or 0)


def answered(shown: Shown, panel: Panel) -> Json:
    aggregations = {f"metric{i}": computed(metric, panel.view) for i, metric in enumerate(panel.metrics)}
    for place, split in reversed(list(enumerate(panel.splits))):
        aggregations = {f"split{place}": parted(split, panel, aggregations)}
    since = {"range": {panel.view.time_field: {"gte": "now-10y", "lte": "now"}}}
    significant = any(getattr(split, "significant", False) for split in panel.splits)
    filters = [since, asked(panel.query), asked(CHOSEN if significant else "")]
    answer = shown.ask(panel.view, size=0, query={"bool": {"filter": filters}}, aggs=aggregations)
    return dict(answer["aggregations"])


def asked(query: str) -> Json:
    """Ask KQL, as far as the dashboards use it, as a query string."""
    if not query:
        return {"match_all": {}}
    lucene = query.replace(" or ", " OR ").replace(" and ", " AND ")
    return {"query_string": {"query": lucene}}


def computed(metric: Metric, view: DataView) -> Json:
    """Compute a metric inside a filter, as Lens does with one that is narrowed."""
    kinds: dict[Operation, Json] = {
        Operation.UNIQUE: {"cardinality": {"field": metric.field}},
        Operation.MEDIAN: {"percentiles": {"field": metric.field, "percents": [50]}},
        Operation.PERCENTILE_95: {"percentiles": {"field": metric.field, "percents": [95]}},
        Operation.MAX: {"max": {"field": metric.field}},
        Operation.LAST: {
            "top_hits": {"size": 1, "sort": [{view.time_field: "desc"}], "_source": metric.field}
        },
    }
    inside = {} if metric.operation is Operation.COUNT else {"aggs": {"value": kinds[metric.operation]}}
    return {"filter": asked(metric.only), **inside}


def parted(split: Split, panel: Panel, inside: Json) -> Json:
    if isinstance(split, OverTime):
        every = {"field": panel.view.time_field, "fixed_interval": "3h", "min_doc_count": 0}
        return {"date_histogram": every, "aggs": inside}
    if isinstance(split, Named):
        return {"filters": {"filters": {name: asked(query) for name, query in split.queries}}, "aggs": inside}
    if split.significant:
        return {"significant_terms": {"field": split.field, "size": split.size}, "aggs": inside}
    by = "metric0" if panel.metrics[0].operation is Operation.COUNT else "metric0>value"
    return {"terms": {"field": split.field, "size": split.size, "order": {by: "desc"}}, "aggs": inside}
