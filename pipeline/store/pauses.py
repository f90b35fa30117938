"""Hosts that asked to be left alone for longer: nobody may ask them, whatever is due there."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from pipeline.fetching.pacing import OVERLOADED
from pipeline.store.store import Store
from pipeline.store.tables import feeds, hosts

PAUSED_S = 120.0
"""A host whose next request may begin only after so long asked for a pause (Retry-After, Crawl-delay): its
pages come later, and a run that ends when it is idle does not wait for them."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Say until when (seconds since the epoch) a host wants no request; `status` is its answer, if known."""

    until: float
    status: int | None


def read_pauses(connection: Connection, store: Store) -> dict[str, Pause]:
    """Read which hosts are to be left alone, by their names."""
    later = hosts.c.next_request_at > store.now() + PAUSED_S
    found = connection.execute(select(hosts.c.host, hosts.c.next_request_at).where(later)).all()
    if not found:
        return {}
    turned_away = select(feeds.c.host, feeds.c.last_status).where(
        feeds.c.last_status.in_(sorted(OVERLOADED)), feeds.c.host.in_(select(hosts.c.host).where(later))
    )
    answers = connection.execute(turned_away.order_by(feeds.c.last_polled_at))
    status = {row.host: row.last_status for row in answers}
    return {row.host: Pause(row.next_request_at, status.get(row.host)) for row in found}
