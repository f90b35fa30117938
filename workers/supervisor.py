"""Run everything on one machine: broker, workers and ticks, under one supervisor."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pipeline.settings import Settings


class Ending(StrEnum):
    """Say why a run ended."""

    IDLE = "idle"  # nothing due, no lease held (only with until_idle)
    STOPPED = "stopped"  # SIGINT or SIGTERM
    TIMED_OUT = "timed-out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Count the articles by state, for whoever shows a run's progress."""

    found: int
    fetched: int
    enriched: int
    indexed: int
    dropped: int
    quarantined: int
    feeds_due: int


def supervise(
    settings: Settings,
    *,
    until_idle: bool,
    timeout_s: float | None,
    report: Callable[[Progress], None],
) -> Ending:
    """Run until idle, stopped or out of time, calling `report` about twice a second.

    Raises AlreadyRunningError when another `up` holds the home; WireroomError when a part cannot start.
    """
    raise NotImplementedError
