"""When a worker that does its work in threads makes way for a fresh one, as Celery has forked children do."""

import os
import signal
import sys
from pathlib import Path

SHIFTS_A_WORKER = 20_000
"""A day of shifts of some seconds: whatever a library leaks is given back before anybody notices."""

MOST_BYTES = 768 * 1024**2
"""Resident memory of poll, fetch and index in one process; 80 MB at rest, some 400 MB with large bodies."""

MOST_OF_A_CHILD_KIB = 700 * 1024
"""Resident memory after which Celery forks a child anew: models that all share, and an article's worst."""


def is_worn(shifts: int, resident_bytes: int) -> bool:
    """Tell whether a worker has done or taken enough."""
    return shifts >= SHIFTS_A_WORKER or resident_bytes > MOST_BYTES


def resident_bytes() -> int:
    """Read how much memory this process has in use; 0 where nobody tells (all but Linux)."""
    if sys.platform != "linux":
        return 0
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def retire() -> None:
    """Ask this process to end, as a supervisor would: it ends its work, and who watches it starts another."""
    os.kill(os.getpid(), signal.SIGTERM)
