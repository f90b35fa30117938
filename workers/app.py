"""The Celery app: one queue and one task a stage, no results; all that may be lost is a ring."""

from typing import Any

from celery import Celery
from kombu import Queue

from pipeline.model import Stage
from pipeline.settings import EMBEDDED, Settings
from workers.broker import embedded_url
from workers.logs import make_logs_harmless
from workers.schedule import REINDEX, reindex_schedule
from workers.tasks import register

TICK_S = 2.0
TIDY_S = 3_600.0
"""Beat's periods; `wireroom up` ticks and tidies by itself."""

REINDEX_EXPIRES_S = 3_600.0
"""A rebuild that no index worker could begin within an hour waits for its next time."""

HARD_LIMIT_S = 180
"""Above a shift of 5 s and the slowest batch in it: four articles of 20 s each, or a host's turn of 32 s.
Celery counts it for the whole task, and only where children run tasks (prefork)."""

SHIFTS_A_CHILD = 100
"""Some 10,000 articles, by which spaCy's vocabulary has grown by about 100 MB; a fork of the preloaded worker
takes 20 ms."""

VISIBILITY_S = 600
"""Above the hard limit, or a ring would be given to two workers: harmless, but work for nothing."""


def make_app(settings: Settings) -> Celery:
    """Make the app for the settings. Nothing connects before a worker starts or a bell rings."""
    url = settings.broker_url if settings.broker_url != EMBEDDED else embedded_url(settings)
    app = Celery("wireroom", broker=url, set_as_current=False)
    app.conf.update(
        task_queues=[Queue(stage.value, routing_key=stage.value) for stage in Stage],
        task_default_queue=Stage.POLL.value,
        task_create_missing_queues=False,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=True,
        task_reject_on_worker_lost=False,  # the next tick rings again
        task_time_limit=HARD_LIMIT_S,
        worker_prefetch_multiplier=1,
        worker_max_tasks_per_child=SHIFTS_A_CHILD,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=_transport_options(),
        beat_scheduler="celery.beat:Scheduler",  # a tick needs no memory: no file in the current folder
        beat_schedule=beat_schedule(settings),
    )
    make_logs_harmless()
    register(app, settings)
    return app


def beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """Say what beat rings for, and when."""
    schedule: dict[str, dict[str, Any]] = {
        "tick": {"task": "wireroom.tick", "schedule": TICK_S, "options": {"expires": TICK_S}},
        "tidy": {"task": "wireroom.tidy", "schedule": TIDY_S, "options": {"expires": TIDY_S}},
    }
    if (rebuilds := reindex_schedule(settings)) is not None:
        options = {"queue": Stage.INDEX.value, "expires": REINDEX_EXPIRES_S}
        schedule["reindex"] = {"task": REINDEX, "schedule": rebuilds, "options": options}
    return schedule


def _transport_options() -> dict[str, object]:
    return {
        "visibility_timeout": VISIBILITY_S,
        "unacked_mutex_expire": 30,  # 300 by default: a killed sweeper blocked it for so long
        "unacked_restore_interval": 10,
        "socket_timeout": 15,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 15,
        "global_keyprefix": "wireroom:",
    }
