"""Copy one store into another, of the same or the other kind, and prove that both say the same.

Rows go table by table in the order of their keys, a batch a transaction, and only where the target lacks them
or differs: a copy that was killed is run again and goes on. The source is read from one snapshot. Leases are
left out (no worker may be at work), and so is what an index holds: that is filled from the documents anew.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Column, Connection, Row, Select, Table, Text, func, inspect, select, text, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.sql.elements import ColumnElement

from pipeline.errors import WireroomError
from pipeline.store.duty_tables import DUTY
from pipeline.store.ledger_tables import LEDGER
from pipeline.store.migrations import migrate
from pipeline.store.store import Store
from pipeline.store.tables import (
    articles,
    events,
    feeds,
    generations,
    hosts,
    metadata,
    projections,
    reprocessing,
    reruns,
    shipped_events,
)

BATCH = 500
"""Rows a transaction: some 2 MB of documents."""

LEFT_OUT = (generations, projections, shipped_events, reprocessing, reruns, *DUTY)
"""Of an index, which the new store fills anew; a run of `reprocess`, whose rows make way for the next; and
what is told of one machine's workers and disk."""

LEASES = frozenset({"lease_owner", "lease_until"})
ALEMBIC = "alembic_version"


@dataclass(frozen=True, slots=True)
class Sum:
    """Hold what a table says: its rows, and the SHA-256 of all of them in the order of their keys."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class TableProof:
    """Hold what a table says in both stores."""

    table: str
    source: Sum
    target: Sum

    @property
    def is_equal(self) -> bool:
        """Tell whether both say the same."""
        return self.source == self.target


def copied_tables() -> tuple[Table, ...]:
    """List the tables that are copied, each after those that it refers to."""
    others = (table for table in metadata.sorted_tables if table not in (*LEFT_OUT, *LEDGER))
    return (*others, *LEDGER)


def copy_store(
    source: Store, target: Store, *, report: Callable[[str, int], None], batch: int = BATCH
) -> tuple[TableProof, ...]:
    """Copy what the target lacks, calling `report` with each table and the rows written; give the proof.

    The target's tables are made first. Raises WireroomError when workers hold rows of the source, when the
    target has data that the source has not, and when a store fails in the middle: then run it again.
    """
    _refuse_foreign_tables(target)
    try:
        migrate(target)
        with source.read() as reading:
            _refuse_held_rows(reading)
            _refuse_other_data(reading, target, batch)
            for table in copied_tables():
                report(table.name, _copy_table(reading, target, table, batch))
            return tuple(_prove(reading, target, table) for table in copied_tables())
    except SQLAlchemyError as error:
        raise WireroomError(f"the copy stopped: {_cause(error)}; run it again, and it goes on") from error


def _cause(error: SQLAlchemyError) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(cause).strip().splitlines()[0]


def _refuse_foreign_tables(target: Store) -> None:
    try:
        names = set(inspect(target.engine).get_table_names())
    except SQLAlchemyError as error:
        raise WireroomError(f"the target cannot be opened: {_cause(error)}") from None
    if names and ALEMBIC not in names:
        raise WireroomError(
            f"the target has tables of somebody else ({min(names)} …): name an empty database"
        )


def _refuse_held_rows(reading: Connection) -> None:
    for table in (feeds, hosts, articles):
        held = select(func.count()).where(table.c.lease_owner.is_not(None))
        if count := reading.execute(held).scalar_one():
            raise WireroomError(f"workers hold {count} {table.name}: stop workers and beat, let a tick pass")


def _refuse_other_data(reading: Connection, target: Store, batch: int) -> None:
    """Refuse a target that would be overwritten: rows whose keys the source lacks, or another past."""
    with target.read() as there:
        for table in copied_tables():
            if strangers := _count_strangers(reading, there, table, batch):
                raise WireroomError(
                    f"the target's {table.name} are not all of this store ({strangers:,} are not): "
                    "it has moved on, or is another store's; name an empty database"
                )


def _count_strangers(reading: Connection, there: Connection, table: Table, batch: int) -> int:
    count = 0
    columns = _columns(table) if table is events else list(table.primary_key)  # an event never changes
    for rows in _stream(there, select(*columns), table, batch):
        here = _same_keys(reading, table, columns, rows)
        count += sum(here.get(_key(table, row)) != tuple(row) for row in rows)
    return count


def _copy_table(reading: Connection, target: Store, table: Table, batch: int) -> int:
    written, columns = 0, _columns(table)
    for rows in _stream(reading, select(*columns), table, batch):
        with target.write() as writing:
            there = _same_keys(writing, table, columns, rows)
            wanting = [row._asdict() for row in rows if there.get(_key(table, row)) != tuple(row)]
            if wanting:
                _upsert(writing, table, wanting)
        written += len(wanting)
    _count_on(target, table)
    return written


def _upsert(writing: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    dialect = sqlite if writing.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table)
    keys = [column.name for column in table.primary_key]
    values = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    writing.execute(statement.on_conflict_do_update(index_elements=keys, set_=values), list(rows))


def _count_on(target: Store, table: Table) -> None:
    """Let PostgreSQL number new rows after those that came with their numbers; SQLite does so by itself."""
    (key, *more) = table.primary_key
    if target.engine.dialect.name != "postgresql" or more or key.autoincrement is False or _is_text(key):
        return
    with target.write() as writing:
        newest = writing.execute(select(func.max(key))).scalar_one()
        if newest is not None:
            named = {"table": table.name, "column": key.name, "newest": newest}
            writing.execute(text("SELECT setval(pg_get_serial_sequence(:table, :column), :newest)"), named)


def _prove(reading: Connection, target: Store, table: Table) -> TableProof:
    with target.read() as there:
        return TableProof(table.name, _sum(reading, table), _sum(there, table))


def _sum(connection: Connection, table: Table) -> Sum:
    digest, count = hashlib.sha256(), 0
    for rows in _stream(connection, select(*_columns(table)), table, BATCH):
        for row in rows:
            digest.update(orjson.dumps(tuple(row), default=bytes.hex) + b"\n")
        count += len(rows)
    return Sum(count, digest.hexdigest())


def _stream(
    connection: Connection, query: Select[Any], table: Table, batch: int
) -> Iterator[Sequence[Row[Any]]]:
    """Read rows in the order of their keys, text by its bytes: the one order that all stores share."""
    order = [_bytewise(connection, column) for column in table.primary_key]
    with connection.execute(query.order_by(*order).execution_options(yield_per=batch)) as result:
        yield from result.partitions()


def _bytewise(connection: Connection, column: Column[Any]) -> ColumnElement[Any]:
    return column.collate("C") if _is_text(column) and connection.dialect.name == "postgresql" else column


def _same_keys(
    connection: Connection, table: Table, columns: Sequence[Column[Any]], rows: Sequence[Row[Any]]
) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Read the rows that have the same keys as others, by key."""
    wanted = tuple_(*table.primary_key).in_([_key(table, row) for row in rows])
    return {_key(table, row): tuple(row) for row in connection.execute(select(*columns).where(wanted))}


def _key(table: Table, row: Row[Any]) -> tuple[Any, ...]:
    return tuple(row._mapping[column] for column in table.primary_key)


def _columns(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if column.name not in LEASES]


def _is_text(column: Column[Any]) -> bool:
    return isinstance(column.type, Text)
