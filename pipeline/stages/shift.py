"""A shift: how long a worker stays at a stage, how it rings for others, how it learns that it must stop."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pipeline.model import Stage

BUDGET_S = 5.0
"""A stop is noticed between batches; 30 s made SIGTERM take 25 s, 5 s makes it 3."""

STOP_CHECK_S = 0.25
"""How late a stop, or a row that fell due meanwhile, may be noticed."""

FEWEST_CLAIMED = 4  # a quarter of the slots

OVERTIME_S = 60.0
"""How long a shift that is over claims on while a slow piece of work keeps it from ending: one host that
drips must not keep all others waiting. With the slowest turn (92 s) it stays below Celery's hard limit."""

Work = TypeVar("Work")


class Stop(Protocol):
    """Tell whether a stop was asked for: a threading.Event, or its twin that forked processes share."""

    def is_set(self) -> bool:
        """Tell whether a stop was asked for."""

    def wait(self, timeout: float) -> bool:
        """Wait until it is asked for, at most so many seconds."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Bound one spell of work. `ring` tells a stage that there is work for it; a lost ring costs one tick."""

    ends_at: float  # on time.monotonic()
    ring: Callable[[Stage], None]
    stopping: Stop

    def over(self, *, overtime_s: float = 0.0) -> bool:
        """Tell whether to claim nothing more."""
        return self.stopping.is_set() or time.monotonic() >= self.ends_at + overtime_s

    def rest(self, seconds: float) -> None:
        """Wait, but not when asked to stop."""
        self.stopping.wait(seconds)


def begin_shift(ring: Callable[[Stage], None], stopping: Stop, *, budget_s: float = BUDGET_S) -> Shift:
    """Begin a shift now."""
    return Shift(ends_at=time.monotonic() + budget_s, ring=ring, stopping=stopping)


def run_loop(work: Coroutine[None, None, bool], *, threads: int) -> bool:
    """Run a coroutine on an event loop with so many threads for names, SQL and files.

    asyncio's own number is six on two cores: as many slow name servers would hold up every host.
    """

    async def main() -> bool:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(threads, "stage"))
        return await work

    return asyncio.run(main())


async def keep_busy(
    shift: Shift,
    *,
    slots: int,
    claim: Callable[[int], Sequence[Work]],
    do: Callable[[Work], Coroutine[None, None, None]],
) -> bool:
    """Keep up to `slots` pieces of work going until nothing is due or the shift and its overtime are over.

    `claim(n)` blocks and gives at most n pieces; it is called for a quarter of the slots at least, or when
    nothing has ended for a while: a claim of one costs as much as one of many. True when work may be left.
    When asked to stop, what is under way is cancelled: `do` must give its claims back then.
    """
    running: set[asyncio.Task[None]] = set()
    left, done = True, set[asyncio.Task[None]]()
    try:
        while not shift.over(overtime_s=OVERTIME_S if running else 0.0):
            free = slots - len(running)
            enough = free >= max(1, slots // FEWEST_CLAIMED) or (free and not done)
            claimed = await asyncio.to_thread(claim, free) if enough else ()
            running |= {asyncio.ensure_future(do(work)) for work in claimed}
            if not running:
                left = False
                break
            done, running = await asyncio.wait(
                running, timeout=STOP_CHECK_S, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                task.result()
        while running and not shift.stopping.is_set():
            done, running = await asyncio.wait(running, timeout=STOP_CHECK_S)
            for task in done:
                task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    return left
