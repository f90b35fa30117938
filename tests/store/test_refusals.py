"""What is said of a store that fails, and what of it waiting does not mend."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from pipeline.errors import StoreFailedError, WireroomError
from pipeline.services import open_services
from pipeline.settings import Settings, read_settings
from pipeline.store.refusals import failure, lasting_failure
from pipeline.store.store import open_store


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
    said = lasting_failure(asked(settings.sql_url, "SELECT 1"), settings)
    assert str(said) == (
        f"the store sqlite:///{tmp_path}/wireroom.db is damaged: "
        "put a backup back: `wireroom restore FILE --replace`"
    )


def test_missing_tables_are_told_on_both_stores(settings: Settings, postgresql_url: str) -> None:
    elsewhere = settings.model_copy(update={"store_url": postgresql_url})
    for chosen in (settings, elsewhere):
        said = lasting_failure(asked(chosen.sql_url, "SELECT * FROM articles"), chosen)
        assert str(said).endswith(" is gone: put it back, or restore a backup: `wireroom restore FILE`")


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
    assert told in str(lasting_failure(error, settings))


def test_what_passes_by_itself_is_waited_for(settings: Settings) -> None:
    locked = OperationalError("UPDATE", {}, sqlite3.OperationalError("database is locked"))
    away = asked("postgresql+psycopg://nobody@127.0.0.1:1/none", "SELECT 1")
    assert [lasting_failure(error, settings) for error in (locked, away, OSError(), WireroomError("x"))] == [
        None
    ] * 4


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="/proc is the place that has no room at all")
@pytest.mark.parametrize("words", ["disk I/O error", "unable to open database file"])
def test_where_there_is_no_room_that_is_what_is_wrong(settings: Settings, words: str) -> None:
    error = OperationalError("SELECT", {}, sqlite3.OperationalError(words))
    there = settings.model_copy(update={"home": Path("/proc")})
    assert "has no room: its disk is full: make room" in str(lasting_failure(error, there))


def test_a_disk_that_fails_and_has_room_may_come_back_and_is_to_be_looked_at(settings: Settings) -> None:
    error = OperationalError("SELECT", {}, sqlite3.OperationalError("disk I/O error"))
    assert lasting_failure(error, settings) is None
    told = failure(error, settings)
    assert str(told).endswith("wireroom.db fails: disk I/O error: look at its file and its disk")
    assert told.do == "look at its file and its disk"


def test_a_server_that_does_not_answer_is_told_with_the_setting_that_names_it(settings: Settings) -> None:
    away = settings.model_copy(update={"store_url": "postgresql://nobody:secret@127.0.0.1:1/none"})
    with pytest.raises(StoreFailedError, match=r"postgresql://\S+ fails: .*WIREROOM_STORE_URL") as raised:
        open_services(away)
    assert "secret" not in str(raised.value)


def test_a_damaged_file_is_told_when_it_is_opened(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "wireroom.db").write_bytes(b"no database at all" * 500)
    with pytest.raises(StoreFailedError, match="is damaged: put a backup back: `wireroom restore FILE"):
        open_services(settings)
