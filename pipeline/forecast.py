"""When a disk will be full, by how it has filled. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from pipeline.disk import Disk, Room, room

LOOK_BACK_DAYS = 14
"""A week's rhythm twice."""

LEAST_DAYS = 3
"""Days of records before anything is said: a first day fills a disk as no other does."""

STANDSTILL_BYTES = 1024**2
"""Growth a day that is none."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Say in how many days a disk is full; `days` is None when it does not fill, or `is_known` is False."""

    days: float | None
    is_known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Hold how the disk is that will be full first."""

    place: str
    free_bytes: int
    room: Room
    forecast: Forecast


def forecast(recorded: Sequence[tuple[int, int]], *, free_bytes: int, today: int) -> Forecast:
    """Reckon from the bytes that were free by day, and are now, when none will be.

    By the median of the slopes between any two days (Theil and Sen): a file that somebody deleted, or a disk
    that was made larger, moves it little."""
    recent = [(day, free) for day, free in recorded if today - LOOK_BACK_DAYS <= day <= today]
    if not recent or recent[-1][0] - recent[0][0] < LEAST_DAYS - 1 or len(recent) < LEAST_DAYS:
        return Forecast(None, is_known=False)
    slopes = [(later[1] - earlier[1]) / (later[0] - earlier[0]) for earlier, later in combinations(recent, 2)]
    growth = -median(slopes)
    return Forecast(free_bytes / growth if growth > STANDSTILL_BYTES else None)


def outlook(
    disks: Sequence[Disk],
    recorded: Mapping[str, Sequence[tuple[int, int]]],
    *,
    reserve_mib: int,
    today: int,
) -> Outlook:
    """Choose the disk that will be full first; where nothing is known, the one with the least room."""
    each = [
        Outlook(
            place=str(disk.folder),
            free_bytes=disk.free_bytes,
            room=room(disk.free_bytes, reserve_mib),
            forecast=forecast(recorded.get(str(disk.folder), ()), free_bytes=disk.free_bytes, today=today),
        )
        for disk in disks
    ]
    return min(each, key=lambda one: (-one.room, one.forecast.days or float("inf"), one.free_bytes))
