"""The store: one engine, two kinds of transaction, one clock."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import (
    Column,
    Connection,
    Double,
    Engine,
    Executable,
    Select,
    Table,
    bindparam,
    case,
    cast,
    create_engine,
    event,
    extract,
    func,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

if TYPE_CHECKING:
    from pipeline.store.events import Happening

Insert = postgresql.Insert | sqlite.Insert

SQLITE_BUSY_MS = 30_000
"""SQLite's own back-off is unfair: with four writers one waits half a second now and then, never 30 s."""

SILENCE: Mapping[str, str] = {
    "connect_timeout": "10",  # seconds, of each of its addresses
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",  # milliseconds
}
"""How libpq finds out that the server's machine, or the way to it, is gone without a word: after a minute,
before a lease ends. By default it asks after two hours whether the other side is there, and what was sent is
sent again for a quarter of one. While a query takes its time the server's kernel answers. (PostgreSQL's
manual, libpq, parameter key words.)"""

MANY = 500
"""Keys in one IN list; SQLite allows 32,766 parameters in all, and plans are made anew for each length."""

Key = TypeVar("Key", str, int)

READING = "wireroom_reading"
TOLD = "wireroom_told"
"""Where a transaction keeps the events that it wrote, until they are true."""

SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
"""By default PostgreSQL looks anew with each query: a row that moves on in between counts twice or never."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Say how fast a store's time goes by, so that weeks can be tried in minutes.

    Leases last as long as ever. Processes with the same start (seconds since the epoch) and factor agree.
    """

    start: float = 0.0
    factor: float = 1.0

    def scaled(self, real: Any) -> Any:
        """Turn real seconds since the epoch, a number or an SQL expression, into the store's."""
        return real if self.factor == 1.0 else self.start + (real - self.start) * self.factor


REAL_TIME = Clock()


@dataclass(frozen=True, slots=True)
class Moment:
    """Hold one moment in the store's time and in this process's: durations that were taken here, on
    time.monotonic(), become times of the store, and no machine's wall clock has a say."""

    now: float
    monotonic: float
    factor: float  # of the store's clock

    def at(self, monotonic: float) -> float:
        """Turn a time of time.monotonic() into the store's."""
        return self.now - (self.monotonic - monotonic) * self.factor


@dataclass(frozen=True, slots=True)
class Store:
    """Open transactions on the one truth; a transaction is short and does nothing but SQL."""

    engine: Engine
    clock: Clock = REAL_TIME
    seen: "Callable[[Sequence[Happening]], None]" = lambda _happenings: None
    """Is told of the events of each transaction that was committed."""

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that writes; on SQLite it holds the one write lock from its start."""
        told: list[Happening] = []
        with self.engine.begin() as connection:
            connection.info[TOLD] = told
            yield connection
        if told:
            self.seen(told)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that only reads, all of it from one snapshot: what it counts adds up."""
        options = {READING: True} if self.engine.dialect.name == "sqlite" else SNAPSHOT
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def now(self) -> ColumnElement[float]:
        """Give the store's clock as an SQL expression: the only source of *now* for due times and leases.

        It is read when its statement runs, so that a statement can be built once.
        """
        return _present(self.engine.dialect.name, self.clock)

    def read_clock(self, connection: Connection) -> float:
        """Read the store's clock, for values that several rows of a transaction share."""
        if self.engine.dialect.name == "sqlite":
            return float(self.clock.scaled(time.time()))
        return float(connection.execute(select(self.now())).scalar_one())

    def read_moment(self, connection: Connection) -> Moment:
        """Read the store's clock beside this process's: a round trip on PostgreSQL, so once a transaction."""
        return Moment(self.read_clock(connection), time.monotonic(), self.clock.factor)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def open_store(
    url: str,
    clock: Clock = REAL_TIME,
    *,
    seen: "Callable[[Sequence[Happening]], None]" = lambda _happenings: None,
) -> Store:
    """Open the store at an SQLAlchemy URL; nothing is created or migrated here."""
    if url.startswith("sqlite"):
        engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_MS / 1000})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return Store(engine, clock, seen)
    address = make_url(url)
    bounded = address.set(query={**SILENCE, **address.query})  # what the address says goes before
    return Store(create_engine(bounded, pool_pre_ping=True), clock, seen)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not open transactions of its own
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get(READING)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def portions(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    """Cut keys into what one statement may hold."""
    return (keys[start : start + MANY] for start in range(0, len(keys), MANY))


def claimable(query: Select[Any]) -> Select[Any]:
    """Lock the rows of a claim and pass over those that others hold (SQLite holds one lock for all)."""
    return query.with_for_update(skip_locked=True)


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows that are not there yet; others may insert the same ones at the same time."""
    if rows:
        connection.execute(_missing(connection.dialect.name, table, None), list(rows))


def insert_missing(
    connection: Connection, column: Column[str], rows: Sequence[dict[str, Any]]
) -> frozenset[str]:
    """Do what `insert_new` does, and return the column's values of those rows that were not there."""
    if not rows:
        return frozenset()
    statement = _missing(connection.dialect.name, column.table, column)
    return frozenset(connection.execute(statement, list(rows)).scalars())


def insert_adding(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]], *, least: Sequence[str] = ()
) -> None:
    """Insert rows of counters; where one is there each counter grows, and of `least` the smaller stays.

    All rows name the same columns. Give them in the order of their keys, as all that do so must.
    """
    if rows:
        adding = _adding(connection.dialect.name, table, tuple(rows[0]), tuple(least))
        connection.execute(adding, list(rows))


def insert_over(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, or write their values over those that are there. Order and columns as `insert_adding`."""
    if rows:
        connection.execute(_over(connection.dialect.name, table, tuple(rows[0])), list(rows))


# Made once: to build one of these costs more than to run it.
@cache
def _present(dialect: str, clock: Clock) -> ColumnElement[float]:
    # Always the same object for one clock: statements that are built once are kept by it.
    if dialect == "sqlite":  # one machine: its clock is SQLite's
        return bindparam("now", callable_=lambda: clock.scaled(time.time()), type_=Double(), unique=True)
    now: ColumnElement[float] = clock.scaled(cast(extract("epoch", func.statement_timestamp()), Double))
    return now


@cache
def _missing(dialect: str, table: Any, returned: Column[str] | None) -> Executable:
    statement = _inserting(dialect, table).on_conflict_do_nothing()
    return statement if returned is None else statement.returning(returned)


@cache
def _adding(dialect: str, table: Table, names: tuple[str, ...], least: tuple[str, ...]) -> Insert:
    keys = [column.name for column in table.primary_key]
    statement = _inserting(dialect, table)
    grown = {name: table.c[name] + statement.excluded[name] for name in names if name not in (*keys, *least)}
    kept = {name: _smaller(table.c[name], statement.excluded[name]) for name in least}
    return statement.on_conflict_do_update(index_elements=keys, set_={**grown, **kept})


@cache
def _over(dialect: str, table: Table, names: tuple[str, ...]) -> Insert:
    keys = [column.name for column in table.primary_key]
    statement = _inserting(dialect, table)
    written = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=written)


def _smaller(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    # min() and least() treat NULL differently on the two databases.
    return case((other < one, other), else_=func.coalesce(one, other))


def _inserting(dialect: str, table: Any) -> Insert:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
