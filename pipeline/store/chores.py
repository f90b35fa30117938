"""When a chore was done last, so that it is done once a night, whoever is there to do it."""

from sqlalchemy import select

from pipeline.store.duty_tables import chores
from pipeline.store.store import Store, insert_over

NIGHT_S = 3 * 3_600.0
"""Three o'clock in the morning, UTC."""

DAY_S = 86_400.0


def is_nightly_due(done_at: float | None, now: float) -> bool:
    """Tell whether a night has begun since a chore was done; a machine that sleeps at night does it when it
    is awake."""
    night = (now - NIGHT_S) // DAY_S * DAY_S + NIGHT_S
    return done_at is None or done_at < night


def read_done(store: Store, name: str) -> tuple[float | None, float]:
    """Read when a chore was done last, and what time it is."""
    with store.read() as connection:
        done = select(chores.c.done_at).where(chores.c.name == name)
        return connection.execute(done).scalar_one_or_none(), store.read_clock(connection)


def record_done(store: Store, name: str, *, at: float | None = None) -> None:
    """Write down that a chore is done: now, or as of when it was begun."""
    with store.write() as connection:
        done_at = store.read_clock(connection) if at is None else at
        insert_over(connection, chores, [{"name": name, "done_at": done_at}])
