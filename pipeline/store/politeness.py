"""The politeness ledger: each request, counted by host and day in the transaction that records its result.

Times of requests are reckoned back from the store's clock by monotonic durations, so that no machine's wall
clock decides whether a pause was kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, select

from pipeline.fetching.pacing import LONGEST_PAUSE_S
from pipeline.model import Request
from pipeline.store.days import day_of
from pipeline.store.ledger_tables import host_days, host_marks, nothing
from pipeline.store.store import Moment, Store, insert_adding, insert_over

SLACK_S = 0.5
"""How much too early a request may seem: Retry-After counts whole seconds, and clocks are read twice."""

NOT_MODIFIED, LIMITED, UNAVAILABLE = 304, 429, 503


@dataclass(frozen=True, slots=True)
class Hints:
    """Count a publisher's wishes that could be checked now, and those that were kept."""

    given: int = 0
    kept: int = 0


NO_HINTS = Hints()


def was_kept(until: float, began: float) -> bool:
    """Tell whether a request came no earlier than it was asked to."""
    return began >= until - SLACK_S


def record_requests(
    connection: Connection,
    moment: Moment,
    asked: Sequence[Request],
    *,
    delay_s: float | None = None,
    hints: Hints = NO_HINTS,
    host: str = "",
) -> None:
    """Count requests by host and day. `delay_s` is the pause that `host` is given after them; `hints` are
    wishes of its feeds. The last thing of a transaction, so that all lock these rows in one order."""
    if not (asked or hints.given):
        return
    names = sorted({request.host for request in asked})
    marks = _host_marks(connection, names)
    days: dict[tuple[str, int], dict[str, Any]] = {}
    for name in names:
        mine = sorted((each for each in asked if each.host == name), key=lambda each: each.began)
        told = _host_rows(name, mine, marks.get(name), moment=moment)
        for row in told:
            row["delay_s"] = delay_s if name == host else None
            days[(name, row["day"])] = row
    if hints.given:
        today = day_of(moment.now)
        row = days.setdefault((host, today), nothing(host_days) | {"host": host, "day": today})
        row["hints"] += hints.given
        row["hints_kept"] += hints.kept
    ordered = [days[key] for key in sorted(days)]
    insert_adding(connection, host_days, ordered, least=("shortest_gap_s", "delay_s"))
    insert_over(connection, host_marks, [_host_mark(name, asked, moment) for name in names])


def count_requests(store: Store, asked: Sequence[Request]) -> None:
    """Count requests whose results were lost: they were made all the same."""
    if asked:
        with store.write() as connection:
            record_requests(connection, store.read_moment(connection), asked)


def _host_marks(connection: Connection, names: Sequence[str]) -> dict[str, Row[Any]]:
    return {row.host: row for row in connection.execute(_marks(), {"names": names})} if names else {}


@cache
def _marks() -> Select[Any]:
    mine = host_marks.c.host.in_(bindparam("names", expanding=True))
    return select(host_marks).where(mine).order_by(host_marks.c.host).with_for_update()


def _host_rows(
    host: str, asked: Sequence[Request], mark: Row[Any] | None, *, moment: Moment
) -> list[dict[str, Any]]:
    """Count one host's requests, oldest first, by day."""
    rows: dict[int, dict[str, Any]] = {}
    ends = [mark.ended_at if mark else None, *(moment.at(each.ended) for each in asked)]
    hints = [mark.hint_until if mark else None, *(_hint_until(each, moment) for each in asked)]
    for request, ended, hint in zip(asked, ends, hints, strict=False):
        began = moment.at(request.began)
        day = day_of(began)
        row = rows.setdefault(day, nothing(host_days) | {"host": host, "day": day})
        _count(row, request)
        gap = None if ended is None else max(0.0, began - ended)
        row["shortest_gap_s"] = min(
            (each for each in (row["shortest_gap_s"], gap) if each is not None), default=None
        )
        row["hints"] += hint is not None
        row["hints_kept"] += hint is not None and was_kept(hint, began)
    return [rows[day] for day in sorted(rows)]


def _count(row: dict[str, Any], request: Request) -> None:
    counted = {
        str(request.kind): 1,
        "conditional": int(request.is_conditional),
        "bytes": request.bytes,
        "not_modified": int(request.status == NOT_MODIFIED),
        "limited": int(request.status == LIMITED),
        "unavailable": int(request.status == UNAVAILABLE),
    }
    for name, number in counted.items():
        row[name] += number


def _host_mark(host: str, asked: Sequence[Request], moment: Moment) -> dict[str, Any]:
    last = max((each for each in asked if each.host == host), key=lambda each: each.ended)
    return {"host": host, "ended_at": moment.at(last.ended), "hint_until": _hint_until(last, moment)}


def _hint_until(request: Request, moment: Moment) -> float | None:
    return (
        None if request.pause_s is None else moment.at(request.ended) + min(request.pause_s, LONGEST_PAUSE_S)
    )
