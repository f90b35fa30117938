"""How much is done at the same time, by stage: chosen in WIREROOM_CONCURRENCY, or by this machine's size.

A container's limits count, not the machine behind it (cgroup v2 `cpu.max` and `memory.max`, or v1's quota and
limit).
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.model import Stage

POLLS = 16
"""Feeds asked at the same time; each may hold a body of 10 MiB."""

FETCHES = 32
"""Hosts asked for pages at the same time; each may hold a page of 10 MiB: some 300 MiB at worst."""

INDEXERS = 1
"""Batches indexed at the same time; the embedded index has one writer."""

MOST = 256
"""Of anything: beyond that a second machine is the answer."""

ENRICHER_BYTES = 300 * 1024**2
"""What a process that reads articles comes to after some thousand of them."""

OTHERS_BYTES = 512 * 1024**2
"""What the rest of Wireroom takes: `net`, supervisor, broker, the models that all enrichers share."""

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
PAIR = re.compile(r"([a-z]+)\s*=\s*(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """Hold how many feeds are polled, hosts fetched from, articles read and batches indexed at once."""

    poll: int = POLLS
    fetch: int = FETCHES
    enrich: int
    index: int = INDEXERS

    def __str__(self) -> str:
        """Write it as the setting is written."""
        return ",".join(f"{stage}={number}" for stage, number in asdict(self).items())


@dataclass(frozen=True, slots=True)
class Machine:
    """Hold what this process may use; `memory_bytes` is None where nobody can tell."""

    cores: float
    memory_bytes: int | None


def read_concurrency(written: str, machine: Machine) -> Concurrency:
    """Read `4` (processes that enrich) or `poll=2,fetch=8,enrich=2,index=1`; what is not named is chosen by
    the machine. Raises ValueError, saying how to write it."""
    plain = written.strip()
    parts = {str(Stage.ENRICH): plain} if plain.isdigit() else _pairs(plain)
    chosen = {stage: int(number) for stage, number in parts.items()}
    if wrong := [stage for stage in chosen if stage not in tuple(Stage)]:
        raise ValueError(f"{wrong[0]!r} is no stage; write {', '.join(Stage)}")
    if any(not 1 <= number <= MOST for number in chosen.values()):
        raise ValueError(f"write numbers from 1 to {MOST}")
    return Concurrency(**{str(Stage.ENRICH): enrichers(machine), **chosen})


def enrichers(machine: Machine) -> int:
    """Choose how many processes read articles: one a core, as far as the memory goes."""
    by_cores = max(1, int(machine.cores))
    if machine.memory_bytes is None:
        return min(by_cores, MOST)
    by_memory = (machine.memory_bytes - OTHERS_BYTES) // ENRICHER_BYTES
    return max(1, min(by_cores, by_memory, MOST))


def this_machine(cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> Machine:
    """Read how many cores and how much memory this process may use."""
    folders = tuple(_folders(cgroups, own))
    memory = [each for folder in folders for each in _memory_limits(folder)]
    cores = [each for folder in folders for each in _core_limits(folder)]
    known = [each for each in (_memory(), *memory) if each is not None]
    return Machine(min((_cores(), *cores)), min(known, default=None))


def _pairs(written: str) -> Mapping[str, str]:
    found = [PAIR.fullmatch(part.strip()) for part in written.split(",") if written]
    pairs = [(match[1], match[2]) for match in found if match]
    if len(pairs) != len(found) or len(dict(pairs)) != len(pairs):
        raise ValueError("write a number, or poll=2,fetch=8,enrich=2,index=1")
    return dict(pairs)


def _cores() -> float:
    if hasattr(os, "sched_getaffinity"):
        return float(len(os.sched_getaffinity(0)))
    return float(os.cpu_count() or 1)


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _folders(cgroups: Path, own: Path) -> Iterator[Path]:
    """Yield the folder of this process's group and of all that it is in; a container sees its own as the
    root."""
    paths = {line.rpartition(":")[2].strip("/") for line in _lines(own)}
    for folder in {cgroups, *(cgroups / kind / path for path in paths for kind in ("", "cpu", "memory"))}:
        yield from (each for each in (folder, *folder.parents) if each.is_relative_to(cgroups))


def _core_limits(folder: Path) -> Iterator[float]:
    match _words(folder / "cpu.max"):
        case [quota, period] if quota.isdigit():
            yield int(quota) / int(period)
    match [*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")]:
        case [quota, period] if quota.isdigit():  # -1: none
            yield int(quota) / int(period)


def _memory_limits(folder: Path) -> Iterator[int]:
    for name in ("memory.max", "memory.limit_in_bytes"):
        match _words(folder / name):
            case [limit] if limit.isdigit():
                yield int(limit)


def _words(path: Path) -> list[str]:
    return [word for line in _lines(path) for word in line.split()]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
