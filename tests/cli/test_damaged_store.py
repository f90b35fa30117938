"""What is said of a store whose file is damaged: what is wrong, and how a backup is put back."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.store.store import Store
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import publish

PUT_BACK = "put a backup back: `wireroom restore FILE --replace`"


def tear(store: Store, home: Path, table: str, *, first: int, last: int) -> None:
    """Overwrite some bytes of a table's first page, in the file of a store that nobody has open."""
    publish(store, home)
    store.close()
    file = home / "wireroom.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (page,) = connection.execute(query, (table,)).fetchone()
    with file.open("r+b") as opened:
        opened.seek((page - 1) * size + first)
        opened.write(b"\xff" * (last - first))


@pytest.mark.parametrize(("table", "first"), [("sightings", 20), ("articles", 0)])
def test_verify_says_of_a_damaged_file_that_it_is(
    wireroom: Wireroom, store: Store, home: Path, table: str, first: int
) -> None:
    tear(store, home, table, first=first, last=4_000)
    ran = wireroom("verify", "--json")
    [problem] = ran.json["problems"]
    assert (ran.code, ran.json["ok"], ran.err) == (1, False, "")
    assert (problem["slug"], problem["do"], problem["mended"]) == ("file-damaged", PUT_BACK, False)
    assert set(ran.json["checked"].values()) == {0}


def test_repair_leaves_a_damaged_file_alone(wireroom: Wireroom, store: Store, home: Path) -> None:
    tear(store, home, "sightings", first=20, last=4_000)
    before = (home / "wireroom.db").read_bytes()
    ran = wireroom("verify", "--repair")
    assert (ran.code, ran.out.endswith(f"; {PUT_BACK}\n")) == (1, True)
    assert (home / "wireroom.db").read_bytes() == before


def test_status_does_not_say_that_all_is_well_with_a_store_that_cannot_be_counted(
    wireroom: Wireroom, store: Store, home: Path
) -> None:
    tear(store, home, "articles", first=0, last=4_000)
    for options in ((), ("--check",), ("--json",)):
        ran = wireroom("status", *options)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.endswith(f"wireroom.db is damaged: {PUT_BACK}\n")
