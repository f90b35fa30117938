"""One beat at a time: the right to ring by the clock, on a real Redis."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import redis

from tests.compose_file import ROOT
from tests.servers import free_port
from tests.workers.asking_http import get
from workers.beat import HELD_S, KEY, BeatLock
from workers.messages import fault

CELERY = str(Path(sys.executable).parent / "celery")


@pytest.fixture
def client(redis_url: str) -> "Iterator[redis.Redis]":
    with redis.Redis.from_url(redis_url) as opened:
        yield opened


def test_the_second_has_no_right_while_the_first_keeps_it(client: "redis.Redis") -> None:
    first, second = BeatLock(client), BeatLock(client)
    assert [first.is_ours(), second.is_ours(), first.is_ours(), second.is_ours()] == [
        True,
        False,
        True,
        False,
    ]
    assert 0 < client.ttl(KEY) <= HELD_S


def test_the_right_goes_over_at_once_when_the_first_ends_and_in_time_when_it_is_killed(
    client: "redis.Redis",
) -> None:
    first, second, third = (BeatLock(client) for _ in range(3))
    assert first.is_ours()
    first.let_go()
    assert second.is_ours()
    first.let_go()  # what is not its own it leaves alone
    assert second.is_ours()
    client.delete(KEY)  # as its expiry does
    assert third.is_ours()
    assert not second.is_ours()


def test_without_a_broker_everybody_goes_on() -> None:
    with redis.Redis(port=free_port()) as nobody:
        lock = BeatLock(nobody)
        assert lock.is_ours()
        lock.let_go()


def start_beat(home: Path, url: str, **more: str) -> "subprocess.Popen[bytes]":
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WIREROOM_")}
    chosen = {"PYTHONPATH": str(ROOT), "WIREROOM_HOME": str(home), "WIREROOM_BROKER_URL": url, **more}
    return subprocess.Popen(
        [CELERY, "-A", "workers", "beat", "--loglevel", "WARNING"],
        env={**kept, **chosen},
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_of_two_beats_one_rings_and_the_other_when_it_is_killed(
    tmp_path: Path, client: "redis.Redis", redis_url: str
) -> None:
    with ExitStack() as stack:
        beats = [start_beat(tmp_path, redis_url) for _ in range(2)]
        for beat in beats:
            stack.callback(beat.wait)
            stack.callback(beat.kill)
        first = holder(client, other_than=None)
        assert first in {beat.pid for beat in beats}
        rung = client.llen("wireroom:poll")
        while client.llen("wireroom:poll") < rung + 2:
            assert holder(client, other_than=None) == first
            time.sleep(0.1)
        os.kill(first, signal.SIGKILL)
        second = holder(client, other_than=first)
        assert {first, second} == {beat.pid for beat in beats}


def test_what_beat_rings_is_heard_by_workers(tmp_path: Path, client: "redis.Redis", redis_url: str) -> None:
    with start_beat(tmp_path, redis_url) as beat, ExitStack() as stack:
        stack.callback(beat.kill)
        ends_at = time.monotonic() + 120
        while not (rung := client.lrange("wireroom:poll", 0, -1)):
            assert time.monotonic() < ends_at
            time.sleep(0.1)
    assert isinstance(rung, list)
    assert {fault(each) for each in rung} == {None}


def test_a_beat_that_tells_how_it_stands_ends_when_asked(tmp_path: Path, redis_url: str) -> None:
    port = free_port()
    with start_beat(tmp_path, redis_url, WIREROOM_METRICS_ADDRESS=str(port)) as beat, ExitStack() as stack:
        stack.callback(beat.kill)
        ends_at = time.monotonic() + 120
        while not is_well(f"http://127.0.0.1:{port}/healthz"):
            assert time.monotonic() < ends_at
            time.sleep(0.1)
        beat.send_signal(signal.SIGTERM)
        assert beat.wait(20) == 0


def is_well(url: str) -> bool:
    with suppress(OSError):
        return get(url)[0] == 200
    return False


def holder(client: "redis.Redis", *, other_than: int | None) -> int:
    """Look until a beat holds the right, and give its process number."""
    ends_at = time.monotonic() + 120
    while True:
        assert time.monotonic() < ends_at
        held = client.get(KEY)
        if isinstance(held, bytes) and (pid := int(held.split(b":")[0])) != other_than:
            return pid
        time.sleep(0.1)
