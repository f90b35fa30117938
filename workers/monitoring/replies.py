"""What is answered over HTTP: metrics; whether this process gets on; whether its parts are there."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from prometheus_client.metrics_core import Metric

from pipeline.settings import Settings
from workers.heartbeat import Pulse
from workers.monitoring.exposition import (
    CONTENT_TYPE,
    counted_by_workers,
    expose,
    read_from_machine,
    told_by_store,
)
from workers.monitoring.server import Replies, Reply
from workers.monitoring.standing import Lookout, Standing

PATIENCE_S = 4.0
"""How long a part is waited for: below the ten seconds that Prometheus waits for an answer."""

HEALTHY_S = 60.0
"""A pulse comes every five seconds or more often; twelve may be missed."""


def make_replies(
    settings: Settings, lookout: Lookout, pulse: Pulse, *, folder: Path | None, tells_all: bool
) -> Replies:
    """Say what answers where. `tells_all`: the store's counts too, which one process of a pipeline tells."""

    def metrics() -> Reply:
        reads: list[Callable[[], Iterable[Metric]]] = [lambda: read_from_machine(settings)]
        if folder is not None:
            reads.append(lambda: counted_by_workers(folder))
        if tells_all:
            reads.append(lambda: told_by_store(lookout.look(patience_s=PATIENCE_S)))
        return Reply(200, CONTENT_TYPE, expose(*reads))

    def health() -> Reply:
        silent_s = pulse.silent_s()
        said = {"alive": silent_s <= HEALTHY_S, "silent_s": round(silent_s, 1)}
        return _json(200 if said["alive"] else 503, said)

    def ready() -> Reply:
        standing = lookout.look_at_parts(patience_s=PATIENCE_S)
        return _json(503 if standing.problems else 200, readiness(standing))

    return {"/metrics": metrics, "/healthz": health, "/readyz": ready}


def readiness(standing: Standing) -> dict[str, Any]:
    """Say whether all parts are there, and of each that is not what is wrong and what to do."""
    return {
        "ready": not standing.problems,
        "parts": {part: str(state) for part, state in standing.parts.states().items()},
        "said": dict(standing.said),
        "problems": [{"slug": each.slug, "text": each.text, "do": each.do} for each in standing.problems],
    }


def _json(status: int, said: Any) -> Reply:
    return Reply(status, "application/json", (json.dumps(said) + "\n").encode())
