"""The pulse of a worker's work, felt in the store: written where work is done, never by a timer beside it."""

import logging
import os
import time
from collections.abc import Callable, Iterable

from sqlalchemy.exc import SQLAlchemyError

from pipeline.errors import WireroomError
from pipeline.model import Stage
from pipeline.store.heartbeats import beat
from pipeline.store.leases import machine
from pipeline.store.store import Store

PULSE_S = 10.0
"""No more than one write a stage in so many seconds: with eight processes a write a second."""

log = logging.getLogger(__name__)


def worker_name(pid: int) -> str:
    """Name a worker of this machine by the number of its main process."""
    return f"{machine()}:{pid}"


class WorkPulse:
    """Write down that a worker gets on; forked children write under their parent's name."""

    def __init__(self, store: Callable[[], Store]) -> None:
        """Remember where to write; the name is that of the process which makes this."""
        self._store = store
        self._worker = worker_name(os.getpid())
        self._last: dict[Stage, float] = {}

    def begin(self, stages: Iterable[Stage]) -> None:
        """Write down that a worker has begun; what hangs from now on is missed. A store that is away is for
        the first piece of work to find out."""
        try:
            beat(self._store(), self._worker, stages)
        except (SQLAlchemyError, WireroomError) as error:
            log.warning("no pulse yet: %s", error)

    def feel(self, stage: Stage) -> None:
        """Write down that work gets on at a stage. Raises what the store raises."""
        now = time.monotonic()
        if now - self._last.get(stage, -PULSE_S) >= PULSE_S:
            self._last[stage] = now
            beat(self._store(), self._worker, [stage])
