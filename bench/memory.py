"""Measure what a run's processes use, from /proc: memory as summed PSS, CPU seconds by part (Linux only).

PSS counts a page shared by n processes as 1/n in each, so that the sum is what the machine really gives.
"""

import os
import re
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SAMPLE_SECONDS = 0.25  # one sample of ten processes costs about 5 ms
TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Hold what /proc says of a process: its parent, command line, CPU seconds and PSS in MiB."""

    pid: int
    parent: int
    command: str
    cpu: float
    pss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Hold a run's peak of summed PSS in MiB, that moment's PSS by part, and the CPU seconds by part."""

    peak: float
    peak_by_part: Mapping[str, float]
    cpu_by_part: Mapping[str, float]


@dataclass(slots=True)
class Recorder:
    """Gather samples while a run lasts; `usage()` says what they come to."""

    peak: float = 0.0
    peak_by_part: dict[str, float] = field(default_factory=dict)
    cpu: dict[int, float] = field(default_factory=dict)
    parts: dict[int, str] = field(default_factory=dict)

    def add(self, processes: list[Process]) -> None:
        """Take in one sample of all the run's processes."""
        for process in processes:
            self.cpu[process.pid] = process.cpu
            self.parts[process.pid] = part_of(process, processes)
        total = sum(process.pss for process in processes)
        if total > self.peak:
            self.peak = total
            self.peak_by_part = _summed((self.parts[each.pid], each.pss) for each in processes)

    def usage(self) -> Usage:
        """Sum up; a process that ended counts with what it had used when last seen."""
        by_part = _summed((self.parts[pid], seconds) for pid, seconds in self.cpu.items())
        return Usage(peak=self.peak, peak_by_part=self.peak_by_part, cpu_by_part=by_part)


@contextmanager
def recorded(mark: str) -> Iterator[Recorder]:
    """Sample the processes whose environment holds `mark` (as `NAME=value`) until the block ends."""
    recorder, ended = Recorder(), threading.Event()

    def sample() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            recorder.add([process for pid in family(mark) if (process := read(pid))])

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield recorder
    finally:
        ended.set()
        sampler.join()


def family(mark: str) -> list[int]:
    """List a run's living processes: those whose environment holds `mark`, and all below them.

    A broker overwrites its environment with its title, so that it is known by its parent alone.
    """
    wanted = f"{mark}\0".encode()
    parents = {int(folder.name): _parent(folder) for folder in PROC.glob("[0-9]*")}
    members = {pid for pid in parents if wanted in _bytes(PROC / str(pid) / "environ") + b"\0"}
    while born := {pid for pid, parent in parents.items() if parent in members} - members:
        members |= born
    return sorted(members)


def read(pid: int) -> Process | None:
    """Read one process; None when it is gone."""
    stat = _stat(PROC / str(pid))
    rollup = re.search(rb"^Pss:\s+(\d+) kB", _bytes(PROC / str(pid) / "smaps_rollup"), re.MULTILINE)
    if not stat or not rollup:
        return None
    return Process(
        pid=pid,
        parent=int(stat[1]),
        command=_bytes(PROC / str(pid) / "cmdline").replace(b"\0", b" ").decode(errors="replace").strip(),
        cpu=(int(stat[11]) + int(stat[12])) / TICKS,
        pss=int(rollup[1]) / 1024,
    )


def part_of(process: Process, processes: list[Process]) -> str:
    """Name the part a process plays: its Celery queues (`… pool` for a pool's children) or its program."""
    queues = re.search(r"(?:-Q|--queues)[ =](\S+)", process.command)
    if not queues:
        return _program(process.command)
    forked = any(other.pid == process.parent and other.command == process.command for other in processes)
    return f"{queues[1]} pool" if forked else queues[1]


def _program(command: str) -> str:
    words = [word for word in command.split() if not word.startswith("-")]
    names = [word.rpartition("/")[2] for word in words]
    is_python = bool(names) and names[0].startswith("python")
    return " ".join(names[1:3] if is_python else names[:1])


def _stat(folder: Path) -> list[str]:
    """Split the fields of /proc/PID/stat that follow the program's name: state, parent, …"""
    return _bytes(folder / "stat").decode(errors="replace").rpartition(")")[2].split()


def _parent(folder: Path) -> int:
    fields = _stat(folder)
    return int(fields[1]) if fields else 0


def _summed(amounts: Iterator[tuple[str, float]]) -> dict[str, float]:
    sums: defaultdict[str, float] = defaultdict(float)
    for part, amount in amounts:
        sums[part] += amount
    return dict(sums)


def _bytes(path: Path) -> bytes:
    """Read a file of /proc; empty when its process is gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
