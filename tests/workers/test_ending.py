"""What waiting mends and what it does not; how long a child waits that keeps dying."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from pipeline.errors import WireroomError
from pipeline.settings import Settings, read_settings
from pipeline.store.store import open_store
from workers.children import LONGEST_WAIT_S, QUIET_S, longer_wait
from workers.ending import StoreFile, Troubles, why_not_on


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({"WIREROOM_HOME": str(tmp_path)})


def asked(url: str, statement: str) -> SQLAlchemyError:
    """Ask a store for something and give the error."""
    store = open_store(url)
    try:
        with pytest.raises(SQLAlchemyError) as raised, store.write() as connection:
            connection.execute(text(statement))
        return raised.value
    finally:
        store.close()


def test_a_damaged_file_is_told(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "wireroom.db").write_bytes(b"no database at all" * 500)
    said = why_not_on(asked(settings.sql_url, "SELECT 1"), settings)
    assert said == (
        f"the store sqlite:///{tmp_path}/wireroom.db is damaged: "
        "put a backup back: `wireroom restore FILE --replace`"
    )


def test_missing_tables_are_told_on_both_stores(settings: Settings, postgresql_url: str) -> None:
    elsewhere = settings.model_copy(update={"store_url": postgresql_url})
    for chosen in (settings, elsewhere):
        said = why_not_on(asked(chosen.sql_url, "SELECT * FROM articles"), chosen)
        assert said is not None
        assert said.endswith(" is gone: put it back, or restore a backup: `wireroom restore FILE`")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("database or disk is full", "has no room: its disk is full: make room"),
        ("attempt to write a readonly database", "cannot be written: look at its owner and rights"),
        ("unable to open database file", "cannot be written: look at its owner and rights"),
        ("database disk image is malformed", "is damaged: put a backup back"),
    ],
)
def test_what_no_waiting_mends_is_told(settings: Settings, words: str, told: str) -> None:
    error = OperationalError("UPDATE", {}, sqlite3.OperationalError(words))
    assert told in (why_not_on(error, settings) or "")


def test_what_passes_by_itself_is_waited_for(settings: Settings) -> None:
    locked = OperationalError("UPDATE", {}, sqlite3.OperationalError("database is locked"))
    away = asked("postgresql+psycopg://nobody@127.0.0.1:1/none", "SELECT 1")
    assert [why_not_on(error, settings) for error in (locked, away, OSError(), WireroomError("x"))] == [
        None
    ] * 4


def test_a_trouble_is_told_once_until_it_is_over(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    troubles = Troubles(settings)
    for _ in range(3):
        with troubles.borne():
            raise WireroomError("the broker does not answer")
    for _ in range(2):
        with troubles.borne():
            pass
    assert [record.getMessage() for record in caplog.records] == [
        "a part is away, trying again: the broker does not answer",
        "all parts are there again",
    ]


def test_a_file_that_was_exchanged_is_another_store(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "wireroom.db"
    path.write_bytes(b"")
    file = StoreFile(settings)
    file.check()
    (tmp_path / "other.db").write_bytes(b"")
    (tmp_path / "other.db").rename(path)
    with pytest.raises(WireroomError, match="is gone, or is another file"):
        file.check()


def test_who_keeps_dying_waits_twice_as_long_each_time_and_who_lived_starts_at_once() -> None:
    waits = [0.0]
    for _ in range(7):
        waits.append(longer_wait(waits[-1], lived_s=0.1))
    assert waits == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_WAIT_S, LONGEST_WAIT_S]
    assert longer_wait(16.0, lived_s=QUIET_S + 1) == 0.0
