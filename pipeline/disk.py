"""Room on the disks that Wireroom writes to: who rests before they are full, told once, over by itself."""

import logging
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from pipeline.model import Stage

MIB = 1024**2

LAST_SHARE = 4
"""Below this part of the reserve all stages rest: what is left is for ending what is under way."""

log = logging.getLogger(__name__)


class Room(IntEnum):
    """Say how much room there is, most first."""

    AMPLE = 0
    LOW = 1  # nothing new is fetched; what was fetched is read and indexed
    NONE = 2


@dataclass(frozen=True, slots=True)
class Disk:
    """Hold how much is free where a folder of ours is."""

    folder: Path
    free_bytes: int


def scarcest_disk(folders: Iterable[Path]) -> Disk:
    """Ask for the disk with the least room among those of some folders, which need not be there yet."""
    return min(each_disk(folders), key=lambda disk: disk.free_bytes)


def each_disk(folders: Iterable[Path]) -> tuple[Disk, ...]:
    """Ask for each disk among those of some folders, once."""
    there = dict.fromkeys(nearest(each) for each in folders)
    by_device = {each.stat().st_dev: each for each in reversed(there)}
    return tuple(Disk(each, shutil.disk_usage(each).free) for each in reversed(by_device.values()))


def nearest(folder: Path) -> Path:
    """Give a folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def room(free_bytes: int, reserve_mib: int) -> Room:
    """Judge what is free by what is to stay free."""
    if free_bytes >= reserve_mib * MIB:
        return Room.AMPLE
    return Room.LOW if free_bytes >= reserve_mib * MIB / LAST_SHARE else Room.NONE


def rests(stage: Stage, left: Room) -> bool:
    """Tell whether a stage rests: fetching writes by far the most, and what is left to fetch waits."""
    return left is Room.NONE or (left is Room.LOW and stage is Stage.FETCH)


class DiskWatch:
    """Look at the disks, and tell once when a level is reached or left."""

    def __init__(self, folders: Iterable[Path], *, reserve_mib: int) -> None:
        """Remember where to look."""
        self._folders = tuple(folders)
        self._reserve_mib = reserve_mib
        self._told = Room.AMPLE

    def look(self) -> Room:
        """Look how much room there is."""
        disk = scarcest_disk(self._folders)
        found = room(disk.free_bytes, self._reserve_mib)
        if found is not self._told:
            log.warning("%s", told(disk, found, self._reserve_mib))
            self._told = found
        return found


def told(disk: Disk, found: Room, reserve_mib: int) -> str:
    """Say in one line how the disk is, and what rests."""
    said = f"{disk.free_bytes / MIB:,.0f} MiB are free at {disk.folder}, {reserve_mib:,} are to stay free"
    match found:
        case Room.LOW:
            return f"{said}: nothing is fetched until there is more room"
        case Room.NONE:
            return f"{said}: everything rests until there is more room"
        case _:
            return f"{said}: there is room again, and everything goes on"
