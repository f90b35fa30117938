"""Runs in every Python process of the product that the fault tests start: their ear, and their hand.

Python imports a module of this name by itself; the product knows nothing of it. A file in `armed`, named as a
point, kills the first process that reaches it; the file then lies in `given`.
"""

import os
import signal
import sys
import time

FOLDER, KEEP_LEASES = "FAULTS_FOLDER", "FAULTS_KEEP_LEASES"
REACHED = "wireroom.reached"  # pipeline.points, which not every process imports
KILLER, READ = "/killer/", ("enrich", "done")
FOR_EVER_S = 1e9


def listen(folder: str) -> None:
    """Die at the points that are armed, and whenever a page was read whose address says so."""

    def hear(event: str, told: tuple[object, ...]) -> None:
        if event == REACHED:
            stage, point, url = map(str, told)
            if _is_armed(folder, f"{stage}.{point}") or ((stage, point) == READ and KILLER in url):
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)


def _is_armed(folder: str, name: str) -> bool:
    given = f"{folder}/given/{name}.{os.getpid()}.{time.time_ns()}"
    try:
        os.rename(f"{folder}/armed/{name}", given)  # one process alone can do it
    except FileNotFoundError:
        return False
    return True


def keep_leases() -> None:
    """Let no lease end that its holder does not end: what the harness must then see as lost."""
    from pipeline.store import leases

    leases.LEASE_S = FOR_EVER_S
    leases.free_all = lambda store: None
    leases.sweep = lambda store: 0


if FOLDER in os.environ:
    listen(os.environ[FOLDER])
if KEEP_LEASES in os.environ:
    keep_leases()
