"""What is due by a clock that was then set back, on a store that has no other: SQLite.

By the clock as it is, what the clock as it was has written lies too far ahead by as much as it was set back.
Whatever lies ahead now is taken for such, and moves: what is overdue is overdue still, and what was due in an
hour is due in an hour. Only what was written in the short time since the step is to be told apart:

- What happened cannot lie ahead: it moves whenever it does.
- A host's pause, a publisher's, and the next poll stay where their row was asked for since the step: else
  somebody would be asked earlier than he wants.
- What is held is held for HELD_S at most: what lies further ahead moves, and nothing nearer.
- What else is to be done moves whenever it lies ahead: planned since the step, it is done too early, once.
"""

import time
from dataclasses import dataclass

from sqlalchemy import Column, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from pipeline.store.duty_tables import chores, heartbeats
from pipeline.store.ledger_tables import feed_marks, host_marks
from pipeline.store.store import Store
from pipeline.store.tables import articles, feed_sitemaps, feeds, generations, hosts, reprocessing

HELD_S = 180.0
"""The longest that anything is held for: a lease for 120 s, index for a rebuild's sake for 180 s."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Name a column whose moments move when they are later than now by more than `nearest_s`, unless their
    row was asked for since the step (None: it is never asked for, or nobody knows when)."""

    column: Column[float]
    asked_at: ColumnElement[float] | None = None
    nearest_s: float = 0.0


_HOST_ASKED = select(host_marks.c.ended_at).where(host_marks.c.host == hosts.c.host).scalar_subquery()
_FEED_ASKED = select(feeds.c.last_polled_at).where(feeds.c.id == feed_marks.c.feed_id).scalar_subquery()

# In this order: what was asked when is read before it moves itself.
MOMENTS = (
    Timed(hosts.c.next_request_at, _HOST_ASKED),
    Timed(host_marks.c.hint_until, host_marks.c.ended_at),
    Timed(feed_marks.c.hint_until, _FEED_ASKED),
    Timed(feeds.c.not_before, feeds.c.last_polled_at),
    Timed(feeds.c.next_poll_at, feeds.c.last_polled_at),
    Timed(feed_sitemaps.c.not_before, feed_sitemaps.c.asked_at),
    Timed(articles.c.due_at),
    Timed(articles.c.refetch_at),
    Timed(reprocessing.c.next_at),
    Timed(feeds.c.lease_until, nearest_s=HELD_S),
    Timed(hosts.c.lease_until, nearest_s=HELD_S),
    Timed(articles.c.lease_until, nearest_s=HELD_S),
    Timed(generations.c.owned_until, nearest_s=HELD_S),
    Timed(generations.c.paused_until, nearest_s=HELD_S),  # what rests for ever does so an hour less
    Timed(heartbeats.c.at),
    Timed(chores.c.done_at),
    Timed(host_marks.c.ended_at),
    Timed(hosts.c.robots_fetched_at),
    Timed(feeds.c.last_polled_at),
    Timed(feeds.c.last_success_at),
    Timed(feeds.c.failing_since),
    Timed(feeds.c.moving_since),
    Timed(feed_sitemaps.c.asked_at),
    Timed(feed_sitemaps.c.read_at),
    Timed(feed_sitemaps.c.brought_at),
)
"""All that is compared with the clock to decide something. What is only told, or put in order, stays as it
was written: the index and the archive say so, too."""


def move_back(store: Store, by_s: float, *, within_s: float) -> int:
    """Move what the clock as it was has written, which would otherwise wait for as much longer; return how
    many moments moved. The clock was set back by `by_s` seconds, at some time of the last `within_s`."""
    began, moved = time.monotonic(), 0
    with store.write() as connection:
        now = store.read_clock(connection)
        stepped_at = now - within_s - (time.monotonic() - began)  # at the earliest, by the clock as it is
        for timed in MOMENTS:
            moment = timed.column
            later = update(moment.table).where(moment > now + timed.nearest_s)
            if (asked := timed.asked_at) is not None:
                later = later.where(or_(asked.is_(None), asked > now, asked < stepped_at))
            moved += connection.execute(later.values({moment: moment - by_s})).rowcount
    return moved
