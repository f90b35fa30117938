"""Run everything on one machine: broker, workers and ticks, under one supervisor.

Two worker processes: `net` polls, fetches and indexes in threads; `enrich` forks as many children as are set.
The supervisor ticks itself, restarts what dies, and ends all of it within ten seconds.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from threading import Event

from pipeline.archive.warc import heal
from pipeline.flow import tick
from pipeline.services import open_services, set_up
from pipeline.settings import EMBEDDED, Settings
from pipeline.store.due import Waiting, article_counts, waiting
from pipeline.store.leases import free_all
from pipeline.store.store import Store
from workers.app import make_app
from workers.bells import open_bells
from workers.broker import start_broker
from workers.children import BROKER, Children
from workers.home_lock import hold_home

TICK_S = 0.5
"""Asking the store ten times a second cost 1.6 % of a core, twice a second a fifth of that."""


class Ending(StrEnum):
    """Say why a run ended."""

    IDLE = "idle"  # nothing due, no lease held (only with until_idle)
    STOPPED = "stopped"  # SIGINT or SIGTERM
    TIMED_OUT = "timed-out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Count the articles by state, for whoever shows a run's progress."""

    found: int
    fetched: int
    enriched: int
    indexed: int
    dropped: int
    quarantined: int
    feeds_due: int


def supervise(
    settings: Settings,
    *,
    until_idle: bool,
    timeout_s: float | None,
    report: Callable[[Progress], None],
) -> Ending:
    """Run until idle, stopped or out of time, calling `report` about twice a second.

    Raises AlreadyRunningError when another `up` holds the home; WireroomError when a part cannot start.
    """
    with ExitStack() as stack:
        stop = stack.enter_context(_stop_signals())
        stack.enter_context(hold_home(settings.home))
        set_up(settings)
        services = stack.enter_context(closing(open_services(settings)))
        _begin_clean(settings, services.store)
        children = stack.enter_context(Children(settings))
        if settings.broker_url == EMBEDDED:
            children.add(BROKER, lambda: start_broker(settings))
        children.add_worker("net")
        children.add_worker("enrich")
        bells = open_bells(make_app(settings))
        ends_at = None if timeout_s is None else time.monotonic() + timeout_s
        while not stop.wait(TICK_S):
            children.restart_dead()
            tick(services.store, bells.ring)
            left = waiting(services.store)
            report(_progress(services.store, left))
            if until_idle and _is_idle(left, ends_at):
                return Ending.IDLE
            if ends_at is not None and time.monotonic() >= ends_at:
                return Ending.TIMED_OUT
    return Ending.STOPPED


def _begin_clean(settings: Settings, store: Store) -> None:
    # The home's lock is ours, so on an embedded store every lease is a dead worker's.
    if settings.store_url == EMBEDDED:
        free_all(store)
    heal(settings.archive_folder)


def _is_idle(left: Waiting, ends_at: float | None) -> bool:
    if left.leases or left.due:
        return False
    if left.next_retry_s is None or ends_at is None:
        return True
    return time.monotonic() + left.next_retry_s >= ends_at  # a retry before the time-out is waited for


def _progress(store: Store, left: Waiting) -> Progress:
    counts = article_counts(store)
    return Progress(feeds_due=left.feeds_due, **{state.value: count for state, count in counts.items()})


@contextmanager
def _stop_signals() -> Iterator[Event]:
    stop = Event()

    def ask(_number: int, _frame: object) -> None:
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
