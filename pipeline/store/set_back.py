"""What is due by a clock that was then set back, on a store that has no other: SQLite."""

from sqlalchemy import update

from pipeline.store.store import Store
from pipeline.store.tables import articles, feeds, hosts

SLACK_S = 5.0
"""What fell due just before the step, and how late the step is noticed."""

MOMENTS = (
    feeds.c.next_poll_at,
    feeds.c.lease_until,
    hosts.c.next_request_at,
    hosts.c.lease_until,
    articles.c.due_at,
    articles.c.refetch_at,
    articles.c.lease_until,
)


def move_back(store: Store, by_s: float) -> int:
    """Move what was to be done by the clock as it was before it was set back by so many seconds, which would
    otherwise wait for as much longer; return how many moments moved."""
    moved = 0
    with store.write() as connection:
        was = store.read_clock(connection) + by_s
        for moment in MOMENTS:
            later = update(moment.table).where(moment >= was - SLACK_S).values({moment: moment - by_s})
            moved += connection.execute(later).rowcount
    return moved
