"""A file that a worker or beat touches while it gets on: what a health check looks at, instead of a ping.

A ping costs a Python process a time and answers while the work stands still. The file grows old when the worker
has no broker, when its loop stands still, or when a shift hangs in a thread, which Celery's time limit cannot end.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import Celery, bootsteps, signals

BEAT_S = 10.0
"""A check that allows a minute forgives five that were missed."""

HUNG_S = 300.0
"""Above the hard limit of a task, which ends what hangs in a child."""

log = logging.getLogger(__name__)


def add_heartbeat(app: Celery, path: Path, working_s: Callable[[], float]) -> None:
    """Let the app's workers and its beat touch a file; `working_s` tells how long the oldest shift has been at it."""

    def touch_unless_hung() -> None:
        if working_s() < HUNG_S:
            _touch(path)

    class Heartbeat(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery's way to say what runs while connected
        requires = ("celery.worker.consumer:Tasks",)

        def start(self, consumer: Any) -> None:
            touch_unless_hung()
            self.beats = consumer.timer.call_repeatedly(BEAT_S, touch_unless_hung)

        def stop(self, consumer: Any) -> None:
            self.beats.cancel()

    app.steps["consumer"].add(Heartbeat)
    _touch_as_beat_rings(app, path)


def _touch_as_beat_rings(app: Celery, path: Path) -> None:
    def touch(**_: object) -> None:
        _touch(path)

    def begin(sender: Any, **_: object) -> None:
        if sender.app is app:
            signals.after_task_publish.connect(touch, weak=False)

    signals.beat_init.connect(begin, weak=False)


def _touch(path: Path) -> None:
    try:
        path.touch()
    except OSError as error:
        log.warning("heartbeat %s: %s", path, error)


def longest_s(began: "dict[Any, float]") -> float:
    """Tell how long the oldest of what has begun has lasted, by the monotonic clock; 0 when nothing has."""
    return time.monotonic() - min(list(began.values()), default=time.monotonic())
