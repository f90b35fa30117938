"""Cursors of followers: nothing that comes into the index is missed, in whatever order it is committed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, update

from pipeline.errors import UsageError, WireroomError
from pipeline.model import Stage, State
from pipeline.store.cursors import (
    ARRIVALS,
    OVERLAP_S,
    Arrival,
    Arrivals,
    Cursor,
    Mark,
    open_cursor,
    read_arrivals,
    save_cursor,
    settled,
    unread,
)
from pipeline.store.migrations import migrate
from pipeline.store.store import Store, open_store
from pipeline.store.tables import articles, generations, projections

LONG_AGO = 1_700_000_000.0


def add_generation(store: Store) -> None:
    with store.write() as connection:
        connection.execute(insert(generations).values(name="g1", state="live", created_at=0.0))


def arrive(connection: Connection, id: str, at: float, *, held: bool = True, **changed: object) -> None:
    """Write an article that came into the index."""
    row = {"id": id, "url": f"https://a.example/{id}", "host": "a.example:443", "state": State.INDEXED}
    times = {"news_at": at, "first_seen_at": at, "month": "2026-03", "indexed_at": at}
    connection.execute(insert(articles).values({**row, **times, **changed}))
    if held:
        connection.execute(insert(projections).values(generation="g1", article_id=id, version=1))


def opened(store: Store, since: float | None = LONG_AGO) -> Cursor:
    return open_cursor(store, "desk", search="digest", query="storm", since=since)


def read_on(store: Store, cursor: Cursor) -> tuple[list[str], Cursor]:
    """Read all that a follower is given, page by page, as it does."""
    ids: list[str] = []
    read = read_arrivals(store, cursor.mark)
    while True:
        ids += unread(cursor, read)
        cursor = save_cursor(store, settled(cursor, read))
        if read.is_last:
            return ids, cursor
        read = read_arrivals(store, read.arrivals[-1].mark)


def test_arrivals_are_read_once_in_the_order_in_which_they_came(store: Store) -> None:
    add_generation(store)
    with store.write() as connection:
        now = store.read_clock(connection)
        for id, at in (("b", LONG_AGO + 1), ("a", LONG_AGO + 1), ("old", LONG_AGO - 1), ("new", now - 1)):
            arrive(connection, id, at)
    ids, cursor = read_on(store, opened(store))
    assert ids == ["a", "b", "new"]
    assert cursor.mark == Mark(LONG_AGO + 1, "b")
    assert cursor.given == {"new"}
    assert read_on(store, opened(store))[0] == []


def test_more_than_a_page_of_one_moment_is_read_once(store: Store) -> None:
    add_generation(store)
    everything = {f"{number:05}" for number in range(2 * ARRIVALS + 7)}
    with store.write() as connection:
        for id in everything:
            arrive(connection, id, LONG_AGO)
    ids, cursor = read_on(store, opened(store))
    assert (len(ids), set(ids)) == (len(everything), everything)
    assert read_on(store, cursor)[0] == []


def test_what_is_committed_after_a_later_one_is_not_missed(postgresql_store: Store) -> None:
    store = postgresql_store
    add_generation(store)
    cursor = opened(store, since=None)
    with store.write() as slow:
        arrive(slow, "slow", store.read_clock(slow))
        with store.write() as quick:
            arrive(quick, "quick", store.read_clock(quick))
        ids, cursor = read_on(store, cursor)
        assert ids == ["quick"]
    ids, cursor = read_on(store, cursor)
    assert ids == ["slow"]
    assert read_on(store, cursor)[0] == []


@pytest.fixture
def postgresql_store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Open a store whose transactions run side by side; SQLite has one writer at a time."""
    opened = open_store(request.getfixturevalue("postgresql_url"))
    migrate(opened)
    yield opened
    opened.close()


def test_a_new_cursor_begins_now(store: Store) -> None:
    add_generation(store)
    with store.write() as connection:
        arrive(connection, "before", store.read_clock(connection) - 1)
    cursor = opened(store, since=None)
    with store.write() as connection:
        arrive(connection, "after", store.read_clock(connection) + 0.001)
    assert read_on(store, cursor)[0] == ["after"]


