"""Whoever asks slowly, often or while a part hangs harms nobody: answers stay within seconds, threads few."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pipeline.model import Stage
from pipeline.services import set_up
from pipeline.settings import Settings, read_settings
from pipeline.store.duty_tables import disk_days
from pipeline.store.store import open_store
from tests import servers
from tests.conftest import missing
from tests.workers.asking_http import get
from workers.heartbeat import Pulse
from workers.monitoring.asking import Asking, NoAnswerError
from workers.monitoring.replies import PATIENCE_S, make_replies
from workers.monitoring.server import AT_ONCE, Replies, Reply, serving
from workers.monitoring.standing import Lookout

ANSWER_S = PATIENCE_S + 5.0
"""What an answer may take: the patience, and what a busy machine adds."""


@pytest.fixture
def port() -> int:
    return servers.free_port()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    chosen = read_settings({"WIREROOM_HOME": str(tmp_path / "home")})
    set_up(chosen)
    return chosen


def hello() -> Reply:
    return Reply(200, "text/plain", b"hello\n")


def replies(settings: Settings, *, stages: tuple[Stage, ...] = (), tells_all: bool = True) -> Replies:
    return make_replies(settings, Lookout(settings, stages), Pulse(), folder=None, tells_all=tells_all)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30.0)


def test_one_who_sends_nothing_does_not_keep_others_waiting(port: int) -> None:
    with serving(("127.0.0.1", port), {"/": hello}):
        silent = [connect(port) for _ in range(AT_ONCE - 1)]
        assert get(f"http://127.0.0.1:{port}/") == (200, "hello\n")
        for each in silent:
            each.close()


def test_more_than_are_answered_at_once_are_hung_up_on(port: int) -> None:
    with serving(("127.0.0.1", port), {"/": hello}):
        silent = [connect(port) for _ in range(AT_ONCE)]
        with connect(port) as one_more:
            assert one_more.recv(1) == b""
        for each in silent:
            each.close()


def test_a_request_that_lasts_too_long_is_ended(port: int) -> None:
    with serving(("127.0.0.1", port), {"/": hello}, longest_s=1.0), connect(port) as dripping:
        dripping.sendall(b"GET / HT")
        assert dripping.recv(1) == b""


def test_what_is_not_there_is_told_with_what_is(port: int) -> None:
    with serving(("127.0.0.1", port), {"/metrics": hello}):
        assert get(f"http://127.0.0.1:{port}/other") == (404, "here are /metrics\n")


def test_what_hangs_holds_one_thread_however_often_it_is_asked_for() -> None:
    goes_on = threading.Event()
    asking = Asking(goes_on.wait)
    before = threading.active_count()
    for _ in range(5):
        asking.begin()
        with pytest.raises(NoAnswerError, match=r"no answer for \d+ s"):
            asking.answer(time.monotonic() + 0.01)
    assert threading.active_count() == before + 1
    goes_on.set()
    assert asking.answer(time.monotonic() + 30.0) is True


def test_an_answer_is_given_again_while_it_is_fresh_and_a_failure_is_not() -> None:
    answers: Iterator[int] = iter([1, 2])
    fresh = Asking(lambda: next(answers), fresh_s=60.0)
    for _ in range(2):
        fresh.begin()
        assert fresh.answer(time.monotonic() + 30.0) == 1
    tries: list[int] = []

    def fails() -> None:
        tries.append(1)
        raise OSError("away")

    failing = Asking(fails, fresh_s=60.0)
    for _ in range(2):
        failing.begin()
        with pytest.raises(OSError, match="away"):
            failing.answer(time.monotonic() + 30.0)
    assert len(tries) == 2


def test_what_may_end_at_any_moment_is_asked_anew_however_long_the_last_answer_took() -> None:
    answers = iter(["well", "away"])
    asking = Asking(lambda: next(answers))
    for expected in ("well", "away"):
        asking.begin()
        assert asking.answer(time.monotonic() + 30.0) == expected


def test_without_a_forecast_of_the_disk_the_rest_is_told(settings: Settings) -> None:
    with closing(open_store(settings.sql_url)) as store, store.write() as connection:
        disk_days.drop(connection)
    said = replies(settings)["/metrics"]()
    assert said.status == 200
    assert b"wireroom_counts_age_seconds" in said.body
    assert b'wireroom_part_up{part="disk"} 1.0' in said.body


def test_a_pulse_that_stopped_is_told(settings: Settings) -> None:
    now = [0.0]
    pulse = Pulse(clock=lambda: now[0])
    health = make_replies(settings, Lookout(settings), pulse, folder=None, tells_all=False)["/healthz"]
    assert health().status == 200
    now[0] = 61.0
    assert (health().status, json.loads(health().body)["alive"]) == (503, False)
    pulse.beat()
    assert health().status == 200


def test_a_worker_is_asked_for_the_parts_that_its_stages_need(settings: Settings) -> None:
    said = replies(settings, stages=(Stage.ENRICH,), tells_all=False)["/readyz"]()
    assert said.status == 200
    assert set(json.loads(said.body)["parts"].values()) <= {"ok", "absent", "stopped"}
    away = settings.model_copy(update={"broker_url": f"redis://127.0.0.1:{servers.free_port()}/0"})
    said = replies(away, stages=(Stage.ENRICH,), tells_all=False)["/readyz"]()
    told = json.loads(said.body)
    assert (said.status, told["parts"]["broker"]) == (503, "unreachable")
    assert "refused" in told["said"]["broker"]
    assert [problem["slug"] for problem in told["problems"]] == ["broker-unreachable"]


def test_a_store_that_is_frozen_is_named_within_seconds_and_the_rest_is_told(tmp_path: Path) -> None:
    try:
        with servers.postgresql() as address:
            url = f"postgresql://postgres:hidden-word@{address}/postgres"
            settings = read_settings({"WIREROOM_HOME": str(tmp_path), "WIREROOM_STORE_URL": url})
            set_up(settings)
            answers = replies(settings)
            assert answers["/readyz"]().status == 200
            with frozen(int(address.rpartition(":")[2])):
                began = time.monotonic()
                ready, metrics = answers["/readyz"](), answers["/metrics"]()
                took_s = time.monotonic() - began
            told = json.loads(ready.body)
            assert (ready.status, told["parts"]["store"]) == (503, "unreachable")
            assert told["said"]["store"].startswith("no answer for ")
            assert b"hidden-word" not in ready.body
            assert metrics.status == 200
            assert b'wireroom_part_up{part="store"} 0.0' in metrics.body
            assert b'wireroom_part_up{part="disk"} 1.0' in metrics.body
            assert took_s < 2 * ANSWER_S
    except servers.ServerMissing as error:
        missing(str(error))


@contextmanager
def frozen(port: int) -> Iterator[None]:
    """Stop all processes of the PostgreSQL on a port while the block lasts."""
    # `-ww`: readline, once loaded, tells children how wide the terminal is, and ps cuts its lines to that.
    listed = subprocess.run(["ps", "-wweo", "pid,ppid,args"], capture_output=True, text=True, check=True)
    lines = [line.split(None, 2) for line in listed.stdout.splitlines()[1:]]
    main = {int(pid) for pid, _, args in lines if f"-p {port} " in args}
    pids = main | {int(pid) for pid, parent, _ in lines if int(parent) in main}
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
