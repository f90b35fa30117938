"""The points where the death of a stage could cost most, told to whoever listens: the fault tests alone."""

import sys
from enum import StrEnum

from pipeline.model import Stage

REACHED = "wireroom.reached"
"""The audit event (PEP 578), with a stage, a point and an address. Without a listener it does nothing."""


class Point(StrEnum):
    """Name how far a stage has come with what it claimed."""

    CLAIMED = "claimed"  # it holds the lease, and has done nothing
    DONE = "done"  # its effects outside the store are there; the store knows nothing of them
    COMMITTED = "committed"  # the store knows; no other stage was told


def reached(stage: Stage, point: Point, url: str = "") -> None:
    """Tell that a stage has come so far, with one article or feed, or (no `url`) with a batch."""
    sys.audit(REACHED, stage.value, point.value, url)