def test_what_the_index_that_is_built_anew_lacks_is_waited_for(store: Store) -> None:
    add_generation(store)
    with store.write() as connection:
        arrive(connection, "a", LONG_AGO)
        arrive(connection, "b", LONG_AGO + 1, held=False, stage=Stage.INDEX, due_at=0.0)
        arrive(connection, "c", LONG_AGO + 2)
        about_to_be_put = {"generation": "g1", "article_id": "b", "version": 0}
        connection.execute(insert(projections).values(about_to_be_put))
    ids, cursor = read_on(store, opened(store))
    assert (ids, cursor.mark.id, cursor.given) == (["a", "c"], "a", {"c"})
    with store.write() as connection:
        connection.execute(update(projections).where(projections.c.article_id == "b").values(version=1))
        connection.execute(update(articles).where(articles.c.id == "b").values(stage=None))
    ids, cursor = read_on(store, cursor)
    assert (ids, cursor.mark.id, cursor.given) == (["b"], "c", frozenset())


def test_what_was_dropped_since_or_will_not_come_stops_nobody(store: Store) -> None:
    add_generation(store)
    with store.write() as connection:
        arrive(connection, "dropped", LONG_AGO, held=False, state=State.DROPPED, stage=Stage.INDEX)
        arrive(connection, "rejected", LONG_AGO + 1, held=False)
        arrive(connection, "good", LONG_AGO + 2)
    ids, cursor = read_on(store, opened(store))
    assert ids[-1] == "good"
    assert "dropped" not in ids
    assert cursor.mark.id == "good"


def test_a_cursor_of_another_search_is_refused(store: Store) -> None:
    opened(store)
    with pytest.raises(UsageError, match=r"follows another search \(storm\)"):
        open_cursor(store, "desk", search="another", query="flood", since=None)


def test_a_cursor_begins_once(store: Store) -> None:
    assert opened(store, since=LONG_AGO) == opened(store, since=None)


def test_two_that_follow_by_one_name_find_out(store: Store) -> None:
    first, second = opened(store), opened(store)
    save_cursor(store, first)
    with pytest.raises(WireroomError, match="another process follows"):
        save_cursor(store, second)


# However commits and looks fall


@dataclass(frozen=True)
class Commit:
    """An article: when it took its time, and when it became visible."""

    id: str
    at: float
    visible: float


@st.composite
def commits(draw: st.DrawFn) -> list[Commit]:
    moments = draw(st.lists(st.tuples(st.integers(0, 900), st.integers(0, int(OVERLAP_S) - 1)), max_size=30))
    return [Commit(f"{number:03}", at, at + delay) for number, (at, delay) in enumerate(moments)]


def pages(seen: Sequence[Commit], mark: Mark, now: float, size: int) -> Iterator[Arrivals]:
    rest = sorted((each.at, each.id) for each in seen if (each.at, each.id) > (mark.at, mark.id))
    for start in range(0, max(len(rest), 1), size):
        page = tuple(Arrival(Mark(*each)) for each in rest[start : start + size])
        yield Arrivals(mark, page, now - OVERLAP_S)
        mark = page[-1].mark if page else mark


@given(commits(), st.lists(st.integers(1, 400), min_size=1, max_size=12), st.integers(1, 5))
def test_each_is_given_once_however_commits_and_looks_fall(
    written: list[Commit], waits: list[int], size: int
) -> None:
    cursor, now, ids = Cursor("desk", Mark(-1.0, ""), frozenset(), 0), 0.0, []
    for wait in [*waits, 2_000, 1_000]:
        now += wait
        seen = [each for each in written if each.visible <= now]
        for page in pages(seen, cursor.mark, now, size):
            ids += unread(cursor, page)
            cursor = settled(cursor, page)
    assert sorted(ids) == sorted(each.id for each in written)
    assert cursor.given == frozenset()
