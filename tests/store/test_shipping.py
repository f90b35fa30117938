"""Every event reaches the data stream once, whatever fails in between, on both stores."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from sqlalchemy import delete, func, insert, select

from pipeline.errors import IndexUnavailableError
from pipeline.indexing.elasticsearch_events import event_id
from pipeline.model import PipelineEvent, Stage
from pipeline.stages import ship as stage
from pipeline.stages.shift import Shift, begin_shift
from pipeline.stages.ship import ship
from pipeline.store.migrations import migrate
from pipeline.store.shipping import OVERLAP_S, read_unshipped, record_shipped
from pipeline.store.store import Store, open_store
from pipeline.store.tables import articles, events, feeds, shipped_events

NOON = 1_764_000_000.0


@pytest.fixture
def shift() -> Shift:
    return begin_shift(lambda _: None, threading.Event(), budget_s=60)


@dataclass
class Stream:
    """Keep documents by id, as a data stream does with `create`; fail before or after it, when told to."""

    kept: dict[str, PipelineEvent] = field(default_factory=dict)
    requests: int = 0
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None

    def send(self, batch: Sequence[PipelineEvent]) -> None:
        self.requests += 1
        self.before()
        for each in batch:
            self.kept.setdefault(event_id(each), each)
        self.after()


def happen(store: Store, count: int, *, at: float = NOON, **changed: object) -> list[int]:
    """Write events, a second apart, and give their numbers."""
    rows = [{"at": at + i, "stage": "poll", "outcome": "polled", **changed} for i in range(count)]
    with store.write() as connection:
        before = connection.execute(select(func.coalesce(func.max(events.c.id), 0))).scalar_one()
        connection.execute(insert(events), rows)
        return list(connection.execute(select(events.c.id).where(events.c.id > before)).scalars())


def fail() -> None:
    raise IndexUnavailableError("down")


def shipped_ids(stream: Stream) -> list[int]:
    return sorted(each.id for each in stream.kept.values())


def test_all_events_are_shipped_in_batches_and_then_no_more(
    store: Store, shift: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "BATCH", 10)
    ids, stream = happen(store, 25), Stream()
    ship(store, stream.send, shift)
    ship(store, stream.send, shift)
    assert (shipped_ids(stream), stream.requests) == (ids, 3)


def test_an_event_carries_its_article_and_its_feed(store: Store, shift: Shift) -> None:
    with store.write() as connection:
        connection.execute(
            insert(feeds).values(
                id=1, url="https://news.example/feed.xml", host="news.example", tags=[], state="active",
                added_at=0, state_since=0, next_poll_at=0, interval_s=900,
            )
        )  # fmt: skip
        connection.execute(
            insert(articles).values(
                id="a" * 32, url="https://news.example/a", host="news.example", state="indexed",
                news_at=NOON - 60, first_seen_at=NOON - 30, month="2025-11", indexed_at=NOON,
            )
        )  # fmt: skip
    happen(store, 1, article_id="a" * 32, feed_id=1, slug="blocked", detail="why")
    (event,) = read_unshipped(store, limit=10)
    assert event == PipelineEvent(
        id=event.id,
        at=NOON,
        stage=Stage.POLL,
        outcome="polled",
        slug="blocked",
        detail="why",
        article_id="a" * 32,
        url="https://news.example/a",
        host="news.example",
        feed="https://news.example/feed.xml",
        news_at=NOON - 60,
        first_seen_at=NOON - 30,
        indexed_at=NOON,
    )


def test_an_outage_delays_and_loses_nothing(store: Store, shift: Shift) -> None:
    first, stream = happen(store, 3), Stream(before=fail)
    with pytest.raises(IndexUnavailableError):
        ship(store, stream.send, shift)
    second = happen(store, 3, at=NOON + 86_400)
    stream.before = lambda: None
    ship(store, stream.send, shift)
    assert shipped_ids(stream) == first + second


def test_who_is_killed_after_sending_repeats_nothing_visible(store: Store, shift: Shift) -> None:
    ids, stream = happen(store, 5), Stream(after=fail)
    with pytest.raises(IndexUnavailableError):
        ship(store, stream.send, shift)
    stream.after = lambda: None
    ship(store, stream.send, shift)
    assert (shipped_ids(stream), stream.requests) == (ids, 2)


def test_two_that_ship_at_once_write_each_event_down_once(store: Store, shift: Shift) -> None:
    ids = happen(store, 5)
    batch = read_unshipped(store, limit=10)
    record_shipped(store, batch)
    record_shipped(store, batch)
    with store.read() as connection:
        assert list(connection.execute(select(shipped_events.c.event_id)).scalars()) == ids
    assert read_unshipped(store, limit=10) == ()


def test_an_event_that_commits_after_later_ones_is_shipped(postgresql_url: str, shift: Shift) -> None:
    store, stream = open_store(postgresql_url), Stream()
    migrate(store)
    with store.engine.connect() as slow, slow.begin():
        row = {"at": NOON, "stage": "poll", "outcome": "polled"}
        late = slow.execute(insert(events).values(row).returning(events.c.id)).scalar_one()
        ids = happen(store, 3, at=NOON + 1)
        ship(store, stream.send, shift)
        assert shipped_ids(stream) == ids
        assert late < min(ids)
    ship(store, stream.send, shift)
    assert shipped_ids(stream) == [late, *ids]
    store.close()


def test_only_the_last_minutes_are_remembered(store: Store, shift: Shift) -> None:
    happen(store, 3)
    recent, stream = happen(store, 3, at=NOON + OVERLAP_S + 10), Stream()
    ship(store, stream.send, shift)
    with store.read() as connection:
        assert list(connection.execute(select(shipped_events.c.event_id)).scalars()) == recent
    assert read_unshipped(store, limit=10) == ()


def test_a_clock_that_is_set_back_hides_no_event(store: Store, shift: Shift) -> None:
    ids, stream = happen(store, 2), Stream()
    ship(store, stream.send, shift)
    ids += happen(store, 2, at=NOON - 86_400)
    ship(store, stream.send, shift)
    ids += happen(store, 2, at=NOON - 86_000)
    ship(store, stream.send, shift)
    assert shipped_ids(stream) == ids


def test_events_that_were_trimmed_are_not_missed(store: Store, shift: Shift) -> None:
    happen(store, 3)
    stream = Stream()
    ship(store, stream.send, shift)
    with store.write() as connection:
        connection.execute(delete(events))
    happen(store, 2, at=NOON + 7 * 86_400)  # SQLite begins to count anew
    ship(store, stream.send, shift)
    ship(store, stream.send, shift)
    assert len(stream.kept) == 5


def test_a_shift_that_is_over_ships_nothing(store: Store) -> None:
    happen(store, 1)
    stream = Stream()
    ship(store, stream.send, begin_shift(lambda _: None, threading.Event(), budget_s=0))
    assert stream.requests == 0
