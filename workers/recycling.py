"""When a worker that does its work in threads makes way for a fresh one, as Celery has forked children do."""

import os
import signal
from pathlib import Path

SHIFTS_A_WORKER = 20_000
"""A day of shifts of some seconds: whatever a library leaks is given back before anybody notices."""

MOST_BYTES = 768 * 1024**2
"""Resident memory of poll, fetch and index in one process; 80 MB at rest, some 400 MB with large bodies."""

TOO_MANY_BYTES = 2 * MOST_BYTES
"""Above this a worker is killed: what made it grow so fast does not end by itself."""

MOST_OF_A_CHILD_KIB = 700 * 1024
"""Resident memory after which Celery forks a child anew: models that all share, and an article's worst."""


def is_worn(shifts: int, resident_bytes: int) -> bool:
    """Tell whether a worker has done or taken enough."""
    return shifts >= SHIFTS_A_WORKER or resident_bytes > MOST_BYTES


def resident_bytes(pid: int | None = None) -> int:
    """Read how much memory a process has in use, by default this one; 0 where nobody tells."""
    try:
        pages = int(Path(f"/proc/{pid or 'self'}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def retire() -> None:
    """Ask this process to end, as a supervisor would: it ends its work, and who watches it starts another."""
    os.kill(os.getpid(), signal.SIGTERM)
