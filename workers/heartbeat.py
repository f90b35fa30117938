"""A file that a worker or beat touches while it gets on: what a health check looks at, instead of a ping.

A ping costs a Python process each time, and is answered while the work stands still. The file grows old when
the worker has no broker, when its loop stands still, or when a shift hangs in a thread, which no limit of
Celery's can end.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import Celery, bootsteps, signals

BEAT_S = 5.0
"""A check that allows a minute forgives ten that were missed."""

HUNG_S = 300.0
"""Above the hard limit of a task, which ends what hangs in a child."""

log = logging.getLogger(__name__)


def add_heartbeat(app: Celery, path: Path, working_s: Callable[[], float]) -> None:
    """Let the app's workers and beat touch a file; `working_s` is the age of the oldest shift under way."""

    class Heartbeat(bootsteps.StartStopStep):  # how Celery is told what to do while connected
        requires = ("celery.worker.consumer:Tasks",)
        entry: Any = None

        def start(self, consumer: Any) -> None:
            touch(path, working_s())
            self.entry = consumer.timer.call_repeatedly(BEAT_S, lambda: touch(path, working_s()))

        def stop(self, consumer: Any) -> None:
            if self.entry is not None:
                self.entry.cancel()

    def begin_beat(sender: Any, **_: object) -> None:
        if sender.app is app:
            signals.after_task_publish.connect(lambda **_: touch(path), weak=False)

    app.steps["consumer"].add(Heartbeat)
    signals.beat_init.connect(begin_beat, weak=False)


def touch(path: Path, working_s: float = 0.0) -> None:
    """Touch the file, unless a shift has been at work for too long."""
    if working_s > HUNG_S:
        log.warning("a shift has been at work for %.0f s: the heartbeat stops", working_s)
        return
    try:
        path.touch()
    except OSError as error:
        log.warning("heartbeat %s: %s", path, error)


def longest_s(began: "dict[Any, float]") -> float:
    """Tell how long the oldest of what has begun has lasted, by the monotonic clock; 0 when nothing has."""
    now = time.monotonic()
    return now - min(list(began.values()), default=now)
