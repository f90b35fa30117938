"""What hosts were asked, and how politely: read from the ledger, for whoever answers a publisher."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, or_, select

from pipeline.store.days import day_name
from pipeline.store.ledger_tables import HOST_COUNTERS, host_days, host_marks
from pipeline.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCounts:
    """Count what a host was asked. `requests` = feed + page + robots, whatever the answer."""

    requests: int
    feed: int
    page: int
    robots: int
    conditional: int
    bytes: int
    not_modified: int
    limited: int  # 429
    unavailable: int  # 503
    hints: int  # pauses that it asked for, as far as a later request shows whether they were kept
    hints_kept: int
    shortest_gap_s: float | None  # between the end of a request and the begin of the next
    delay_s: float | None  # the shortest pause that was to be kept between two

    @property
    def is_spaced(self) -> bool:
        """Tell whether no two requests came closer to each other than they were to."""
        return self.shortest_gap_s is None or self.shortest_gap_s >= (self.delay_s or 0.0) - SPACE_SLACK_S


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedHost:
    """Hold one host's ledger: all days together, and each."""

    host: str
    first_day: str
    last_day: str
    total: HostCounts
    pending_until: (
        float | None
    )  # a pause that it asked for, and no request since has shown whether it is kept
    days: tuple[tuple[str, HostCounts], ...]


SPACE_SLACK_S = 0.1
"""What two readings of a clock may make of a pause."""


def read_hosts(store: Store, name: str | None = None) -> tuple[AskedHost, ...]:
    """Read the ledger of all hosts, or of one by `name`: host:port, or a host's name for all its ports.

    Those that were asked most come first.
    """
    query = select(host_days).order_by(host_days.c.host, host_days.c.day)
    if name is not None:
        any_port = host_days.c.host.like(f"{_literally(name)}:%", escape="\\")
        query = query.where(or_(host_days.c.host == name, any_port))
    with store.read() as connection:
        rows = connection.execute(query).all()
        marks = select(host_marks).where(host_marks.c.hint_until.is_not(None))
        pending = {mark.host: mark.hint_until for mark in connection.execute(marks)}
    named: dict[str, list[Row[Any]]] = {}
    for row in rows:
        named.setdefault(row.host, []).append(row)
    found = [_host(host, days, pending.get(host)) for host, days in named.items()]
    return tuple(sorted(found, key=lambda each: (-each.total.requests, each.host)))


def _literally(name: str) -> str:
    for sign in ("\\", "%", "_"):
        name = name.replace(sign, f"\\{sign}")
    return name


def _host(host: str, rows: Sequence[Row[Any]], pending_until: float | None) -> AskedHost:
    return AskedHost(
        host=host,
        first_day=day_name(rows[0].day),
        last_day=day_name(rows[-1].day),
        total=_counts(rows),
        pending_until=pending_until,
        days=tuple((day_name(row.day), _counts([row])) for row in rows),
    )


def _counts(rows: Sequence[Row[Any]]) -> HostCounts:
    sums = {name: sum(getattr(row, name) for row in rows) for name in HOST_COUNTERS}
    gaps = (row.shortest_gap_s for row in rows if row.shortest_gap_s is not None)
    delays = (row.delay_s for row in rows if row.delay_s is not None)
    return HostCounts(
        requests=sums["feed"] + sums["page"] + sums["robots"],
        shortest_gap_s=min(gaps, default=None),
        delay_s=min(delays, default=None),
        **sums,
    )
