"""P1 to P3: PostgreSQL is restarted, has no connection left, and must break a deadlock."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import psycopg
from psycopg import errors

from tests.faults.kills import strike_when_at_work
from tests.faults.topology import PRODUCTION
from tests.faults.trial import Fault, Trial

ENDINGS = ("INT", "QUIT")
"""A fast stop, and one without a checkpoint, after which it must recover."""

BLOCKED_S = 20.0
LOOK_S = 0.01
COUNTED_S = 1.5
"""Until the server has counted a deadlock: it writes its counts down once a second."""

NEVER_A_VICTIM = "SET LOCAL deadlock_timeout = '1h'; SET LOCAL lock_timeout = '20s'"
"""It looks for a deadlock only when it has waited so long: the other is the one that is broken off."""

TRIED_S = 60.0
LAST = "SELECT max(id) FROM articles WHERE lease_owner IS NOT NULL GROUP BY lease_owner HAVING count(*) > 1"
LOCK = "SELECT id FROM articles WHERE id = %s FOR UPDATE"
WAITS = "SELECT 1 FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
ALL = "SELECT id FROM articles ORDER BY id FOR UPDATE"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'"
OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'wireroom'"


def restart(trial: Trial) -> int:
    """Stop PostgreSQL, gently or not, and start it again after a while."""
    strike_when_at_work(trial)
    server = trial.system.servers["store"]
    server.end(ENDINGS[trial.round % len(ENDINGS)])
    time.sleep(trial.lasts_s)
    server.start()
    return 1


def use_up(trial: Trial) -> int:
    """Break the product's connections, and hold all that there are for a while."""
    strike_when_at_work(trial)
    ends_at, taken = time.monotonic() + trial.lasts_s, 0
    with ExitStack() as held, connected(trial) as admin:
        admin.execute(OTHERS)
        while time.monotonic() < ends_at:
            if _take(trial, held):
                taken += 1
            else:
                time.sleep(0.1)
    return int(taken > 0)


def _take(trial: Trial, held: ExitStack) -> bool:
    url = f"postgresql://wireroom@{trial.system.servers['store'].address}/postgres"
    try:
        held.enter_context(psycopg.connect(url, autocommit=True))
    except psycopg.OperationalError:
        return False
    return True


def force_deadlock(trial: Trial) -> int:
    """Lock the last article of a batch, wait until the product waits for it, having locked the others, and
    then wait for these."""
    strike_when_at_work(trial)
    with connected(trial) as watcher:
        before = _deadlocks(watcher)
        trial.wait(TRIED_S, lambda: _lock_crosswise(trial, watcher) and _deadlocks(watcher) > before)
        return _deadlocks(watcher) - before


def _lock_crosswise(trial: Trial, watcher: "psycopg.Connection") -> bool:
    last = watcher.execute(LAST).fetchone()
    if last is None:
        return False
    with connected(trial) as locker, locker.transaction(force_rollback=True):
        locker.execute(NEVER_A_VICTIM)
        locker.execute(LOCK, last)
        if _await_waiter(watcher, locker.info.backend_pid):
            with suppress(errors.LockNotAvailable):
                locker.execute(ALL)
    time.sleep(COUNTED_S)
    return True


def _await_waiter(watcher: "psycopg.Connection", pid: int) -> bool:
    ends_at = time.monotonic() + BLOCKED_S
    while time.monotonic() < ends_at:
        if watcher.execute(WAITS, [pid]).fetchone() is not None:
            return True
        time.sleep(LOOK_S)
    return False


def _deadlocks(connection: "psycopg.Connection") -> int:
    row = connection.execute(DEADLOCKS).fetchone()
    return int(row[0]) if row else 0


@contextmanager
def connected(trial: Trial) -> "Iterator[psycopg.Connection]":
    """Connect as the administrator, for whom some connections are kept."""
    url = f"postgresql://postgres@{trial.system.servers['store'].address}/postgres"
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


FAULTS = (
    Fault(
        id="P1",
        what="PostgreSQL is stopped, gently and at once, and started again",
        inflict=restart,
        lasts_s=5.0,
        rounds={PRODUCTION: 20},
        articles={PRODUCTION: 2000},
    ),
    Fault(
        id="P2",
        what="PostgreSQL has no connection left, and drops those that there were, for half a minute",
        inflict=use_up,
        lasts_s=30.0,
        rounds={PRODUCTION: 10},
        articles={PRODUCTION: 2000},
    ),
    Fault(
        id="P3",
        what="a deadlock is forced, and PostgreSQL breaks the product's transaction off",
        inflict=force_deadlock,
        rounds={PRODUCTION: 30},
        articles={PRODUCTION: 2000},
    ),
)
