"""Days of the ledger: UTC, numbered from 1970-01-01."""

from collections.abc import Iterator
from datetime import date, timedelta

from sqlalchemy import Connection, Integer, cast, func
from sqlalchemy.sql.elements import ColumnElement

DAY_S = 86_400
EPOCH = date(1970, 1, 1)


def day_of(at: float) -> int:
    """Number the day (UTC) of a time, from 1970-01-01."""
    return int(at // DAY_S)


def split_by_day(begin: float, end: float) -> Iterator[tuple[int, float]]:
    """Split a span into days and the seconds that it has of each."""
    for day in range(day_of(begin), day_of(end) + 1):
        seconds = min(end, (day + 1) * DAY_S) - max(begin, day * DAY_S)
        if seconds > 0:
            yield day, seconds


def day_name(day: int) -> str:
    """Write a day as 2026-01-31."""
    return (EPOCH + timedelta(days=day)).isoformat()


def day_in_sql(connection: Connection, at: ColumnElement[float]) -> ColumnElement[int]:
    """Say in SQL which day a time is of. A cast cuts on SQLite, which need not have floor(), and rounds on
    PostgreSQL."""
    days = at / float(DAY_S)
    return cast(days if connection.dialect.name == "sqlite" else func.floor(days), Integer)
