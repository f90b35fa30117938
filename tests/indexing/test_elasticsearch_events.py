"""How an event of the pipeline looks in its data stream."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from elasticsearch import Elasticsearch

from pipeline.errors import IndexUnavailableError
from pipeline.indexing.elasticsearch_client import connect
from pipeline.indexing.elasticsearch_events import (
    EventStream,
    event_id,
    event_source,
    events_mapping,
    events_template,
)
from pipeline.model import PipelineEvent
from tests.servers import free_port

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
    mapping = events_template("wireroom-events", keep_s=None)["template"]["mappings"]
    assert mapping["dynamic"] == "strict"
    assert written <= set(_mapped(mapping["properties"], ""))


@pytest.mark.parametrize(
    ("keep_s", "lifecycle"),
    [(90 * 86_400.0, {"data_retention": "90d"}), (3_600.0, {"data_retention": "1d"}), (None, {})],
)
def test_the_template_makes_a_data_stream_that_forgets_as_the_store_does(
    keep_s: float | None, lifecycle: dict[str, str]
) -> None:
    template = events_template("wireroom-events", keep_s=keep_s)
    assert template["index_patterns"] == ["wireroom-events"]
    assert template["data_stream"] == {}
    assert template["template"]["lifecycle"] == lifecycle


def test_the_template_uses_types_that_every_server_has() -> None:
    types = set(_mapped(events_mapping()["mappings"]["properties"], "", what="type"))
    assert types == {"date", "float", "keyword", "text"}


@pytest.fixture
def stream(elasticsearch_url: str) -> Iterator[EventStream]:
    """Install a template under a name of its own: these servers lack what deletes a stream."""
    stream = EventStream(connect(elasticsearch_url), f"test-events-{uuid4().hex}")
    template = events_template(stream.name, keep_s=90 * 86_400.0)
    stream.connection.client.indices.put_index_template(name=stream.name, **template)
    yield stream
    stream.connection.client.close()


def kept(stream: EventStream) -> list[dict[str, Any]]:
    stream.connection.client.indices.refresh(index=stream.name)
    hits = stream.connection.client.search(index=stream.name, sort=["@timestamp"])["hits"]["hits"]
    return [hit["_source"] for hit in hits]


def test_events_that_are_sent_again_are_there_once(stream: EventStream) -> None:
    stream.send([INDEXED])
    stream.send([INDEXED, POLLED])
    assert kept(stream) == [event_source(INDEXED), event_source(POLLED)]
    (resolved,) = stream.connection.client.indices.resolve_index(name=stream.name)["data_streams"]
    assert resolved["timestamp_field"] == "@timestamp"


def test_a_stream_of_an_older_version_gets_new_fields_and_keeps_its_events(
    stream: EventStream, caplog: pytest.LogCaptureFixture
) -> None:
    stream.bring_up_to_date(keep_s=None)  # it is not there yet
    older = events_template(stream.name, keep_s=None)
    del older["template"]["mappings"]["properties"]["lag"]
    stream.connection.client.indices.put_index_template(name=stream.name, **older)
    stream.send([POLLED])
    stream.bring_up_to_date(keep_s=86_400.0)
    stream.send([INDEXED])
    assert kept(stream) == [event_source(INDEXED), event_source(POLLED)]
    assert "how long" in caplog.text  # these servers lack what changes it


def test_half_a_surrogate_pair_does_not_stop_the_others(stream: EventStream) -> None:
    stream.send([replace(INDEXED, detail="cut \ud83d short"), POLLED])
    assert [each["message"] for each in kept(stream)] == ["cut ? short", "Service Unavailable"]


def test_without_its_template_no_index_is_made(stream: EventStream) -> None:
    stream.connection.client.indices.delete_index_template(name=stream.name)
    with pytest.raises(IndexUnavailableError):
        stream.send([INDEXED])
    assert not stream.connection.client.indices.exists(index=stream.name)


def test_a_stream_that_is_read_only_keeps_the_events_waiting(stream: EventStream) -> None:
    stream.send([POLLED])
    stream.connection.client.indices.put_settings(index=stream.name, settings={"index.blocks.write": True})
    with pytest.raises(IndexUnavailableError, match="did not take 1 events"):
        stream.send([INDEXED])
    stream.connection.client.indices.put_settings(index=stream.name, settings={"index.blocks.write": None})
    stream.send([INDEXED])
    assert len(kept(stream)) == 2


def test_an_event_that_the_server_will_never_take_holds_up_no_other(
    stream: EventStream, caplog: pytest.LogCaptureFixture
) -> None:
    endless = replace(INDEXED, first_seen_at=-1e40)  # a lag that no float holds
    stream.send([endless, POLLED])
    assert kept(stream) == [event_source(POLLED)]
    assert "refused 1 events" in caplog.text


def test_a_server_that_is_gone_keeps_the_events_waiting(stream: EventStream) -> None:
    with Elasticsearch(f"http://127.0.0.1:{free_port()}", max_retries=0) as client:
        gone = EventStream(replace(stream.connection, client=client))
        with pytest.raises(IndexUnavailableError, match="cannot be reached"):
            gone.send([INDEXED])


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
