"""Pipeline events in Elasticsearch: the template of their data stream, and how one is written there."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from elasticsearch import ApiError

from pipeline.errors import IndexUnavailableError
from pipeline.indexing.elasticsearch_client import Connection
from pipeline.model import PipelineEvent

EVENTS_STREAM = "wireroom-events"
ECS_VERSION = "8.17"

FIRST_TIME_S = 10.0
"""An article's first time in the index and the event that tells of it are written in one transaction."""

DAY_S = 86_400
BAD_REQUEST = 400
ALREADY_THERE = 409

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EventStream:
    """Keep events in a data stream, which the first of them makes by its template."""

    connection: Connection
    name: str = EVENTS_STREAM

    def bring_up_to_date(self, *, keep_s: float | None) -> None:
        """Give a stream that is there this version's fields and retention. Raises IndexUnavailableError."""
        indices = self.connection.client.indices
        with self.connection.asking():
            if not indices.exists(index=self.name):
                return
            indices.put_mapping(index=self.name, **events_mapping()["mappings"])
            try:
                indices.put_data_lifecycle(name=self.name, **_lifecycle(keep_s))
            except ApiError as error:  # without the module of data streams; what it was made with stays
                log.warning("how long %s keeps events cannot be changed: %s", self.name, error)

    def send(self, events: Sequence[PipelineEvent]) -> None:
        """Create the events that are not there yet; what will never be taken is left out, with a warning.

        Raises IndexUnavailableError when the server takes nothing, or not all, just now.
        """
        operations: list[dict[str, Any]] = []
        for each in events:
            operations += [{"create": {"_id": event_id(each)}}, event_source(each)]
        with self.connection.asking():
            # With `require_data_stream` a missing template is an error, not an index with guessed fields.
            answer = self.connection.client.bulk(
                operations=operations, index=self.name, require_data_stream=True
            )
        self._account([each["create"] for each in answer["items"] if each["create"]["status"] >= 300])

    def _account(self, failed: Sequence[Mapping[str, Any]]) -> None:
        refused = [each["error"]["reason"] for each in failed if each["status"] == BAD_REQUEST]
        waiting = [
            each["error"]["reason"] for each in failed if each["status"] not in (BAD_REQUEST, ALREADY_THERE)
        ]
        if waiting:
            raise IndexUnavailableError(f"{self.name} did not take {len(waiting)} events: {waiting[0]}")
        if refused:
            log.warning("%s refused %d events: %s", self.name, len(refused), refused[0])


def events_mapping() -> Mapping[str, Any]:
    """Read the mapping of events: {"settings", "mappings"}."""
    read: Mapping[str, Any] = json.loads(
        files("pipeline.indexing").joinpath("elasticsearch_events.json").read_bytes()
    )
    return read


def events_template(name: str, *, keep_s: float | None) -> dict[str, Any]:
    """Make what is the stream's own of its template; `keep_s` is how long events are kept, None for ever."""
    return {
        "index_patterns": [name],
        "data_stream": {},
        "template": {**events_mapping(), "lifecycle": _lifecycle(keep_s)},
    }


def _lifecycle(keep_s: float | None) -> dict[str, str]:
    return {} if keep_s is None else {"data_retention": f"{max(1, round(keep_s / DAY_S))}d"}


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
    pruned = {name: _in_utf8(each) if isinstance(each, str) else each for name, each in pruned.items()}
    return {name: each for name, each in pruned.items() if each is not None and each != {}}


def _in_utf8(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON in UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode()
