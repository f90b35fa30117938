"""The tasks: one a stage, each a shift of some seconds, and the tick. Transport only."""

import gc
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Lock, get_ident
from typing import Any

from celery import Celery, signals

from pipeline.flow import run_stage, tick, tidy
from pipeline.model import Stage
from pipeline.services import Services, open_services
from pipeline.settings import Settings
from pipeline.stages.limits import limit_memory
from pipeline.stages.shift import begin_shift
from workers.bells import Bells, open_bells, task_name
from workers.heartbeat import add_heartbeat, longest_s
from workers.orphans import die_with_parent
from workers.schedule import REINDEX, start_reindex
from workers.stopping import StopFlag

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
        self.at_work = {stage: Lock() for stage in Stage}
        self.began: dict[int, float] = {}  # the shifts under way by their threads, on the monotonic clock

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
        "wireroom.tick": _tick_task(bench),
        "wireroom.tidy": _tidy_task(bench),
        REINDEX: _reindex_task(settings),
    }
    for name, work in tasks.items():
        app.task(name=name, shared=False)(work)  # shared, every other app of the process would get it too
    _prepare_processes(app, bench)
    if settings.heartbeat:
        add_heartbeat(app, Path(settings.heartbeat), lambda: longest_s(bench.began))


def _shift_task(bench: Bench, stage: Stage) -> Callable[[], None]:
    def work() -> None:
        if not bench.at_work[stage].acquire(blocking=False):
            return  # this process is at it already, and claims until nothing is due
        bench.began[get_ident()] = time.monotonic()
        with ExitStack() as duty:
            duty.callback(_leave, bench, stage)
            try:
                bench.bells().answer(stage)
                hand_over = partial(_hand_over, bench, stage, duty)
                shift = begin_shift(bench.bells().ring, bench.stopping, hand_over=hand_over)
                run_stage(stage, bench.services(), shift)
            except Exception:
                log.exception("shift failed stage=%s", stage)  # its claims are back; the next tick rings
            finally:
                del bench.began[get_ident()]

    return work


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
        tick(bench.services(), bench.bells().ring)

    return work


def _tidy_task(bench: Bench) -> Callable[[], None]:
    def work() -> None:
        tidy(bench.services())

    return work


def _reindex_task(settings: Settings) -> Callable[[], None]:
    def work() -> None:
        start_reindex(settings)

    return work


def _prepare_processes(app: Celery, bench: Bench) -> None:
    """Preload before the fork, open anew after it, stop early. The handlers live as long as the app."""

    def preload(sender: Any, **_: object) -> None:
        if sender.app is app and sender.pool_cls.__module__.endswith("prefork"):
            if Stage.ENRICH in sender.app.amqp.queues.consume_from:
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
