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
from pipeline.errors import IndexBusyError, IndexUnavailableError
from pipeline.flow import tick
from pipeline.indexing.live import open_live
from pipeline.services import Services, open_services, prepare
from pipeline.settings import EMBEDDED, Settings
from pipeline.store.due import Waiting, article_counts, feeds_due, waiting
from pipeline.store.heartbeats import NO_PROGRESS_S, find_standstills, forget_dead
from pipeline.store.leases import free_all, machine, sweep
from pipeline.store.store import Store
from workers.app import make_app
from workers.beat import BeatLock
from workers.bells import TIDY, Bells, open_bells
from workers.broker import start_broker
from workers.children import BROKER, Children
from workers.clock import ClockWatch, follow_clock
from workers.ending import StoreFile, Troubles
from workers.home_lock import hold_home
from workers.logs import set_up_logs
from workers.monitoring.of_up import monitored
from workers.orphans import die_with_parent
from workers.schedule import Calendar, reindex_schedule, start_reindex

TICK_S = 0.5
"""Asking the store ten times a second cost 1.6 % of a core, twice a second a fifth of that."""

REPORT_S = 1.0
REPORT_ENDLESS_S = 5.0
"""Counting a million articles takes a tenth of a second."""

TIDY_S = 3_600.0

LOOK_S = 15.0
"""Between two looks at who gets on; who does not is killed at the second one."""

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
    looks: _Period
    no_progress_s: float
    clock: ClockWatch


@dataclass(frozen=True, slots=True)
class _Crew:
    """Hold what a supervisor works with."""

    services: Services
    children: Children
    bells: Bells
    beat: BeatLock
    file: StoreFile
    troubles: Troubles


def supervise(
    settings: Settings,
    *,
    until_idle: bool,
    timeout_s: float | None,
    report: Callable[[Progress], None],
    no_progress_s: float = NO_PROGRESS_S,
) -> Ending:
    """Run until idle, stopped or out of time, calling `report` every second or so.

    A worker that does not get on for `no_progress_s` while there is work for it is killed and started again.
    Raises AlreadyRunningError when another `up` holds the home; WireroomError when a part cannot start, or
    the store is such that no waiting helps.
    """
    set_up_logs(settings)
    with ExitStack() as stack:
        stop = stack.enter_context(_stop_signals())
        stack.enter_context(hold_home(settings.home))
        prepare(settings)
        pulse = stack.enter_context(monitored(settings))
        crew = _call_crew(stack, settings)
        run = _begin_run(settings, until_idle=until_idle, timeout_s=timeout_s, no_progress_s=no_progress_s)
        while not stop.wait(TICK_S):
            pulse.beat()
            crew.file.check()
            with crew.troubles.borne():
                crew.children.restart_dead()
                if _turn(crew, run, report):
                    return Ending.IDLE
            if run.ends_at is not None and time.monotonic() >= run.ends_at:
                return Ending.TIMED_OUT
    return Ending.STOPPED


def _call_crew(stack: ExitStack, settings: Settings) -> _Crew:
    """Start everything; the stack ends it, the workers before what they work on."""
    services = stack.enter_context(closing(open_services(settings)))
    file = StoreFile(settings)
    stack.enter_context(_clean(services))
    children = stack.enter_context(Children(settings))
    if settings.broker_url == EMBEDDED:
        children.add(BROKER, lambda: start_broker(settings))
    children.add_worker("net")
    children.add_worker("enrich")
    bells = open_bells(make_app(settings))
    beat = BeatLock(bells.redis)
    stack.callback(beat.let_go)
    return _Crew(services, children, bells, beat, file, Troubles(settings))


def _turn(crew: _Crew, run: _Run, report: Callable[[Progress], None]) -> bool:
    """Do what is due in one turn of the supervisor; True when the run has nothing left to do. What is done by
    the clock is left to another whose beat it is."""
    services, beats = crew.services, crew.beat.is_ours()
    if services.settings.store_url == EMBEDDED:  # PostgreSQL has a clock of its own
        follow_clock(services.store, run.clock)
    tick(services, crew.bells.ring if beats else lambda _: None)
    if run.tidies.is_due() and beats:
        crew.bells.send(TIDY)  # what takes longer than a turn is for a worker
    if run.rebuilds.is_due() and beats:
        log_file = services.settings.log_folder / "reindex.log"
        start_reindex(services.settings, log=log_file, preexec=die_with_parent)
    if run.reports.is_due():
        services.disk.look()
        report(_progress(services.store))
    if run.looks.is_due():
        _look_after(crew, run.no_progress_s)
    return run.until_idle and _is_idle(waiting(services.store), run.ends_at)


def _look_after(crew: _Crew, no_progress_s: float) -> None:
    """Kill what lives but does not get on. While the broker is silent nobody is told that there is work."""
    store, hears = crew.services.store, crew.bells.are_heard()
    found = find_standstills(store, f"{machine()}:", no_progress_s=no_progress_s) if hears else ()
    standing = {each.worker: f"{each.stage}, for {each.for_s:.0f} s" for each in found}
    crew.children.kill_standing(standing, broker_answers=hears)
    crew.children.kill_grown()
    forget_dead(store)


def _begin_run(
    settings: Settings, *, until_idle: bool, timeout_s: float | None, no_progress_s: float
) -> _Run:
    return _Run(
        until_idle=until_idle,
        ends_at=None if timeout_s is None else time.monotonic() + timeout_s,
        reports=_Period(REPORT_S if until_idle else REPORT_ENDLESS_S),
        tidies=_Period(TIDY_S),
        rebuilds=Calendar(reindex_schedule(settings)),
        looks=_Period(min(LOOK_S, no_progress_s / 2)),
        no_progress_s=no_progress_s,
        clock=ClockWatch(),
    )


@contextmanager
def _clean(services: Services) -> Iterator[None]:
    """Free what an earlier run held; close the archive's files before the workers begin and when they end."""
    _free_leases(services)
    heal(services.settings.archive_folder)
    with suppress(IndexBusyError, IndexUnavailableError):  # an index that is missing makes every document due
        open_live(services)[0].close()
    try:
        yield
    finally:
        with suppress(SQLAlchemyError):  # what no worker could give back any more
            _free_leases(services)
        heal(services.settings.archive_folder)


def _free_leases(services: Services) -> None:
    """Free what no living worker holds: on an embedded store all, since the home's lock is ours."""
    if services.settings.store_url == EMBEDDED:
        free_all(services.store)
    else:
        sweep(services.store)


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
