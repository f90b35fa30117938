"""Bells: a stage that is at work is rung once, and can be rung again as soon as it has ended."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from celery import Celery
from redis import Redis

from pipeline.model import Stage
from pipeline.services import open_services, prepare
from pipeline.settings import Settings, read_settings
from workers.app import make_app
from workers.bells import TIDY, Bells, open_bells, task_name
from workers.messages import fault

PATIENCE_S = 60.0
FETCH = task_name(Stage.FETCH)


@dataclass(frozen=True)
class Desk:
    """Hold an app on a broker of its own, and what listens at it."""

    app: Celery
    bells: Bells
    settings: Settings
    redis: Redis

    def is_rung(self) -> bool:
        return bool(self.redis.exists("wireroom:bell:fetch"))

    def queued(self) -> int:
        return int(self.redis.llen("wireroom:fetch"))  # type: ignore[arg-type]


@pytest.fixture
def desk(tmp_path: Path, valkey_server: str) -> Iterator[Desk]:
    settings = read_settings({"WIREROOM_HOME": str(tmp_path), "WIREROOM_BROKER_URL": valkey_server})
    prepare(settings)
    app = make_app(settings)
    with closing(Redis.from_url(valkey_server)) as redis:
        redis.flushall()
        yield Desk(app, open_bells(app), settings, redis)


def test_a_ring_of_whoever_knows_the_tasks_is_heard_by_workers(desk: Desk) -> None:
    desk.app.finalize()  # as a worker's app is: now Celery knows what the tasks' own limits are
    desk.bells.ring(Stage.FETCH)
    desk.bells.send(TIDY)
    rung = [desk.redis.lpop(queue) for queue in ("wireroom:fetch", "wireroom:poll")]
    assert [fault(each) for each in rung if isinstance(each, bytes)] == [None, None]


def test_rings_before_an_answer_are_one_message(desk: Desk) -> None:
    desk.bells.ring(Stage.FETCH)
    desk.bells.ring(Stage.FETCH)
    assert desk.queued() == 1


def test_a_ring_that_came_during_a_shift_does_not_silence_the_next(desk: Desk) -> None:
    work = desk.app.tasks[FETCH]
    desk.bells.ring(Stage.FETCH)
    with ThreadPoolExecutor() as threads, closing(open_services(desk.settings)) as services:
        with services.store.write():  # holds up the shift at its first claim
            shift = threads.submit(work)
            ends_at = time.monotonic() + PATIENCE_S
            while desk.is_rung():
                assert time.monotonic() < ends_at
            desk.bells.ring(Stage.FETCH)
            work()  # the ring's message is taken, by a thread that finds the other at work
            assert desk.is_rung()
        shift.result(PATIENCE_S)
    assert not desk.is_rung()
