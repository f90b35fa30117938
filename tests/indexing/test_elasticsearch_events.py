"""How an event of the pipeline looks in its data stream."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.indexing import elasticsearch_events
from pipeline.indexing.elasticsearch_events import event_id, event_source, events_template
from pipeline.model import PipelineEvent

INDEXED = PipelineEvent(
    id=17,
    at=1_764_000_012.25,
    stage="index",
    outcome="indexed",
    slug="blocked",
    detail="version 1",
    article_id="a" * 32,
    url="https://news.example/a",
    host="news.example",
    feed=None,
    news_at=1_763_999_000.0,
    first_seen_at=1_764_000_000.0,
    indexed_at=1_764_000_012.0,
)
POLLED = PipelineEvent(
    id=18,
    at=1_764_000_013.0,
    stage="poll",
    outcome="failed",
    slug="http-503",
    detail="Service Unavailable",
    article_id=None,
    url=None,
    host=None,
    feed="https://news.example/feed.xml",
    news_at=None,
    first_seen_at=None,
    indexed_at=None,
)


def test_an_article_that_was_indexed() -> None:
    assert event_source(INDEXED) == {
        "@timestamp": "2025-11-24T16:00:12.250+00:00",
        "ecs": {"version": "8.17"},
        "event": {
            "id": "1764000012250-17",
            "kind": "event",
            "dataset": "wireroom.events",
            "action": "index",
            "outcome": "indexed",
            "reason": "blocked",
        },
        "message": "version 1",
        "article": {"id": "a" * 32},
        "url": {"original": "https://news.example/a", "domain": "news.example"},
        "lag": {"found_s": 12.25, "published_s": 1012.25},
    }


def test_a_poll_that_failed() -> None:
    assert event_source(POLLED) == {
        "@timestamp": "2025-11-24T16:00:13.000+00:00",
        "ecs": {"version": "8.17"},
        "event": {
            "id": "1764000013000-18",
            "kind": "event",
            "dataset": "wireroom.events",
            "action": "poll",
            "outcome": "failed",
            "reason": "http-503",
        },
        "message": "Service Unavailable",
        "feed": {"url": "https://news.example/feed.xml"},
    }


@pytest.mark.parametrize(
    ("changed", "lag"),
    [
        ({"news_at": 1_764_000_000.0}, {"found_s": 12.25}),  # no date was known, or one in the future
        ({"at": 1_764_090_000.0}, None),  # indexed again, a day later
        ({"indexed_at": None}, None),
        ({"outcome": "removed"}, None),
        (
            {"first_seen_at": 1_764_000_099.0, "news_at": 1_764_000_099.0},
            {"found_s": 0.0},
        ),  # a clock set back
    ],
)
def test_lag_is_told_where_it_is_known(changed: dict[str, Any], lag: dict[str, float] | None) -> None:
    assert event_source(replace(INDEXED, **changed)).get("lag") == lag


def test_a_new_store_does_not_use_ids_of_an_older_one() -> None:
    assert event_id(INDEXED) != event_id(replace(INDEXED, at=INDEXED.at + 60))


@pytest.mark.parametrize("event", [INDEXED, POLLED], ids=["indexed", "polled"])
def test_every_field_that_is_written_is_mapped(event: PipelineEvent) -> None:
    written = set(_leaves(event_source(event), ""))
    mapping = events_template(app_version="0.1.0", keep_s=None)["template"]["mappings"]
    assert mapping["dynamic"] == "strict"
    assert written <= set(_mapped(mapping["properties"], ""))


@pytest.mark.parametrize(
    ("keep_s", "lifecycle"),
    [(90 * 86_400.0, {"data_retention": "90d"}), (3_600.0, {"data_retention": "1d"}), (None, {})],
)
def test_the_template_makes_a_data_stream_that_forgets_as_the_store_does(
    keep_s: float | None, lifecycle: dict[str, str]
) -> None:
    template = events_template(app_version="0.1.0", keep_s=keep_s)
    assert template["index_patterns"] == ["wireroom-events"]
    assert template["data_stream"] == {}
    assert template["template"]["lifecycle"] == lifecycle
    assert template["_meta"] == {"managed_by": "wireroom", "app_version": "0.1.0", "mapping_version": 1}


def test_the_template_uses_types_that_every_server_has() -> None:
    folder = Path(elasticsearch_events.__file__).parent
    mappings = json.loads((folder / "elasticsearch_events.json").read_text())["mappings"]
    types = set(_mapped(mappings["properties"], "", what="type"))
    assert types == {"date", "float", "keyword", "text"}


def _leaves(document: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, each in document.items():
        if isinstance(each, Mapping):
            yield from _leaves(each, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _mapped(properties: Mapping[str, Any], prefix: str, what: str = "name") -> Iterator[str]:
    for name, each in properties.items():
        if "properties" in each:
            yield from _mapped(each["properties"], f"{prefix}{name}.", what)
        else:
            yield f"{prefix}{name}" if what == "name" else each["type"]
