"""What `wireroom backup` writes over, an earlier copy of the same store alone; and what it blames."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.store.store import Store
from pipeline.store.subscriptions import NewFeed, add_feeds
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import new_store, publish

GAZETTE = "https://gazette.example/feed"

# Waits for a line when its copy is whole and is to take its name.
WAITING = """
import sys
def hook(name, arguments):
    if name == "os.rename" and str(arguments[1]).endswith("/saved.db"):
        print("whole", flush=True)
        sys.stdin.readline()
sys.addaudithook(hook)
from pipeline.cli import main
main()
"""


def watched(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [url for (url,) in connection.execute("SELECT url FROM feeds ORDER BY id")]


def test_a_store_that_has_feeds_alone_is_not_written_over(
    wireroom: Wireroom, saved: Path, tmp_path: Path
) -> None:
    with closing(new_store(tmp_path / "other")) as another:
        add_feeds(another, [NewFeed(url=GAZETTE)], interval_s=900.0)
    other = tmp_path / "other" / "wireroom.db"
    ran = wireroom("backup", str(other))
    assert ran.err == f"wireroom: {other} is no copy that `wireroom backup` wrote: name another file\n"
    assert (ran.code, watched(other)) == (1, [GAZETTE])


def test_a_copy_of_another_store_that_has_feeds_alone_is_not_written_over(
    wireroom: Wireroom, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(new_store(tmp_path / "other")) as another:
        add_feeds(another, [NewFeed(url=GAZETTE)], interval_s=900.0)
    copy = tmp_path / "copy.db"
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("WIREROOM_HOME", str(tmp_path / "other"))
        assert wireroom("backup", str(copy)).code == 0
    ran = wireroom("backup", str(copy))
    assert ran.err == f"wireroom: {copy} is a copy of another store: name another file\n"
    assert (ran.code, watched(copy)) == (1, [GAZETTE])


def test_a_store_that_was_restored_from_a_copy_is_not_written_over(
    wireroom: Wireroom, saved: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("WIREROOM_HOME", str(tmp_path / "elsewhere"))
        assert wireroom("restore", str(saved)).code == 0
    ran = wireroom("backup", str(tmp_path / "elsewhere" / "wireroom.db"))
    assert (ran.code, "name another file" in ran.err) == (1, True)


def test_no_backup_takes_the_place_of_a_folder(wireroom: Wireroom, store: Store, tmp_path: Path) -> None:
    for folder in ("/", str(tmp_path)):
        ran = wireroom("backup", folder)
        assert (ran.code, "name another file" in ran.err) == (1, True)


def test_a_copy_of_the_time_before_the_first_feed_is_written_over(
    wireroom: Wireroom, store: Store, home: Path, tmp_path: Path
) -> None:
    assert wireroom("backup", str(tmp_path / "saved.db")).code == 0
    publish(store, home)
    assert wireroom("backup", str(tmp_path / "saved.db")).out.startswith(
        f"{tmp_path / 'saved.db'}: 1 feed, 2 articles"
    )


def test_two_backups_to_one_file_at_the_same_time_both_succeed(wireroom: Wireroom, saved: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", WAITING, "backup", str(saved)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "whole\n"
    assert wireroom("backup", str(saved)).code == 0
    _, said = other.communicate("go on\n")
    assert other.returncode == 0, said
    assert [each.name for each in saved.parent.glob("saved*")] == ["saved.db"]
    assert wireroom("restore", str(saved), "--replace").code == 0


def test_a_draft_that_a_killed_backup_left_goes_and_one_under_way_stays(
    wireroom: Wireroom, saved: Path
) -> None:
    yesterday = time.time() - 24 * 3600
    for name in ("saved.db.1.draft", "saved.db.2.draft.unfinished", "saved.db.3.draft.unfinished"):
        saved.with_name(name).write_bytes(b"half")
    for name in ("saved.db.1.draft", "saved.db.2.draft.unfinished"):
        os.utime(saved.with_name(name), (yesterday, yesterday))
    assert wireroom("backup", str(saved)).code == 0
    left = sorted(each.name for each in saved.parent.glob("saved*"))
    assert left == ["saved.db", "saved.db.3.draft.unfinished"]


def test_a_store_that_cannot_be_read_is_blamed_itself(wireroom: Wireroom, home: Path, tmp_path: Path) -> None:
    (home / "wireroom.db").mkdir(parents=True)
    ran = wireroom("backup", str(tmp_path / "saved.db"))
    assert (ran.code, ran.err) == (
        1,
        f"wireroom: the store {home / 'wireroom.db'} cannot be read: unable to open database file; "
        "look at its owner and rights\n",
    )


def test_a_store_without_tables_is_not_called_damaged(wireroom: Wireroom, home: Path, tmp_path: Path) -> None:
    home.mkdir()
    (home / "wireroom.db").touch()
    ran = wireroom("backup", str(tmp_path / "saved.db"))
    assert (ran.code, ran.err) == (1, "wireroom: the store has no tables yet: run `wireroom setup`\n")
    assert not (tmp_path / "saved.db").exists()


def test_a_store_that_is_none_any_more_is_called_damaged(
    wireroom: Wireroom, home: Path, tmp_path: Path
) -> None:
    home.mkdir()
    (home / "wireroom.db").write_bytes(b"torn" * 1_000)
    ran = wireroom("backup", str(tmp_path / "saved.db"))
    assert (ran.code, f"the store {home / 'wireroom.db'} is damaged" in ran.err) == (1, True)
