"""What waiting mends and what it does not; how long a child waits that keeps dying."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from pipeline.errors import WireroomError
from pipeline.settings import Settings, read_settings
from tests.compose_file import ROOT
from workers.children import LONGEST_WAIT_S, QUIET_S, longer_wait
from workers.ending import StoreFile, Troubles


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({"WIREROOM_HOME": str(tmp_path)})


def test_what_no_waiting_mends_ends_it(settings: Settings) -> None:
    full = OperationalError("UPDATE", {}, sqlite3.OperationalError("database or disk is full"))
    with pytest.raises(WireroomError, match="has no room"), Troubles(settings).borne():
        raise full


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


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_missing_model_ends_a_worker_that_would_need_it(tmp_path: Path, pool: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WIREROOM_")}
    chosen = {"WIREROOM_HOME": str(tmp_path), "WIREROOM_MODELS": "xx=no_such_model"}
    ended = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "workers", "worker", "-Q", "enrich", "-P", pool, "-c", "1"],
        env={**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **chosen},
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    (told,) = (line for line in ended.stderr.splitlines() if line.startswith("wireroom: "))
    assert told.startswith("wireroom: the entity model no_such_model is not installed: known to be ")
