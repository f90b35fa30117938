"""The processes of one `up`: started, restarted with a back-off when they die, ended together."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from pipeline.errors import WireroomError
from pipeline.model import Stage
from pipeline.settings import Settings
from workers.environment import child_environ
from workers.orphans import die_with_parent
from workers.pulse import worker_name
from workers.recycling import TOO_MANY_BYTES, resident_bytes

NET_THREADS = 8
"""One shift at a time for each of poll, fetch and index, up to four that wait for slow servers, and one that
answers a ring too many."""

QUIET_S = 60.0
"""A child that lived so long is restarted at once; one that dies sooner waits twice as long each time."""

LONGEST_WAIT_S = 30.0
GRACE_S = 8.0
"""From the request to stop until SIGKILL; the whole ending stays within ten seconds."""

BROKER = "broker"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """Hold one running process and how it is started again."""

    name: str
    start: Callable[[], "subprocess.Popen[bytes]"] = field(repr=False)
    process: "subprocess.Popen[bytes]"
    began_at: float
    wait_s: float = 0.0
    is_suspect: bool = False  # it did not get on when it was last looked at


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
        """Start again what has ended, after a wait that grows while it keeps dying, or does not start.

        Raises what starting it raises; the others are started even so."""
        failed: Exception | None = None
        for child in list(self._children.values()):
            lived_s = time.monotonic() - child.began_at
            if child.process.poll() is None or lived_s < child.wait_s:
                continue
            status, wait_s = child.process.returncode, longer_wait(child.wait_s, lived_s)
            log.warning("%s ended with status %s after %.0f s: started again", child.name, status, lived_s)
            fresh = replace(child, began_at=time.monotonic(), wait_s=wait_s, is_suspect=False)
            try:
                fresh = replace(fresh, process=child.start())
            except (WireroomError, OSError) as error:
                failed = error
            self._children[child.name] = fresh
        if failed is not None:
            raise failed

    def kill_standing(self, standing: Mapping[str, str], *, broker_answers: bool) -> None:
        """Kill those that did not get on at two looks: after an outage, or on a machine that was suspended,
        all look so once. `standing` says by worker name what stands still."""
        for child in list(self._children.values()):
            why = standing.get(worker_name(child.process.pid))
            if child.name == BROKER and not broker_answers:
                why = "it answers nothing"
            if why and child.is_suspect:
                _kill(child, f"gets on no more ({why})")
            self._children[child.name] = replace(child, is_suspect=bool(why))

    def kill_grown(self) -> None:
        """Kill the workers that have far more memory than any work needs."""
        for child in self._children.values():
            if child.name != BROKER and (octets := resident_bytes(child.process.pid)) > TOO_MANY_BYTES:
                _kill(child, f"has {octets / 2**20:,.0f} MiB of memory")


def _kill(child: Child, why: str) -> None:
    """Kill a child with all that it started; the next turn starts it again."""
    if child.process.poll() is None:
        log.warning("%s %s: killed, and started again", child.name, why)
        os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()


def longer_wait(wait_s: float, lived_s: float) -> float:
    """Tell how long a child that lived so long, and whose wait it was, has to live or wait the next time."""
    return 0.0 if lived_s > QUIET_S else min(LONGEST_WAIT_S, max(1.0, wait_s * 2))


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
        return ["-Q", Stage.ENRICH, "-P", "prefork", "-c", str(settings.concurrency.enrich), *quiet]
    queues = ",".join((Stage.POLL, Stage.FETCH, Stage.INDEX))
    return ["-Q", queues, "-P", "threads", "-c", str(NET_THREADS), *quiet]


def _await_end(process: "subprocess.Popen[bytes]", ends_at: float) -> None:
    try:
        process.wait(max(0.1, ends_at - time.monotonic()))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
