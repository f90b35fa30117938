"""Migrations: a file is kept before one, and each only expands: the version before runs on its tables."""

import sqlite3
import stat
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Integer, MetaData, Table, Text, create_engine, inspect, text

from pipeline.errors import StoreVersionError, WireroomError
from pipeline.store.migrations import alembic_config, check_version, migrate
from pipeline.store.store import Store, open_store

REVISIONS = [
    script.revision
    for script in reversed(list(ScriptDirectory.from_config(alembic_config()).walk_revisions()))
]

FEED_ROW = "INSERT INTO feeds (id, url, host, tags, state, added_at, state_since, next_poll_at, interval_s) "
BEFORE_LEDGER = REVISIONS[REVISIONS.index("0008") - 1]

# New unique indexes on old tables, and why the version before cannot run into them.
HARMLESS = {
    "ix_generations_one_live": "0001 deletes all generations before it inserts one, in one transaction"
}


FIRST_FEED = (
    "INSERT INTO feeds (url, host, tags, state, added_at, state_since, next_poll_at, interval_s)"
    " VALUES ('https://a.example/feed', 'a.example:443', '[]', 'active', 0, 0, 0, 900)"
)


def make_store(path: Path, revision: str) -> Store:
    """Make a SQLite store as a version of Wireroom left it."""
    store, config = open_store(f"sqlite:///{path}"), alembic_config()
    with store.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    return store


def versions(path: Path) -> tuple[str, int]:
    """Read a file's version and how many feeds it has."""
    with closing(sqlite3.connect(path)) as connection:
        [[version]] = connection.execute("SELECT version_num FROM alembic_version")
        [[count]] = connection.execute("SELECT count(*) FROM feeds")
    return version, count


def test_a_file_is_copied_before_it_is_migrated(tmp_path: Path) -> None:
    store = make_store(tmp_path / "wireroom.db", "0001")
    with store.write() as connection:
        connection.execute(text(FIRST_FEED))
    assert migrate(store)
    check_version(store)
    store.close()
    kept = tmp_path / "wireroom.db.0001"
    assert versions(kept) == ("0001", 1)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert versions(tmp_path / "wireroom.db") == (REVISIONS[-1], 1)


def test_the_ledger_begins_with_what_is_known_of_feeds_and_articles(tmp_path: Path) -> None:
    store = make_store(tmp_path / "wireroom.db", BEFORE_LEDGER)
    article = "INSERT INTO articles (id, url, host, state, news_at, first_seen_at, month) "
    sighting = "INSERT INTO sightings (feed_id, article_id, entry, entry_hash, feed_url, seen_at) "
    with store.write() as connection:
        for values in (
            FEED_ROW + "VALUES (1, 'https://a.example/1', 'a', '[\"x\"]', 'active', 10, 10, 0, 9)",
            FEED_ROW + "VALUES (2, 'https://a.example/2', 'a', '[]', 'paused', 20, 30, 0, 9)",
            article + "VALUES ('a', 'https://a.example/a', 'a', 'indexed', 40, 40, '1970-01')",
            article + "VALUES ('b', 'https://a.example/b', 'a', 'indexed', 40, 40, '1970-01')",
            sighting + "VALUES (1, 'a', x'', '', '', 50)",
            sighting + "VALUES (2, 'a', x'', '', '', 40)",
        ):
            connection.exec_driver_sql(values)
    migrate(store)
    with store.read() as connection:
        changes = connection.execute(
            text("SELECT at, feed_id, change, tags FROM feed_changes ORDER BY at")
        ).all()
        found_by = connection.execute(text("SELECT id, found_by FROM articles ORDER BY id")).all()
    store.close()
    assert changes == [(10, 1, "added", '["x"]'), (20, 2, "added", "[]"), (30, 2, "paused", "[]")]
    assert found_by == [("a", 2), ("b", None)]


def test_nothing_is_copied_where_nothing_is_migrated(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'wireroom.db'}")
    migrate(store)
    assert not migrate(store)
    store.close()
    assert [path.name for path in tmp_path.glob("*.db*")] == ["wireroom.db"]


def test_a_file_that_cannot_be_copied_is_not_migrated(tmp_path: Path) -> None:
    store = make_store(tmp_path / "wireroom.db", "0001")
    (tmp_path / "wireroom.db.0001").mkdir()
    with pytest.raises(WireroomError, match="cannot be copied before it is migrated"):
        migrate(store)
    store.close()
    assert versions(tmp_path / "wireroom.db") == ("0001", 0)
    assert not (tmp_path / "wireroom.db.0001.unfinished").exists()


def test_a_newer_file_is_refused_and_not_copied(tmp_path: Path) -> None:
    store = make_store(tmp_path / "wireroom.db", "head")
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreVersionError, match="upgrade Wireroom"):
        migrate(store)
    store.close()
    assert not list(tmp_path.glob("wireroom.db.*"))


def broken_promises(before: Store, after: Store) -> list[str]:
    """Name what the workers of the version before would miss, or run into, on the tables of the next."""
    old, new = inspect(before.engine), inspect(after.engine)
    broken = []
    for table in old.get_table_names():
        if table not in new.get_table_names():
            broken.append(f"{table} is gone")
            continue
        was = {column["name"]: column for column in old.get_columns(table)}
        now = {column["name"]: column for column in new.get_columns(table)}
        broken += [f"{table}.{name} is gone" for name in was.keys() - now.keys()]
        for name, column in now.items():
            if name in was and str(was[name]["type"]) != str(column["type"]):
                broken.append(f"{table}.{name} has another type")
            wants = not column["nullable"] and column["default"] is None
            if wants and (name not in was or was[name]["nullable"]):
                broken.append(f"{table}.{name} wants a value")
        broken += [f"{table}: {name} is unique" for name in _unique(new, table) - _unique(old, table)]
    return broken


def _unique(inspector: object, table: str) -> set[str]:
    indexes = inspector.get_indexes(table)  # type: ignore[attr-defined]
    return {index["name"] for index in indexes if index["unique"]} - HARMLESS.keys()


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
@pytest.mark.parametrize(("before", "after"), list(pairwise(REVISIONS)))
def test_the_version_before_runs_on_the_new_tables(tmp_path: Path, before: str, after: str) -> None:
    old, new = (make_store(tmp_path / f"{revision}.db", revision) for revision in (before, after))
    broken = broken_promises(old, new)
    old.close()
    new.close()
    assert broken == []


def test_a_migration_that_would_break_it_is_seen(tmp_path: Path) -> None:
    before, after = MetaData(), MetaData()
    Table("feeds", before, Column("id", Integer, primary_key=True), Column("url", Text), Column("why", Text))
    Table("hosts", before, Column("host", Text, primary_key=True))
    Table(
        "feeds",
        after,
        Column("id", Integer, primary_key=True),
        Column("url", Text, index=True, unique=True),
        Column("why", Integer),
        Column("owner", Text, nullable=False),
        Column("kind", Text, nullable=False, server_default=""),
    )
    stores = []
    for name, tables in (("before", before), ("after", after)):
        stores.append(Store(create_engine(f"sqlite:///{tmp_path / name}.db")))
        tables.create_all(stores[-1].engine)
    assert sorted(broken_promises(*stores)) == [
        "feeds.owner wants a value",
        "feeds.why has another type",
        "feeds: ix_feeds_url is unique",
        "hosts is gone",
    ]
    for store in stores:
        store.close()
