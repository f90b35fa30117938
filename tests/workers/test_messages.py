"""What may be in a queue, and that workers refuse the rest and go on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from pipeline.services import prepare
from pipeline.settings import read_settings
from tests.compose_file import ROOT
from tests.workers.poison import POISON, RING, TRAP, item
from workers.app import beat_schedule, make_app
from workers.messages import LONGEST, TASKS, fault
from workers.transport import Transport

QUEUE, BELL, UNACKED = "wireroom:poll", "wireroom:bell:poll", "wireroom:unacked"
PATIENCE_S = 120.0


def test_a_ring_is_let_through() -> None:
    assert fault(item()) is None


def test_a_ring_of_beat_which_ends_is_let_through() -> None:
    headers = {**RING["headers"], "task": "wireroom.tick", "expires": "2026-11-26T05:00:00.123456+00:00"}
    assert fault(item(headers=headers)) is None


def test_a_ring_that_a_dead_worker_gave_back_is_let_through() -> None:
    assert fault(item(headers={**RING["headers"], "redelivered": True})) is None


@pytest.mark.parametrize("name", POISON)
def test_all_else_is_refused_in_words_of_ours(name: str) -> None:
    poison, expected = POISON[name]
    assert fault(poison) == expected


@given(st.binary(max_size=200), st.integers(0, len(item())))
def test_no_bytes_raise_anything(junk: bytes, place: int) -> None:
    ring = item()
    for each in (junk, ring[:place] + junk + ring[place:], ring[:place] + junk):
        assert isinstance(fault(each), str | None)


def test_the_bound_lets_through_what_is_just_below_it() -> None:
    padding = " " * (LONGEST - len(item()))
    assert fault(item() + padding.encode()) is None
    assert fault(item() + padding.encode() + b" ") == f"longer than {LONGEST} bytes"


def test_the_tasks_that_are_let_through_are_those_that_there_are(tmp_path: Path) -> None:
    settings = read_settings({"WIREROOM_HOME": str(tmp_path), "WIREROOM_REINDEX_SCHEDULE": "30 3 * * sun"})
    assert {name for name in make_app(settings).tasks if not name.startswith("celery.")} == TASKS
    assert {entry["task"] for entry in beat_schedule(settings).values()} <= TASKS


@pytest.mark.parametrize("url", ["embedded", "redis://h/0", "rediss://h/0", "redis+socket:///run/redis.sock"])
def test_every_broker_is_read_through_what_refuses(url: str, tmp_path: Path) -> None:
    app = make_app(read_settings({"WIREROOM_HOME": str(tmp_path), "WIREROOM_BROKER_URL": url}))
    assert app.connection_for_read().get_transport_cls() is Transport


@dataclass(frozen=True, slots=True)
class Running:
    """Hold a worker of poll, its broker and its log."""

    process: "subprocess.Popen[bytes]"
    broker: "Redis"
    log: Path

    def takes(self, *items: bytes) -> str:
        """Queue items and behind them a ring; return what was logged until its shift had ended."""
        before = self.log.stat().st_size
        with self.broker.pipeline() as together:
            together.set(BELL, 1).lpush(QUEUE, *items, item()).execute()
        ends_at = time.monotonic() + PATIENCE_S
        while self.broker.exists(BELL, UNACKED):  # a shift answers the bell again when it ends
            assert self.process.poll() is None, self.log.read_text()[before:]
            assert time.monotonic() < ends_at
            time.sleep(0.02)  # looking without a pause would take the processor from the worker
        return self.log.read_text()[before:]


@pytest.fixture(scope="module", params=["threads", "prefork"])
def worker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis_server: str
) -> Iterator[Running]:
    """Run a worker as Celery's command does."""
    home = tmp_path_factory.mktemp("home")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WIREROOM_")}
    chosen = {"WIREROOM_HOME": str(home), "WIREROOM_BROKER_URL": redis_server}
    prepare(read_settings(chosen))
    words = ["worker", "-Q", "poll", "-P", request.param, "-c", "1", "--loglevel", "WARNING"]
    log = home / "worker.log"
    with Redis.from_url(redis_server) as broker, log.open("wb") as output:
        broker.flushall()
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "workers", *words],
            env={**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **chosen},
            cwd=home,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            running = Running(process, broker, log)
            running.takes()
            yield running
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.parametrize("name", POISON)
def test_a_worker_refuses_it_with_one_line_and_goes_on(worker: Running, name: str) -> None:
    poison, fault = POISON[name]
    first, *others = worker.takes(poison).splitlines()
    assert first.endswith(f"message refused queue=poll bytes={len(poison)} fault={fault}")
    assert others == []
    assert not TRAP.exists()


def test_a_refused_message_is_gone(worker: Running) -> None:
    worker.takes(b"this is no JSON")
    assert not worker.broker.exists(QUEUE, UNACKED)
