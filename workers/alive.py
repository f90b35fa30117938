"""`python -m workers.alive`: whether the workers of this machine, or container, get on. A health check.

It reads the same heartbeats as `wireroom up`. What stands still is killed, since an engine such as Compose
starts anew what ends, and leaves alone what is unhealthy. While the store is away nobody can be judged, nor
while the broker is silent: then nobody is told that there is work.
"""

import logging
import os
import signal
import sys
import time
from contextlib import closing, suppress
from os import environ

from sqlalchemy.exc import SQLAlchemyError

from pipeline.errors import SettingsError
from pipeline.masking import mask
from pipeline.settings import Settings, read_settings
from pipeline.store.heartbeats import NO_PROGRESS_S, Standstill, find_standstills
from pipeline.store.leases import machine
from pipeline.store.status import PartState
from pipeline.store.store import Store, open_store

AGAIN_S = 15.0
"""Between the two looks: after an outage, or a suspended machine, who lives gets on within seconds."""

log = logging.getLogger(__name__)


def main() -> int:
    """Look twice; give the exit status: 1 when something stood still, and was killed."""
    try:
        settings = read_settings(environ)
    except SettingsError as error:
        sys.stderr.write(f"wireroom: {error}\n")
        return 2
    with closing(open_store(settings.sql_url)) as store:
        try:
            return _judge(settings, store)
        except SQLAlchemyError as error:
            sys.stderr.write(f"cannot be judged, the store is away: {str(error).splitlines()[0]}\n")
            return 0


def _judge(settings: Settings, store: Store) -> int:
    first = {each.worker for each in _look(store)}
    if not first or _is_silent(settings):
        return 0
    time.sleep(AGAIN_S)
    stand = [each for each in _look(store) if each.worker in first]
    if not stand or _is_silent(settings):
        return 0
    for each in stand:
        sys.stderr.write(f"no progress in {each.stage} for {each.for_s:.0f} s: killed {each.worker}\n")
        with suppress(ProcessLookupError):
            os.kill(int(each.worker.rpartition(":")[2]), signal.SIGKILL)
    return 1


def _is_silent(settings: Settings) -> bool:
    from workers.monitoring.parts import ask_broker  # a second of a core, which most checks do without

    broker = ask_broker(settings)
    if broker.state is PartState.OK:
        return False
    sys.stderr.write(f"cannot be judged, the broker is silent: {mask(broker.said)}\n")
    return True


def _look(store: Store) -> tuple[Standstill, ...]:
    return find_standstills(store, f"{machine()}:", no_progress_s=NO_PROGRESS_S)


if __name__ == "__main__":
    sys.exit(main())
