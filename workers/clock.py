"""A machine's clock that is set while everything runs: NTP found it wrong, or somebody's hand did.

Durations go by the monotonic clock; here is what must go by dates all the same.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

LEAST_STEP_S = 5.0
"""Smaller steps are waited for."""


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


@dataclass(slots=True)
class ClockWatch:
    """Notice that the machine's clock was set back."""

    wall_s: Callable[[], float] = time.time
    elapsed_s: Callable[[], float] = _elapsed_s
    _ahead_s: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin with the clock as it is."""
        self._ahead_s = self.wall_s() - self.elapsed_s()

    def set_back_s(self) -> float:
        """Tell by how many seconds it was set back since the last time; 0 when it was not."""
        before, self._ahead_s = self._ahead_s, self.wall_s() - self.elapsed_s()
        step_s = before - self._ahead_s
        return step_s if step_s >= LEAST_STEP_S else 0.0
