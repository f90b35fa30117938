"""The processes of one `up`: started, restarted with a back-off when they die, ended together."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from pipeline.model import Stage
from pipeline.settings import Settings
from workers.environment import child_environ
from workers.orphans import die_with_parent

NET_THREADS = 8
"""One shift at a time for each of poll, fetch and index, up to four that wait for slow servers, and one that
answers a ring too many."""

QUIET_S = 60.0
"""A child that lived so long is restarted at once; one that dies sooner waits twice as long each time."""

LONGEST_WAIT_S = 30.0
GRACE_S = 8.0
"""From the request to stop until SIGKILL; the whole ending stays within ten seconds."""

BROKER = "broker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """Hold one running process and how it is started again."""

    name: str
    start: Callable[[], "subprocess.Popen[bytes]"] = field(repr=False)
    process: "subprocess.Popen[bytes]"
    began_at: float
    wait_s: float = 0.0


class Children:
    """Keep the processes of one `up`; leaving the context ends them all."""

    def __init__(self, settings: Settings) -> None:
        """Start nothing yet."""
        self._settings = settings
        self._children: dict[str, Child] = {}

    def __enter__(self) -> Self:
        """Begin with no children."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all: workers first, the broker when they are gone."""
        ends_at = time.monotonic() + GRACE_S
        workers = [child for child in self._children.values() if child.name != BROKER]
        brokers = [child for child in self._children.values() if child.name == BROKER]
        for ending in (workers, brokers):
            for child in ending:
                child.process.send_signal(signal.SIGTERM)
            for child in ending:
                _await_end(child.process, ends_at)

    def add(self, name: str, start: Callable[[], "subprocess.Popen[bytes]"]) -> None:
        """Start a process and keep it running."""
        self._children[name] = Child(name=name, start=start, process=start(), began_at=time.monotonic())

    def add_worker(self, name: str) -> None:
        """Start one of the two Celery workers, `net` or `enrich`, and keep it running."""
        self.add(name, lambda: _start_worker(self._settings, name))

    def restart_dead(self) -> None:
        """Start again what has ended, after a wait that grows while it keeps dying."""
        for child in list(self._children.values()):
            if child.process.poll() is None:
                continue
            lived_s = time.monotonic() - child.began_at
            if lived_s < child.wait_s:
                continue
            wait_s = 0.0 if lived_s > QUIET_S else min(LONGEST_WAIT_S, max(1.0, child.wait_s * 2))
            fresh = replace(child, process=child.start(), began_at=time.monotonic(), wait_s=wait_s)
            self._children[child.name] = fresh


def _start_worker(settings: Settings, name: str) -> "subprocess.Popen[bytes]":
    log = settings.log_folder / f"{name}.log"
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 -- our own interpreter
            [sys.executable, "-m", "celery", "-A", "workers", "worker", *_worker_options(settings, name)],
            stdin=subprocess.DEVNULL,
            stdout=output,  # the worker prints a banner even at WARNING
            stderr=output,
            env=child_environ(settings),
            start_new_session=True,  # Ctrl-C is for the supervisor, which asks its children to stop
            preexec_fn=die_with_parent,
        )


def _worker_options(settings: Settings, name: str) -> list[str]:
    quiet = [
        "--loglevel",
        "WARNING",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
        "-n",
        f"{name}@%h",
    ]
    if name == "enrich":
        return ["-Q", Stage.ENRICH, "-P", "prefork", "-c", str(settings.concurrency), *quiet]
    queues = ",".join((Stage.POLL, Stage.FETCH, Stage.INDEX))
    return ["-Q", queues, "-P", "threads", "-c", str(NET_THREADS), *quiet]


def _await_end(process: "subprocess.Popen[bytes]", ends_at: float) -> None:
    try:
        process.wait(max(0.1, ends_at - time.monotonic()))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
