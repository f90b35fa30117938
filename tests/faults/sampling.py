"""What each process uses while a run lasts, and whether that grows: memory, open files, connections."""

import os
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.memory import PROC, family, part_of, read

EVERY_S = 5.0
SETTLED_S = 60.0
"""A process that is younger still takes what it needs."""

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Hold what a process used at a moment (time.monotonic()): RSS and PSS in MiB."""

    at: float
    rss: float
    pss: float
    files: int
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Hold what became of a process: how long it was seen, what it had at the end, what it grew by."""

    part: str
    pid: int
    lived_s: float
    pss: float
    rss_an_hour: float  # MiB
    pss_an_hour: float
    files: tuple[int, int]  # least, most
    connections: tuple[int, int]


@dataclass(slots=True)
class Sampler:
    """Sample the processes that carry a mark, until told to end."""

    samples: dict[tuple[str, int], list[Sample]] = field(default_factory=lambda: defaultdict(list))
    _ended: threading.Event = field(default_factory=threading.Event)

    def begin(self, mark: str) -> None:
        """Begin in a thread of its own."""
        threading.Thread(target=self._sample, args=(mark,), daemon=True).start()

    def end(self) -> None:
        """Take no more samples."""
        self._ended.set()

    def growths(self) -> list[Growth]:
        """Tell of each process that lived long enough, part by part, the longest-lived first."""
        told = [growth(part, pid, samples) for (part, pid), samples in list(self.samples.items())]
        return sorted(
            (each for each in told if each is not None), key=lambda each: (each.part, -each.lived_s)
        )

    def _sample(self, mark: str) -> None:
        while not self._ended.wait(EVERY_S):
            processes = [each for pid in family(mark) if (each := read(pid))]
            for each in processes:
                if sample := take(each.pid, each.pss):
                    self.samples[part_of(each, processes), each.pid].append(sample)


def take(pid: int, pss: float) -> Sample | None:
    """Sample one process; None when it is gone."""
    folder = PROC / str(pid)
    try:
        pages = int((folder / "statm").read_text().split()[1])
        files = list((folder / "fd").iterdir())
    except OSError:
        return None
    return Sample(
        at=time.monotonic(),
        rss=pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        pss=pss,
        files=len(files),
        connections=sum(map(_is_socket, files)),
    )


def growth(part: str, pid: int, samples: Sequence[Sample]) -> Growth | None:
    """Tell what a process grew by, its first minute left out; None when it was too young."""
    settled = [each for each in samples if each.at - samples[0].at >= SETTLED_S]
    if len(settled) < 3:
        return None
    times = [each.at for each in settled]
    return Growth(
        part=part,
        pid=pid,
        lived_s=samples[-1].at - samples[0].at,
        pss=samples[-1].pss,
        rss_an_hour=HOUR_S * slope(times, [each.rss for each in settled]),
        pss_an_hour=HOUR_S * slope(times, [each.pss for each in settled]),
        files=_range([each.files for each in settled]),
        connections=_range([each.connections for each in settled]),
    )


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """Fit a line by least squares; return by how much it grows a second."""
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((at - middle) ** 2 for at in times)
    together = sum((at - middle) * (value - mean) for at, value in zip(times, values, strict=True))
    return together / spread if spread else 0.0


def _range(values: Sequence[int]) -> tuple[int, int]:
    return min(values), max(values)


def _is_socket(file: Path) -> bool:
    with suppress(OSError):
        return os.readlink(file).startswith("socket:")
    return False
