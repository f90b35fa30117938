"""A shift: how long a worker stays at a stage, how it rings for others, how it learns that it must stop."""

import asyncio
import time
from asyncio import CancelledError
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
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

SLOW_S = 3.0
"""Work that lasts longer waits for a slow server: it costs next to nothing, and gives its slot to others."""

ASIDE = 3
"""Slow pieces of work for each slot. Servers that drip for 30 s hold up the others of 16 slots only when two
of them are due every second; one that drips is asked again later and later."""

WRITTEN = 0.5
"""Pieces of work that have their answer and are only written down, for each slot, beside those that ask. Each
may hold a body."""

Work = TypeVar("Work")
Result = TypeVar("Result")
Do = Callable[[Work, Callable[[], None]], Coroutine[None, None, None]]
"""Does a piece of work, and calls what it is given as soon as it asks nobody any more."""


class Stop(Protocol):
    """Tell whether a stop was asked for: a threading.Event, or its twin that forked processes share."""

    def is_set(self) -> bool:
        """Tell whether a stop was asked for."""

    def wait(self, timeout: float) -> bool:
        """Wait until it is asked for, at most so many seconds."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Bound one spell of work. `ring` tells a stage that there is work for it; a lost ring costs one tick.

    `hand_over` is called when the shift claims no more and only waits for what is slow: the next may begin.
    `get_on` is called again and again while work is claimed and done, and by nothing else.
    """

    ends_at: float  # on time.monotonic()
    ring: Callable[[Stage], None]
    stopping: Stop
    hand_over: Callable[[], None] = lambda: None
    get_on: Callable[[], None] = lambda: None

    def over(self, *, overtime_s: float = 0.0) -> bool:
        """Tell whether to claim nothing more."""
        return self.stopping.is_set() or time.monotonic() >= self.ends_at + overtime_s

    def rest(self, seconds: float) -> None:
        """Wait, but not when asked to stop."""
        self.stopping.wait(seconds)


def begin_shift(
    ring: Callable[[Stage], None],
    stopping: Stop,
    *,
    budget_s: float = BUDGET_S,
    hand_over: Callable[[], None] = lambda: None,
    get_on: Callable[[], None] = lambda: None,
) -> Shift:
    """Begin a shift now."""
    return Shift(time.monotonic() + budget_s, ring, stopping, hand_over, get_on)


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
    do: Do[Work],
    slow_s: float = SLOW_S,
    overtime_s: float = OVERTIME_S,
) -> bool:
    """Keep up to `slots` pieces of work going until nothing is due or the shift and its overtime are over.

    Those that ask for longer than `slow_s` step aside: up to ASIDE times as many go on beside them. What
    asks nobody any more has left its slot, see WRITTEN. `claim(n)` blocks and gives at most n pieces; it is
    called for a quarter of the slots at least, or when nothing has ended for a while: a claim of one costs as
    much as one of many. True when work may be left. When asked to stop, what is under way is cancelled: `do`
    must give its claims back then.
    """
    running = _Running(slots, slow_s)
    left, some_ended = True, False
    try:
        while not shift.over(overtime_s=overtime_s if running.pieces else 0.0):
            room = running.room()
            enough = room >= max(1, slots // FEWEST_CLAIMED) or not some_ended
            claimed = await asyncio.to_thread(_claim, shift, claim, room) if room and enough else ()
            for work in claimed:
                running.begin(do, work)
            if not running.pieces:
                left = False
                break
            some_ended = await running.some_ended()
        if running.pieces and not shift.stopping.is_set():
            await asyncio.to_thread(shift.hand_over)
        while running.pieces and not shift.stopping.is_set():
            await running.some_ended()
    finally:
        await running.cancel()
    return left


@dataclass(slots=True)
class _Piece:
    """Hold when a piece of work began, on time.monotonic(), and whether it still asks."""

    began: float
    asks: bool = True


@dataclass(slots=True)
class _Running:
    """Hold what is under way on this event loop."""

    slots: int
    slow_s: float
    pieces: dict[asyncio.Task[None], _Piece] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)  # something ended, or has its answer

    def begin(self, do: Do[Work], work: Work) -> None:
        piece = _Piece(time.monotonic())
        task = asyncio.ensure_future(do(work, partial(self._answered, piece)))
        task.add_done_callback(lambda _: self.news.set())
        self.pieces[task] = piece

    def _answered(self, piece: _Piece) -> None:
        piece.asks = False
        self.news.set()

    def room(self) -> int:
        slow_since = time.monotonic() - self.slow_s
        asking = sum(piece.asks and piece.began > slow_since for piece in self.pieces.values())
        written = sum(not piece.asks for piece in self.pieces.values())
        most = self.slots + max(1, int(self.slots * WRITTEN))
        aside = self.slots * (1 + ASIDE) - len(self.pieces)
        return max(0, min(self.slots - asking, most - asking - written, aside))

    async def some_ended(self) -> bool:
        """Wait for news, STOP_CHECK_S at most, and take out what is done; raises what it raised."""
        await asyncio.sleep(0)  # what is cancelled before it began could not give its claim back
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_CHECK_S):
                await self.news.wait()
        is_some = self.news.is_set()
        self.news.clear()
        done = [task for task in self.pieces if task.done()]
        for task in done:
            del self.pieces[task]
        for task in done:
            task.result()
        return is_some

    async def cancel(self) -> None:
        for task in self.pieces:
            task.cancel()
        await asyncio.gather(*self.pieces, return_exceptions=True)


async def to_the_end(function: Callable[[], Result]) -> Result:
    """Run in a thread what records a result, and see it end also when cancelled meanwhile, as its thread
    goes on in any case: who is told that it is recorded does not record it again. Raises what it raises."""
    recording = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        return await asyncio.shield(recording)
    except CancelledError:
        return await recording


def _claim(shift: Shift, claim: Callable[[int], Sequence[Work]], room: int) -> Sequence[Work]:
    shift.get_on()
    return claim(room)
