"""A machine's clock that is set while everything runs: NTP found it wrong, or somebody's hand did.

Durations go by the monotonic clock; here is what must go by dates all the same.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pipeline.store.set_back import move_back
from pipeline.store.store import Store

LEAST_STEP_S = 5.0
"""Smaller steps are waited for."""

log = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


def _elapsed_s() -> float:
    """Count seconds as no hand can set them, those of a suspended machine included where that can be told."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(slots=True)
class SteadyClock:
    """Tell dates that never go back. Beat compares its last ring with now: with its clock set back by an hour
    it would be silent for that hour."""

    wall: Callable[[], datetime] = _now
    elapsed_s: Callable[[], float] = _elapsed_s
    _began: datetime = field(init=False)
    _began_at: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin with the machine's clock."""
        self._began, self._began_at = self.wall(), self.elapsed_s()

    def now(self) -> datetime:
        """Tell the machine's time; after it was set back, go on as if it had not been."""
        at, wall = self.elapsed_s(), self.wall()
        steady = self._began + timedelta(seconds=at - self._began_at)
        if wall > steady:
            self._began, self._began_at = wall, at
        return max(wall, steady)


@dataclass(frozen=True, slots=True)
class Step:
    """Say by how many seconds a clock was set back, at some time of the last `within_s` seconds."""

    by_s: float
    within_s: float


@dataclass(slots=True)
class ClockWatch:
    """Notice that the machine's clock was set back."""

    wall_s: Callable[[], float] = time.time
    elapsed_s: Callable[[], float] = _elapsed_s
    _ahead_s: float = field(init=False)
    _looked_at: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin with the clock as it is."""
        self._looked_at = self.elapsed_s()
        self._ahead_s = self.wall_s() - self._looked_at

    def step(self) -> Step | None:
        """Tell by how much it was set back, until that was `followed`; None when it was not."""
        at = self.elapsed_s()
        ahead_s = self.wall_s() - at
        by_s = self._ahead_s - ahead_s
        if by_s >= LEAST_STEP_S:
            return Step(by_s, at - self._looked_at)
        self._ahead_s, self._looked_at = ahead_s, at
        return None

    def followed(self, step: Step) -> None:
        """Take in that all goes by the clock as it was when this was told."""
        self._ahead_s -= step.by_s
        self._looked_at += step.within_s


def follow_clock(store: Store, clock: ClockWatch) -> None:
    """See to it that nothing waits for as much longer as the clock was set back by, in a store that has no
    clock of its own. What the store raises, as one that is locked does, leaves the step to the next call."""
    if (step := clock.step()) is None:
        return
    moved = move_back(store, step.by_s, within_s=step.within_s)
    clock.followed(step)
    log.warning("the clock was set back by %.0f s: %d times moved with it", step.by_s, moved)
