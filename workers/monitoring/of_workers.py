"""Monitoring of Celery's own commands: each worker tells of itself, beat (one in all) of the whole."""

import atexit
import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from celery import Celery, signals

from pipeline.errors import WireroomError
from pipeline.model import Stage
from pipeline.settings import Settings
from workers.environment import metrics_folder
from workers.heartbeat import Pulse
from workers.monitoring.counting import count_in, folder_for_a_while
from workers.monitoring.replies import make_replies
from workers.monitoring.server import serving
from workers.monitoring.standing import Lookout

log = logging.getLogger(__name__)


def add_monitoring(app: Celery, settings: Settings, pulse: Pulse) -> None:
    """Let the app's workers count together with their children, and serve what they count. The handlers live
    as long as the app."""
    duty = ExitStack()

    def begin_counting(sender: Any, **_: object) -> None:
        if sender.app is app:  # before its children are forked
            count_in(metrics_folder() or duty.enter_context(folder_for_a_while()), sender.hostname)

    def serve_worker(sender: Any, **_: object) -> None:
        if sender.app is app and settings.metrics_at:
            stages = [Stage(queue) for queue in sender.app.amqp.queues.consume_from]
            lookout = Lookout(settings, stages)
            _serve(duty, settings, lookout, pulse, folder=metrics_folder(), tells_all=False)

    def serve_beat(sender: Any, **_: object) -> None:
        if sender.app is app and settings.metrics_at:
            # Celery says nothing when beat ends; cleared away later, it waits for a thread that is no more.
            atexit.register(end)
            _serve(duty, settings, Lookout(settings), pulse, folder=None, tells_all=True)

    def end(**_: object) -> None:
        duty.close()

    handlers: list[tuple[Any, Callable[..., None]]] = [
        (signals.worker_init, begin_counting),
        (signals.worker_ready, serve_worker),
        (signals.beat_init, serve_beat),
        (signals.worker_shutdown, end),
    ]
    for signal, handler in handlers:
        signal.connect(handler, weak=False)


def _serve(
    duty: ExitStack,
    settings: Settings,
    lookout: Lookout,
    pulse: Pulse,
    *,
    folder: Path | None,
    tells_all: bool,
) -> None:
    """Serve until the duty ends; where that cannot be the work goes on all the same."""
    assert settings.metrics_at is not None
    replies = make_replies(settings, lookout, pulse, folder=folder, tells_all=tells_all)
    try:
        duty.enter_context(serving(settings.metrics_at, replies))
    except WireroomError as error:
        log.error("%s", error)
