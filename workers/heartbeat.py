"""The pulse of a worker or beat that gets on, for health checks: a file that it touches, an answer over HTTP.

A ping costs a Python process each time, and is answered while the work stands still. The pulse stops when
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


class Pulse:
    """Beat while a process gets on; a file that is named is touched each time."""

    def __init__(
        self,
        path: Path | None = None,
        working_s: Callable[[], float] = lambda: 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with a beat that touches nothing; `working_s` is the age of the oldest shift under way."""
        self._path = path
        self._working_s = working_s
        self._clock = clock
        self._beaten_at = clock()

    def beat(self) -> None:
        """Beat, unless a shift has been at work for too long."""
        if not is_hung(self._working_s()):
            self._beaten_at = self._clock()
            if self._path is not None:
                touch(self._path)

    def silent_s(self) -> float:
        """Tell how long ago it beat."""
        return self._clock() - self._beaten_at


def add_pulse(app: Celery, pulse: Pulse) -> None:
    """Let the app's workers and beat beat."""

    class Heartbeat(bootsteps.StartStopStep):  # how Celery is told what to do while connected
        requires = ("celery.worker.consumer:Tasks",)
        entry: Any = None

        def start(self, consumer: Any) -> None:
            pulse.beat()
            self.entry = consumer.timer.call_repeatedly(BEAT_S, pulse.beat)

        def stop(self, consumer: Any) -> None:
            if self.entry is not None:
                self.entry.cancel()

    def begin_beat(sender: Any, **_: object) -> None:
        if sender.app is app:
            signals.after_task_publish.connect(lambda **_: pulse.beat(), weak=False)

    app.conf.update(wireroom_pulse=pulse)  # of a beat that stands by
    app.steps["consumer"].add(Heartbeat)
    signals.beat_init.connect(begin_beat, weak=False)


def is_hung(working_s: float) -> bool:
    """Tell whether a shift has been at work for too long, and say so."""
    if working_s > HUNG_S:
        log.warning("a shift has been at work for %.0f s: the heartbeat stops", working_s)
    return working_s > HUNG_S


def touch(path: Path) -> None:
    """Touch a file; one that cannot be touched ends nothing."""
    try:
        path.touch()
    except OSError as error:
        log.warning("the heartbeat cannot be touched", extra={"path": path, "error": error})


def longest_s(began: "dict[Any, float]") -> float:
    """Tell how long the oldest of what has begun has lasted, by the monotonic clock; 0 when nothing has."""
    now = time.monotonic()
    return now - min(list(began.values()), default=now)
