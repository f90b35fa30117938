"""Bells: how a stage is told that there is work. A ring is coalesced, and may be lost: a tick rings again."""

import logging
import re
from dataclasses import dataclass

from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from pipeline.model import Stage

RUNG_S = 5
"""A bell that was rung stays silent until somebody answers, or so long. A ring for every commit flooded the
queues; their length does not tell, since prefetching empties them."""

SOCKET_TIMEOUT_S = 5.0

TIDY = "wireroom.tidy"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bells:
    """Ring for stages over the broker."""

    app: Celery
    redis: Redis

    def ring(self, stage: Stage) -> None:
        """Queue one message for a stage, unless one is waiting; a broker that is away is no error."""
        try:
            if self._is_silent(_key(stage)):
                self.app.send_task(task_name(stage), queue=stage.value, retry=False, ignore_result=True)
        except (RedisError, OperationalError, OSError) as error:
            log.warning("ring lost", extra={"stage": stage, "error": error})

    def _is_silent(self, key: str) -> bool:
        """Mark a bell as rung; False when it is rung already. Redis ends a mark by the wall clock: one that
        is to last longer than any was set before that clock went back."""
        if self.redis.set(key, 1, nx=True, ex=RUNG_S):
            return True
        return self.redis.ttl(key) > RUNG_S and bool(self.redis.set(key, 1, ex=RUNG_S))

    def send(self, task: str) -> None:
        """Queue a task that is no stage's, for whoever polls; the broker may lose it, or be away."""
        try:
            self.app.send_task(task, retry=False, ignore_result=True)
        except (RedisError, OperationalError, OSError) as error:
            log.warning("the broker does not answer, so %s waits for its next time: %s", task, error)

    def are_heard(self) -> bool:
        """Tell whether the broker answers."""
        try:
            return bool(self.redis.ping())
        except RedisError:
            return False

    def answer(self, stage: Stage) -> None:
        """Say that somebody is at work, so that the next ring is queued."""
        try:
            self.redis.delete(_key(stage))
        except RedisError as error:
            log.warning("bell stays rung", extra={"stage": stage, "error": error})


def open_bells(app: Celery) -> Bells:
    """Open the bells on an app's broker."""
    url = re.sub(r"^\w+\+socket://", "unix://", app.conf.broker_url).split("?virtual_host")[0]
    # One retry layer is enough, and it is the tick.
    client = Redis.from_url(
        url,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=SOCKET_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    return Bells(app, client)


def task_name(stage: Stage) -> str:
    """Name the task of a stage."""
    return f"wireroom.{stage}"


def _key(stage: Stage) -> str:
    return f"wireroom:bell:{stage}"
