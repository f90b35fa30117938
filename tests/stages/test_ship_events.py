"""Events go to a real Elasticsearch when the index is one, and wait while it is away."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from pipeline.flow import tick
from pipeline.indexing.elasticsearch_client import connect
from pipeline.indexing.elasticsearch_events import EVENTS_STREAM
from pipeline.indexing.elasticsearch_templates import install_templates
from pipeline.model import Stage
from pipeline.services import Services
from pipeline.settings import read_settings
from pipeline.stages.shift import Shift, begin_shift
from pipeline.stages.ship import ship_events
from pipeline.store.events import Happening, record
from pipeline.store.migrations import migrate
from pipeline.store.shipping import read_unshipped
from pipeline.store.store import Store, open_store
from pipeline.store.tables import articles
from tests.servers import free_port


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open a store with an article and three events, of which one is no article's."""
    opened = open_store(f"sqlite:///{tmp_path / 'wireroom.db'}")
    migrate(opened)
    with opened.write() as connection:
        connection.execute(
            insert(articles).values(
                id="a" * 32, url="https://news.example/a", host="news.example", state="indexed",
                news_at=0, first_seen_at=0, month="1970-01",
            )
        )  # fmt: skip
        told = [
            Happening(stage=Stage.POLL, outcome="unchanged"),
            Happening(stage=Stage.POLL, outcome="found", article_id="a" * 32),
            Happening(stage=Stage.INDEX, outcome="indexed", article_id="a" * 32),
        ]
        record(connection, opened, told)
    yield opened
    opened.close()


@pytest.fixture
def shift() -> Shift:
    return begin_shift(lambda _: None, threading.Event(), budget_s=60)


def services(store: Store, home: Path, index_url: str) -> Services:
    environ = {"WIREROOM_HOME": str(home), "WIREROOM_INDEX_URL": index_url}
    return Services(read_settings(environ), store)


def rung(parts: Services) -> list[Stage]:
    heard: list[Stage] = []
    tick(parts, heard.append)
    return heard


def test_a_tick_rings_for_events_that_wait_until_they_are_shipped(
    store: Store, shift: Shift, tmp_path: Path, elasticsearch_url: str
) -> None:
    connection = connect(elasticsearch_url)
    install_templates(connection, keep_events=86_400.0)
    parts = services(store, tmp_path, elasticsearch_url)
    assert rung(parts) == [Stage.INDEX]
    ship_events(parts, shift)
    assert rung(parts) == []
    connection.client.indices.refresh(index=EVENTS_STREAM)
    counted = connection.client.count(index=EVENTS_STREAM, q="url.domain:news.example")["count"]
    assert counted == 2
    connection.client.close()
    parts.event_stream.connection.client.close()


def test_events_wait_while_the_index_is_away(store: Store, shift: Shift, tmp_path: Path) -> None:
    parts = services(store, tmp_path, f"http://127.0.0.1:{free_port()}")
    ship_events(parts, shift)
    assert rung(parts) == [Stage.INDEX]
    assert len(read_unshipped(store, limit=10)) == 3


def test_the_embedded_index_is_sent_no_events(store: Store, shift: Shift, tmp_path: Path) -> None:
    parts = services(store, tmp_path, "embedded")
    ship_events(parts, shift)
    assert rung(parts) == []
    assert len(read_unshipped(store, limit=10)) == 3
