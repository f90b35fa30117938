"""The health check of a container: it reads the heartbeats of the work, and kills what stands still."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from pipeline.store.duty_tables import heartbeats
from pipeline.store.heartbeats import NO_PROGRESS_S
from pipeline.store.migrations import migrate
from pipeline.store.store import Store, open_store
from pipeline.store.tables import articles, hosts
from tests import servers
from tests.cli.newsroom import BRIDGE, FEED, entry, poll
from tests.compose_file import ROOT
from tests.conftest import missing
from workers.pulse import worker_name

LONG_S = NO_PROGRESS_S + 60


@dataclass(frozen=True, slots=True)
class Broker:
    url: str
    process: "subprocess.Popen[bytes]"


@pytest.fixture
def broker() -> Iterator[Broker]:
    """Run a Redis that a test may stop."""
    try:
        with servers.server_folder("redis") as folder:
            port = servers.free_port()
            with servers.redis_at(folder, port, servers.redis_binary()) as process:
                yield Broker(f"redis://127.0.0.1:{port}/0", process)
    except servers.ServerMissing as error:
        missing(str(error))


@pytest.fixture
def environ(tmp_path: Path, broker: Broker) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WIREROOM_")}
    chosen = {"WIREROOM_HOME": str(tmp_path), "WIREROOM_BROKER_URL": broker.url}
    return {**kept, "PYTHONPATH": str(ROOT), **chosen}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Give a store with a page that has waited for a long time."""
    with closing(open_store(f"sqlite:///{tmp_path / 'wireroom.db'}")) as opened:
        migrate(opened)
        poll(opened, FEED, entry(BRIDGE))
        with opened.write() as connection:
            connection.execute(update(articles).values(due_at=opened.now() - LONG_S))
            connection.execute(update(hosts).values(next_request_at=0))
        yield opened


@pytest.fixture
def worker() -> "Iterator[subprocess.Popen[bytes]]":
    """Run a process that does nothing, as a worker in a deadlock does."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def felt(store: Store, worker: "subprocess.Popen[bytes]", *, ago_s: float) -> None:
    """Let a worker have got on at fetch so long ago."""
    with store.write() as connection:
        row = {"worker": worker_name(worker.pid), "stage": "fetch", "at": store.now() - ago_s}
        connection.execute(insert(heartbeats).values(**row))


def check(environ: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "workers.alive"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def test_a_worker_that_stands_still_is_killed(
    environ: Mapping[str, str], store: Store, worker: "subprocess.Popen[bytes]"
) -> None:
    felt(store, worker, ago_s=LONG_S)
    checked = check(environ)
    assert checked.returncode == 1
    assert checked.stderr.startswith("no progress in fetch for ")
    assert checked.stderr.endswith(f"killed {worker_name(worker.pid)}\n")
    assert worker.wait(10) == -signal.SIGKILL


def test_a_worker_that_gets_on_is_left_alone(
    environ: Mapping[str, str], store: Store, worker: "subprocess.Popen[bytes]"
) -> None:
    felt(store, worker, ago_s=10)
    checked = check(environ)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert worker.poll() is None


@pytest.mark.parametrize("stopped_by", [signal.SIGSTOP, signal.SIGKILL])
def test_while_the_broker_is_silent_nobody_is_judged(
    environ: Mapping[str, str],
    store: Store,
    worker: "subprocess.Popen[bytes]",
    broker: Broker,
    stopped_by: signal.Signals,
) -> None:
    felt(store, worker, ago_s=LONG_S)
    broker.process.send_signal(stopped_by)
    checked = check(environ)
    broker.process.send_signal(signal.SIGCONT)
    assert checked.returncode == 0
    assert checked.stderr.startswith("cannot be judged, the broker is silent: ")
    assert worker.poll() is None


def test_while_the_store_is_away_nobody_is_judged(environ: Mapping[str, str]) -> None:
    away = {**environ, "WIREROOM_STORE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    checked = check(away)
    assert checked.returncode == 0
    assert checked.stderr.startswith("cannot be judged, the store is away: ")


def test_a_wrong_setting_is_told(environ: Mapping[str, str]) -> None:
    checked = check({**environ, "WIREROOM_CONCURRENCY": "many"})
    assert (checked.returncode, checked.stderr.count("\n")) == (2, 1)
