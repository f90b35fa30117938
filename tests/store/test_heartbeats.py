"""Heartbeats of the work: who stands still, and who only has nothing to do. On both stores."""

import os

import pytest
from sqlalchemy import insert, update

from pipeline.model import Stage
from pipeline.store.duty_tables import heartbeats
from pipeline.store.heartbeats import NO_PROGRESS_S, Standstill, beat, find_standstills, forget_dead
from pipeline.store.leases import machine
from pipeline.store.store import Store
from pipeline.store.tables import articles, feeds, hosts
from tests.cli.newsroom import BRIDGE, FEED, entry, poll

ME = f"{machine()}:{os.getpid()}"
GONE = f"{machine()}:4194305"  # above the largest process number of Linux
ELSEWHERE = "another/boot-1:17"
LONG_S = NO_PROGRESS_S + 20


def age(store: Store, *, beats_s: float, due_s: float) -> None:
    """Let the heartbeats be so old, and one found article be due for so long at a host that may be asked."""
    with store.write() as connection:
        now = store.now()
        connection.execute(update(heartbeats).values(at=now - beats_s))
        connection.execute(update(articles).values(due_at=now - due_s))
        connection.execute(update(hosts).values(next_request_at=now - due_s))
        connection.execute(update(feeds).values(next_poll_at=now + 900))


def found(store: Store, worker: str = ME) -> tuple[tuple[str, Stage], ...]:
    return tuple((each.worker, each.stage) for each in find_standstills(store, worker))


@pytest.fixture
def watched(store: Store) -> Store:
    """Give a store with a page to fetch, and a worker for poll, fetch and index that began just now."""
    poll(store, FEED, entry(BRIDGE))
    beat(store, ME, [Stage.POLL, Stage.FETCH, Stage.INDEX])
    return store


def test_a_worker_stands_still_where_work_waits_and_it_does_not_get_on(watched: Store) -> None:
    age(watched, beats_s=LONG_S, due_s=LONG_S)
    [standstill] = find_standstills(watched, ME)
    assert standstill == Standstill(ME, Stage.FETCH, pytest.approx(LONG_S, abs=5))


def test_it_does_not_while_there_is_nothing_to_do(watched: Store) -> None:
    age(watched, beats_s=LONG_S, due_s=-60)
    assert found(watched) == ()


def test_nor_when_the_work_has_only_just_come(watched: Store) -> None:
    age(watched, beats_s=LONG_S, due_s=LONG_S / 2)
    assert found(watched) == ()


def test_nor_while_it_gets_on_however_long_something_waits(watched: Store) -> None:
    age(watched, beats_s=LONG_S / 2, due_s=10 * LONG_S)
    assert found(watched) == ()
    age(watched, beats_s=LONG_S, due_s=10 * LONG_S)
    beat(watched, ME, [Stage.FETCH])
    assert found(watched) == ()


def test_a_page_of_a_host_that_rests_is_nobodys_work(watched: Store) -> None:
    age(watched, beats_s=LONG_S, due_s=LONG_S)
    with watched.write() as connection:
        connection.execute(update(hosts).values(next_request_at=watched.now() - 5))
    assert found(watched) == ()


def test_a_held_row_is_nobodys_work(watched: Store) -> None:
    age(watched, beats_s=LONG_S, due_s=LONG_S)
    with watched.write() as connection:
        held = {"lease_owner": "x:1:fetch:0", "lease_until": watched.now() + 60}
        connection.execute(update(articles).values(**held))
    assert found(watched) == ()


def test_only_the_workers_that_are_asked_for_are_found_and_no_dead_ones(watched: Store) -> None:
    for worker in (GONE, ELSEWHERE):
        beat(watched, worker, [Stage.FETCH])
    age(watched, beats_s=LONG_S, due_s=LONG_S)
    assert found(watched, f"{machine()}:") == ((ME, Stage.FETCH),)
    assert found(watched, ELSEWHERE) == ((ELSEWHERE, Stage.FETCH),)


def test_dead_workers_of_this_machine_are_forgotten(watched: Store) -> None:
    with watched.write() as connection:
        for worker in (GONE, ELSEWHERE):
            connection.execute(insert(heartbeats).values(worker=worker, stage="fetch", at=1.0))
    forget_dead(watched)
    with watched.read() as connection:
        left = {row.worker for row in connection.execute(heartbeats.select())}
    assert left == {ME, ELSEWHERE}
