"""F6 to F8: the broker is killed, frozen, cut off, away, full and emptied. It holds rings alone."""

import signal
from collections.abc import Callable, Sequence

from redis import Redis
from redis.exceptions import RedisError

from tests.faults.kills import strike_when_at_work
from tests.faults.parts import administer
from tests.faults.topology import EMBEDDED, PRODUCTION
from tests.faults.trial import Fault, Trial
from workers.broker import socket_path

AWAY_S = 300.0
ANSWERS_S = 60.0
FULL_BYTES = 1
"""Less than it holds already: every ring is refused (noeviction)."""


def kill(trial: Trial) -> int:
    """Kill the broker; it is started again, by `up` where it is embedded."""
    strike_when_at_work(trial)
    if trial.system.name == EMBEDDED:
        crew = trial.system.crew
        trial.wait(ANSWERS_S, lambda: bool(crew.pids("broker")))
        return crew.signal("broker", signal.SIGKILL)
    broker = trial.system.servers["broker"]
    broker.end("KILL")
    broker.start()
    return 1


def take_away(trial: Trial) -> int:
    """Freeze the broker, cut it off without a word, or end it for a while, in turn."""
    strike_when_at_work(trial)
    kinds = (freeze,) if trial.system.name == EMBEDDED else (freeze, half_open, end)
    kinds[trial.round % len(kinds)](trial)
    return 1


def freeze(trial: Trial) -> None:
    """Stop the broker's process for a while."""
    _send(trial, "STOP")
    trial.wait(trial.lasts_s)
    _send(trial, "CONT")


def half_open(trial: Trial) -> None:
    """Let the clients wait for a broker that knows nothing of them, for a while."""
    proxy = trial.system.proxies["broker"]
    proxy.half_open()
    trial.wait(trial.lasts_s)
    proxy.mend()


def end(trial: Trial) -> None:
    """End the broker, and start it again after a while."""
    trial.system.servers["broker"].end()
    trial.wait(trial.lasts_s)
    trial.system.servers["broker"].start()


def fill_or_empty(trial: Trial) -> int:
    """Leave the broker no room for a while, or take from it all that it holds, in turn."""
    strike_when_at_work(trial)
    kinds: Sequence[Callable[[Trial], bool]] = (fill, empty)
    return int(kinds[trial.round % len(kinds)](trial))


def fill(trial: Trial) -> bool:
    """Let the broker refuse every write for a while."""
    with _administered(trial) as redis:
        if not _answers(trial, redis):
            return False
        before = redis.config_get("maxmemory")["maxmemory"]
        redis.config_set("maxmemory", FULL_BYTES)
        trial.wait(trial.lasts_s)
        redis.config_set("maxmemory", before)
    return True


def empty(trial: Trial) -> bool:
    """Take from the broker all that it holds."""
    with _administered(trial) as redis:
        return _answers(trial, redis) and bool(redis.flushall())


def _administered(trial: Trial) -> Redis:
    if trial.system.name == EMBEDDED:
        return Redis(unix_socket_path=str(socket_path(trial.system.settings)))
    return administer(trial.system.servers["broker"])


def _answers(trial: Trial, redis: Redis) -> bool:
    """Wait until it answers: an embedded one starts with `up`."""

    def pings() -> bool:
        try:
            return bool(redis.ping())
        except RedisError:
            return False

    return trial.wait(ANSWERS_S, pings)


def _send(trial: Trial, name: str) -> None:
    if trial.system.name == EMBEDDED:
        trial.system.crew.signal("broker", signal.Signals[f"SIG{name}"])
    else:
        trial.system.servers["broker"].send(name)


FAULTS = (
    Fault(
        id="F6",
        what="the broker is killed and started again",
        inflict=kill,
        rounds={EMBEDDED: 20, PRODUCTION: 20},
        articles={EMBEDDED: 500, PRODUCTION: 2000},
    ),
    Fault(
        id="F7",
        what="the broker is frozen, half open and away, five minutes each time",
        inflict=take_away,
        through=("broker",),
        lasts_s=AWAY_S,
        rounds={EMBEDDED: 3, PRODUCTION: 6},
        articles={EMBEDDED: 500, PRODUCTION: 2000},
    ),
    Fault(
        id="F8",
        what="the broker is full (noeviction) for a minute, and emptied (FLUSHALL)",
        inflict=fill_or_empty,
        lasts_s=60.0,
        rounds={EMBEDDED: 10, PRODUCTION: 10},
        articles={EMBEDDED: 500, PRODUCTION: 2000},
    ),
)
