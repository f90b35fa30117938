"""The tasks: one a stage, each a shift of some seconds, and the tick. Transport only."""

import gc
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore, Lock, get_ident
from typing import Any

from celery import Celery, signals
from sqlalchemy.exc import InterfaceError, OperationalError

from pipeline.enrichment.models import check_models
from pipeline.errors import WireroomError
from pipeline.flow import run_stage, tick, tidy
from pipeline.log_context import bound
from pipeline.model import Stage
from pipeline.services import Services, open_services
from pipeline.settings import Settings
from pipeline.stages.limits import limit_memory
from pipeline.stages.shift import begin_shift
from workers.bells import TIDY, Bells, open_bells, task_name
from workers.ending import refusing
from workers.environment import metrics_folder
from workers.heartbeat import Pulse, add_pulse, longest_s
from workers.orphans import die_with_parent
from workers.pulse import WorkPulse
from workers.recycling import is_worn, resident_bytes, retire
from workers.schedule import REINDEX, start_reindex
from workers.stopping import StopFlag

AWAY_S = 2.0
"""Between two tries of a stage while the store, or what else it needs, is away: a tick rings more often."""

TICK = "wireroom.tick"
TICK_APART_S = 1.0
"""Ticks that piled up while no worker was there are one."""

log = logging.getLogger(__name__)


class Bench:
    """Hold what one worker process works with: opened on first use, anew in each forked child."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        """Remember how to open the parts; open none."""
        self._app = app
        self._settings = settings
        self._opening = Lock()
        self._services: Services | None = None
        self._bells: Bells | None = None
        # Shared with forked children, which Celery's worker_shutting_down signal does not reach.
        self.stopping = StopFlag()
        # The threads of one process share its event loop per stage, its index writer and its connections.
        at_once = {stage: settings.concurrency.index if stage is Stage.INDEX else 1 for stage in Stage}
        self.at_work = {stage: BoundedSemaphore(number) for stage, number in at_once.items()}
        self.ticked_at = -TICK_APART_S  # on the monotonic clock
        self.began: dict[int, float] = {}  # the shifts under way by their threads, on the monotonic clock
        self.pulse = WorkPulse(lambda: self.services().store)
        self.shifts = 0
        self.is_threaded = False

    def services(self) -> Services:
        """Give the parts, opening them once."""
        with self._opening:
            if self._services is None:
                self._services = open_services(self._settings)
            return self._services

    def bells(self) -> Bells:
        """Give the bells, opening them once."""
        with self._opening:
            if self._bells is None:
                self._bells = open_bells(self._app)
            return self._bells

    def forked(self) -> None:
        """Forget connections that belong to the parent; what it only read (models) stays shared."""
        self._opening = Lock()
        self._bells = None
        if self._services is not None:
            self._services.store.engine.dispose(close=False)


def register(app: Celery, settings: Settings) -> None:
    """Add the tasks to an app and prepare its worker processes."""
    bench = Bench(app, settings)
    tasks = {
        **{task_name(stage): _shift_task(bench, stage) for stage in Stage},
        TICK: _tick_task(bench),
        TIDY: _tidy_task(bench),
        REINDEX: _reindex_task(settings),
    }
    for name, work in tasks.items():
        app.task(name=name, shared=False)(work)  # shared, every other app of the process would get it too
    _prepare_processes(app, bench, settings)
    pulse = Pulse(Path(settings.heartbeat) if settings.heartbeat else None, lambda: longest_s(bench.began))
    if settings.heartbeat or settings.metrics_address:
        add_pulse(app, pulse)
    if settings.metrics_address or metrics_folder():
        from workers.monitoring.of_workers import add_monitoring  # what it imports nobody else needs

        add_monitoring(app, settings, pulse)


def _shift_task(bench: Bench, stage: Stage) -> Callable[[], None]:
    def work() -> None:
        if not bench.at_work[stage].acquire(blocking=False):
            return  # this process is at it already, and claims until nothing is due
        bench.began[get_ident()] = time.monotonic()
        with bound(stage=stage), ExitStack() as duty:
            duty.callback(_leave, bench, stage)
            try:
                bench.bells().answer(stage)
                hand_over, get_on = partial(_hand_over, bench, stage, duty), partial(bench.pulse.feel, stage)
                shift = begin_shift(bench.bells().ring, bench.stopping, hand_over=hand_over, get_on=get_on)
                get_on()
                run_stage(stage, bench.services(), shift)
            except (OperationalError, InterfaceError, WireroomError) as error:
                log.warning("shift failed", extra={"error": error})
                bench.stopping.wait(AWAY_S)
            except Exception:
                log.exception("shift failed")  # its claims are back; the next tick rings
            finally:
                del bench.began[get_ident()]
                _make_way(bench)

    return work


def _make_way(bench: Bench) -> None:
    """Let a worn worker end, once; forked children are counted by Celery."""
    bench.shifts += 1
    if bench.is_threaded and not bench.stopping.is_set() and is_worn(bench.shifts, resident_bytes()):
        log.warning("makes way for a fresh worker after %d shifts", bench.shifts)
        bench.is_threaded = False
        retire()


def _leave(bench: Bench, stage: Stage) -> None:
    bench.at_work[stage].release()
    # A ring that came meanwhile was taken by a thread that found this one at work: unanswered, it would keep
    # all others silent for its five seconds.
    bench.bells().answer(stage)


def _hand_over(bench: Bench, stage: Stage, duty: ExitStack) -> None:
    """Let the next shift of a stage begin in another thread, while this one waits for slow servers."""
    duty.close()
    bench.bells().ring(stage)


def _tick_task(bench: Bench) -> Callable[[], None]:
    def work() -> None:
        if time.monotonic() - bench.ticked_at >= TICK_APART_S:
            bench.ticked_at = time.monotonic()
            tick(bench.services(), bench.bells().ring)

    return work


def _tidy_task(bench: Bench) -> Callable[[], None]:
    tidying = Lock()  # it may take longer than the hour until the next

    def work() -> None:
        if not tidying.acquire(blocking=False):
            return
        try:
            tidy(bench.services(), is_over=bench.stopping.is_set)
        finally:
            tidying.release()

    return work


def _reindex_task(settings: Settings) -> Callable[[], None]:
    def work() -> None:
        start_reindex(settings)

    return work


def _prepare_processes(app: Celery, bench: Bench, settings: Settings) -> None:
    """Preload before the fork, open anew after it, stop early. The handlers live as long as the app."""

    def preload(sender: Any, **_: object) -> None:
        if sender.app is not app:
            return
        bench.is_threaded = sender.pool_cls.__module__.endswith("thread")
        consumed = set(sender.app.amqp.queues.consume_from)
        if Stage.ENRICH in consumed:
            with refusing():
                check_models(settings.models)
        bench.pulse.begin([stage for stage in Stage if stage in consumed])
        if sender.pool_cls.__module__.endswith("prefork"):
            if Stage.ENRICH in consumed:
                import pipeline.stages.enrich  # noqa: F401 -- what enrich imports is shared by all children

                bench.services().preload()
            gc.collect()
            gc.freeze()

    def begin_child(**_: object) -> None:
        die_with_parent()
        limit_memory()
        bench.forked()

    def stop(**_: object) -> None:
        bench.stopping.set()

    signals.worker_init.connect(preload, weak=False)
    signals.worker_process_init.connect(begin_child, weak=False)
    signals.worker_shutting_down.connect(stop, weak=False)
