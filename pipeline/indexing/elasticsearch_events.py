"""Pipeline events in Elasticsearch: the template of their data stream, and how one is written there."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.model import PipelineEvent

EVENTS_STREAM = "wireroom-events"
ECS_VERSION = "8.17"

PRIORITY = 200
"""Above Elastic's own templates (100 to 150), should one ever match the name."""

FIRST_TIME_S = 10.0
"""An article's first time in the index and the event that tells of it are written in one transaction."""

DAY_S = 86_400


def events_template(*, app_version: str, keep_s: float | None) -> dict[str, Any]:
    """Make the index template of the data stream; `keep_s` is how long events are kept, None for ever."""
    shipped = json.loads(Path(__file__).with_name("elasticsearch_events.json").read_text("utf-8"))
    kept = {} if keep_s is None else {"data_retention": f"{max(1, round(keep_s / DAY_S))}d"}
    return {
        "index_patterns": [EVENTS_STREAM],
        "data_stream": {},
        "priority": PRIORITY,
        "version": shipped["version"],
        "_meta": {
            "managed_by": "wireroom",
            "app_version": app_version,
            "mapping_version": shipped["version"],
        },
        "template": {
            "settings": shipped["settings"],
            "mappings": shipped["mappings"],
            "lifecycle": kept,
        },
    }


def event_id(event: PipelineEvent) -> str:
    """Name an event for ever; the time keeps those of a new store apart from those of an older one."""
    return f"{round(event.at * 1000)}-{event.id}"


def event_source(event: PipelineEvent) -> dict[str, Any]:
    """Write an event as its document; what is not known is left out."""
    document = {
        "@timestamp": datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds"),
        "ecs": {"version": ECS_VERSION},
        "event": {
            "id": event_id(event),
            "kind": "event",
            "dataset": "wireroom.events",
            "action": event.stage,
            "outcome": event.outcome,
            "reason": event.slug,
        },
        "message": event.detail,
        "article": {"id": event.article_id},
        "feed": {"url": event.feed},
        "url": {"original": event.url, "domain": event.host},
        "lag": _lag(event),
    }
    return _known(document)


def _lag(event: PipelineEvent) -> dict[str, float]:
    """Tell how long it took until an article was first indexed; a later time tells of an edit."""
    if event.outcome != "indexed" or event.indexed_at is None or event.first_seen_at is None:
        return {}
    if abs(event.at - event.indexed_at) > FIRST_TIME_S:
        return {}
    lag = {"found_s": round(max(0.0, event.at - event.first_seen_at), 3)}
    if event.news_at is not None and event.news_at < event.first_seen_at:  # else no date was known
        lag["published_s"] = round(event.at - event.news_at, 3)
    return lag


def _known(document: Mapping[str, Any]) -> dict[str, Any]:
    pruned = {name: _known(each) if isinstance(each, Mapping) else each for name, each in document.items()}
    return {name: each for name, each in pruned.items() if each is not None and each != {}}
