"""The Celery app: one queue and one task a stage, no results; all that may be lost is a ring."""

from typing import Any

from celery import Celery
from celery.schedules import schedule
from kombu import Queue
from kombu.transport import TRANSPORT_ALIASES

from pipeline.model import Stage
from pipeline.settings import EMBEDDED, Settings
from workers.bells import TIDY
from workers.broker import embedded_url
from workers.clock import SteadyClock
from workers.logs import set_up_worker_logs
from workers.recycling import MOST_OF_A_CHILD_KIB
from workers.schedule import REINDEX, reindex_schedule
from workers.tasks import TICK, register

TRANSPORT = "wireroom"
"""What kombu calls the transport that refuses what is no ring."""

TICK_S = 2.0
TIDY_S = 3_600.0
"""Beat's periods; `wireroom up` ticks and tidies by itself."""

EXPIRES_S = 86_400.0
"""Beat writes into a message when it is stale, and workers go by their own clocks: with two seconds a worker
whose clock was an hour ahead heard no tick. What piles up in a day is 43,200 small messages."""

REINDEX_EXPIRES_S = 12 * 3_600.0
"""A rebuild that no index worker could begin within half a day waits for its next time."""

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
    TRANSPORT_ALIASES[TRANSPORT] = "workers.transport:Transport"
    # What stands before the `+` is taken for the transport, whatever `broker_transport` says.
    url = url.replace("redis+socket://", f"{TRANSPORT}+socket://", 1)
    app = Celery("wireroom", broker=url, set_as_current=False)
    app.conf.update(
        broker_transport=TRANSPORT,
        broker_use_ssl={"ssl_cert_reqs": "required"} if url.startswith("rediss:") else None,
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
        worker_max_memory_per_child=MOST_OF_A_CHILD_KIB,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=_transport_options(),
        beat_scheduler="workers.beat:OnlyBeat",  # a tick needs no memory: no file in the current folder
        beat_schedule=beat_schedule(settings),
    )
    set_up_worker_logs(settings)
    register(app, settings)
    return app


def beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """Say what beat rings for, and when: by a clock that never goes back."""
    clock, rings = SteadyClock(), {"time_limit": None}  # as bells ring
    soon = {**rings, "expires": EXPIRES_S}
    entries: dict[str, dict[str, Any]] = {
        "tick": {"task": TICK, "schedule": schedule(TICK_S, nowfun=clock.now), "options": soon},
        "tidy": {"task": TIDY, "schedule": schedule(TIDY_S, nowfun=clock.now), "options": soon},
    }
    if (rebuilds := reindex_schedule(settings, now=clock.now)) is not None:
        options = {**rings, "queue": Stage.INDEX.value, "expires": REINDEX_EXPIRES_S}
        entries["reindex"] = {"task": REINDEX, "schedule": rebuilds, "options": options}
    return entries


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
