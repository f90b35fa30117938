"""The product's processes, as the kernel lists them: found by the home they work for, and sent signals."""

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.memory import PROC, family

GONE_S = 0.01


@dataclass(frozen=True, slots=True)
class Living:
    """Hold a process that lives: its number, its parent's and its command line."""

    pid: int
    parent: int
    command: str


def living(mark: str) -> list[Living]:
    """List the processes whose environment holds `mark`, and all below them."""
    return [each for pid in family(mark) if (each := _read(pid))]


def playing(part: str, processes: Sequence[Living]) -> list[int]:
    """Choose the processes of a part: `up`, `beat`, `broker`, or a worker by its name as `net`; with
    ` child` behind it the processes that it forked."""
    name, _, child = part.partition(" ")
    words = {"up": " up", "beat": " beat", "broker": "valkey"}.get(name, f" -n {name}@")
    mine = [each for each in processes if words in f" {each.command} "]
    numbers = {each.pid for each in mine}
    return [each.pid for each in mine if (each.parent in numbers) == bool(child)]


def send(pids: Sequence[int], number: signal.Signals) -> int:
    """Send processes a signal; return how many were there to get it."""
    reached = 0
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            reached += 1
    return reached


def kill_all(mark: str) -> None:
    """SIGKILL all that work for a home, what is born meanwhile included."""
    while pids := family(mark):
        send(pids, signal.SIGKILL)
        time.sleep(GONE_S)


def _read(pid: int) -> Living | None:
    try:
        command = (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        parent = int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None
    return Living(pid, parent, command.strip()) if command else None
