"""One beat at a time, however many run: who holds a key of the broker rings, the others stand by."""

import logging
import os
from secrets import token_hex
from typing import Any

from celery.beat import Scheduler
from redis import Redis
from redis.exceptions import RedisError

from workers.bells import open_bells

KEY = "wireroom:beat"
HELD_S = 10
"""Five ticks: how long nobody rings when the holder was killed. Work that goes on rings for itself."""

STAND_BY_S = 2.0

log = logging.getLogger(__name__)


class BeatLock:
    """Hold the right to ring by the clock."""

    def __init__(self, redis: "Redis") -> None:
        """Hold nothing yet."""
        self._redis = redis
        self._name = f"{os.getpid()}:{token_hex(8)}".encode()

    def is_ours(self) -> bool:
        """Take the right, or keep it for another HELD_S. With the broker away nobody can ring; what is done
        by the clock beside that is then done by everybody rather than by nobody."""
        try:
            if self._redis.get(KEY) == self._name:
                return bool(self._redis.expire(KEY, HELD_S))
            return bool(self._redis.set(KEY, self._name, nx=True, ex=HELD_S))
        except RedisError:
            return True

    def let_go(self) -> None:
        """Give the right to whoever asks next."""
        try:
            if self._redis.get(KEY) == self._name:
                self._redis.delete(KEY)
        except RedisError as error:
            log.warning("nothing is rung for %d s: %s", HELD_S, error)


class OnlyBeat(Scheduler):  # how Celery is told what beat does
    """Ring as Celery's own scheduler does, while no other beat rings."""

    def __init__(self, app: Any, **options: Any) -> None:
        self._lock = BeatLock(open_bells(app).redis)
        self._pulse = app.conf.get("wireroom_pulse")  # none where nobody looks at it
        self._stands_by = False
        super().__init__(app, **options)

    def tick(self, *options: Any, **named: Any) -> float:
        """Ring for what is due; give the seconds until the next time."""
        ours = self._lock.is_ours()
        if ours == self._stands_by:
            log.warning("beats now" if ours else "another beat rings: standing by")
            self._stands_by = not ours
        if ours:
            return float(super().tick(*options, **named))
        if self._pulse is not None:
            self._pulse.beat()
        return STAND_BY_S

    def close(self) -> None:
        """End; another may ring at once."""
        self._lock.let_go()
        super().close()
