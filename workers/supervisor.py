"""Run everything on one machine: broker, workers and ticks, under one supervisor.

Two worker processes: `net` polls, fetches and indexes in threads; `enrich` forks as many children as are set.
The supervisor ticks itself, restarts what dies, and ends all of it within ten seconds.
"""

import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from threading import Event

from sqlalchemy.exc import SQLAlchemyError

from pipeline.archive.warc import heal
from pipeline.errors import IndexBusyError, IndexUnavailableError, WireroomError
from pipeline.flow import tick, tidy
from pipeline.indexing.live import open_live
from pipeline.services import Services, open_services, prepare
from pipeline.settings import EMBEDDED, Settings
from pipeline.store.due import Waiting, article_counts, feeds_due, waiting
from pipeline.store.leases import free_all
from pipeline.store.store import Store
from workers.app import make_app
from workers.bells import Bells, open_bells
from workers.broker import start_broker
from workers.children import BROKER, Children
from workers.home_lock import hold_home
from workers.orphans import die_with_parent
from workers.schedule import Calendar, reindex_schedule, start_reindex

TICK_S = 0.5
"""Asking the store ten times a second cost 1.6 % of a core, twice a second a fifth of that."""

REPORT_S = 1.0
REPORT_ENDLESS_S = 5.0
"""Counting a million articles takes a tenth of a second."""

TIDY_S = 3_600.0

log = logging.getLogger(__name__)


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


@dataclass(slots=True)
class _Period:
    """Say when something is to be done that is done now and then."""

    every_s: float
    next_at: float = 0.0

    def is_due(self) -> bool:
        """Tell whether to do it now; then it is due again a period later."""
        now = time.monotonic()
        if now < self.next_at:
            return False
        self.next_at = now + self.every_s
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Hold how a run ends and what it does now and then."""

    until_idle: bool
    ends_at: float | None
    reports: _Period
    tidies: _Period
    rebuilds: Calendar


def supervise(
    settings: Settings,
    *,
    until_idle: bool,
    timeout_s: float | None,
    report: Callable[[Progress], None],
) -> Ending:
    """Run until idle, stopped or out of time, calling `report` every second or so.

    Raises AlreadyRunningError when another `up` holds the home; WireroomError when a part cannot start.
    """
    with ExitStack() as stack:
        stop = stack.enter_context(_stop_signals())
        stack.enter_context(hold_home(settings.home))
        prepare(settings)
        services = stack.enter_context(closing(open_services(settings)))
        stack.enter_context(_clean(services))
        children = stack.enter_context(Children(settings))
        if settings.broker_url == EMBEDDED:
            children.add(BROKER, lambda: start_broker(settings))
        children.add_worker("net")
        children.add_worker("enrich")
        bells = open_bells(make_app(settings))
        run = _begin_run(settings, until_idle=until_idle, timeout_s=timeout_s)
        while not stop.wait(TICK_S):
            try:
                children.restart_dead()
                if _turn(services, bells, run, report):
                    return Ending.IDLE
            except (SQLAlchemyError, WireroomError) as error:
                log.warning("a part is away, trying again: %s", error)
            if run.ends_at is not None and time.monotonic() >= run.ends_at:
                return Ending.TIMED_OUT
    return Ending.STOPPED


def _turn(services: Services, bells: Bells, run: _Run, report: Callable[[Progress], None]) -> bool:
    """Do what is due in one turn of the supervisor; True when the run has nothing left to do."""
    tick(services, bells.ring)
    if run.tidies.is_due():
        tidy(services)
    if run.rebuilds.is_due():
        log_file = services.settings.log_folder / "reindex.log"
        start_reindex(services.settings, log=log_file, preexec=die_with_parent)
    if run.reports.is_due():
        report(_progress(services.store))
    return run.until_idle and _is_idle(waiting(services.store), run.ends_at)


def _begin_run(settings: Settings, *, until_idle: bool, timeout_s: float | None) -> _Run:
    return _Run(
        until_idle=until_idle,
        ends_at=None if timeout_s is None else time.monotonic() + timeout_s,
        reports=_Period(REPORT_S if until_idle else REPORT_ENDLESS_S),
        tidies=_Period(TIDY_S),
        rebuilds=Calendar(reindex_schedule(settings)),
    )


@contextmanager
def _clean(services: Services) -> Iterator[None]:
    """Free what an earlier run held; close the archive's files before the workers begin and when they end."""
    # The home's lock is ours, so on an embedded store every lease is a dead worker's.
    if services.settings.store_url == EMBEDDED:
        free_all(services.store)
    heal(services.settings.archive_folder)
    with suppress(IndexBusyError, IndexUnavailableError):  # an index that is missing makes every document due
        open_live(services)[0].close()
    try:
        yield
    finally:
        heal(services.settings.archive_folder)


def _is_idle(left: Waiting, ends_at: float | None) -> bool:
    if left.leases or left.due:
        return False
    if left.next_retry_s is None or ends_at is None:
        return True
    return time.monotonic() + left.next_retry_s >= ends_at  # a retry before the time-out is waited for


def _progress(store: Store) -> Progress:
    counts = article_counts(store)
    return Progress(feeds_due=feeds_due(store), **{state.value: count for state, count in counts.items()})


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
