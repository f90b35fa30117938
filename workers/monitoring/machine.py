"""What the processes of one family use, and how much room the disks have (Linux; elsewhere disks alone)."""

import re
import shutil
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.disk import nearest
from pipeline.settings import Settings

PROC = Path("/proc")
_NODE = re.compile(r"(?:-n|--hostname)[ =]([\w.-]+)@")
_PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Process:
    """Hold what /proc says of a process; memory in bytes, a page that n processes share counted as 1/n."""

    pid: int
    parent: int
    command: str
    memory: int


@dataclass(frozen=True, slots=True)
class Room:
    """Hold the bytes of a folder's disk."""

    free: int
    size: int


def read_family(pid: int) -> dict[str, list[int]]:
    """Read the memory of a process and of all below it, in bytes, by what they are called."""
    parents = {int(folder.name): _parent(folder) for folder in PROC.glob("[0-9]*")}
    members = {pid}
    while born := {each for each, parent in parents.items() if parent in members} - members:
        members |= born
    found = {each.pid: each for each in map(_read, members) if each is not None}
    named: defaultdict[str, list[int]] = defaultdict(list)
    for process in found.values():
        named[name_process(process, found)].append(process.memory)
    return dict(named)


def name_process(process: Process, others: Mapping[int, Process]) -> str:
    """Name a process: a Celery worker as it is called, what it forked `…-child`, the broker, or `main`."""
    parent = others.get(process.parent)
    if "valkey-server" in process.command:
        return "broker"
    if node := _NODE.search(process.command):
        is_fork = parent is not None and parent.command == process.command
        return f"{node[1]}-child" if is_fork else node[1]
    return "main" if parent is None else "other"


def read_rooms(settings: Settings) -> Mapping[str, Room]:
    """Read how much room there is for the home and for the archive."""
    folders = {"home": settings.home, "archive": settings.archive_folder}
    usage = {name: shutil.disk_usage(nearest(folder)) for name, folder in folders.items()}
    return {name: Room(each.free, each.total) for name, each in usage.items()}


def _read(pid: int) -> Process | None:
    folder = PROC / str(pid)
    pss = _PSS.search(_bytes(folder / "smaps_rollup"))
    if pss is None:
        return None  # it ended meanwhile
    command = _bytes(folder / "cmdline").replace(b"\0", b" ").decode(errors="replace").strip()
    return Process(pid, _parent(folder), command, int(pss[1]) * 1024)


def _parent(folder: Path) -> int:
    fields = _bytes(folder / "stat").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
