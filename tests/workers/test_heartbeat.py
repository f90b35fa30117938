"""The heartbeat: young while a worker gets on, old when it does not."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import servers
from tests.conftest import missing
from workers.heartbeat import BEAT_S, HUNG_S, Pulse, longest_s, touch

CELERY = str(Path(sys.executable).parent / "celery")
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "threads": ("worker", "-Q", "poll", "-P", "threads", "-c", "1"),
    "prefork": ("worker", "-Q", "index", "-P", "prefork", "-c", "1"),
    "beat": ("beat",),
}
PATIENCE_S = 120.0


def start(name: str, home: Path, broker: str, heartbeat: Path) -> "subprocess.Popen[bytes]":
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WIREROOM_")}
    environ = {
        **kept,
        "WIREROOM_HOME": str(home),
        "WIREROOM_BROKER_URL": broker,
        "WIREROOM_HEARTBEAT": str(heartbeat),
    }
    return subprocess.Popen(
        [CELERY, "-A", "workers", *COMMANDS[name]],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for(files: Iterator[Path] | list[Path], processes: list["subprocess.Popen[bytes]"]) -> None:
    """Look until all files are there; the processes must live on."""
    left, ends_at = list(files), time.monotonic() + PATIENCE_S
    while left := [path for path in left if not path.exists()]:
        assert time.monotonic() < ends_at, f"not there: {left}"
        assert all(process.poll() is None for process in processes)
        time.sleep(0.1)  # looking without a pause would take the processor from those who are looked at


def test_it_is_touched_while_the_broker_is_there_and_no_longer(tmp_path: Path) -> None:
    files = [tmp_path / name for name in COMMANDS]
    with ExitStack() as stack:
        broker = ExitStack()
        stack.callback(broker.close)
        try:
            url = broker.enter_context(servers.redis(servers.redis_binary()))
        except servers.ServerMissing as error:
            missing(str(error))
        processes = [start(path.name, tmp_path / "home", url, path) for path in files]
        for process in processes:
            stack.callback(process.wait)
            stack.callback(process.kill)
        wait_for(files, processes)
        for path in files:
            path.unlink()
        wait_for(files, processes)  # again and again, not only at the start
        broker.close()
        for path in files:
            path.unlink(missing_ok=True)
        assert_absent(files, BEAT_S * 2.5)


def assert_absent(files: list[Path], for_s: float) -> None:
    """Watch for some seconds that no file comes; one more may have been under way."""
    began_at = time.monotonic()
    while time.monotonic() < began_at + 1.0:
        for path in files:
            path.unlink(missing_ok=True)
        time.sleep(0.1)
    while time.monotonic() < began_at + for_s:
        assert [path.name for path in files if path.exists()] == []
        time.sleep(0.1)


def test_a_shift_that_hangs_ends_it(tmp_path: Path) -> None:
    Pulse(tmp_path / "file", lambda: HUNG_S + 1.0).beat()
    assert not (tmp_path / "file").exists()
    Pulse(tmp_path / "file", lambda: HUNG_S - 1.0).beat()
    assert (tmp_path / "file").exists()


def test_the_oldest_shift_counts() -> None:
    now = time.monotonic()
    assert longest_s({}) == 0.0
    assert longest_s({"poll": now - 1.0, "fetch": now - HUNG_S}) == pytest.approx(HUNG_S, abs=1.0)


def test_a_file_that_cannot_be_touched_ends_no_worker(tmp_path: Path) -> None:
    touch(tmp_path / "nowhere" / "file")
