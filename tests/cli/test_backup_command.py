"""`wireroom backup` and `restore`: a whole copy while it runs, and no word comes back that was removed."""

import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest

from pipeline.model import Stage
from pipeline.services import open_services
from pipeline.settings import read_settings
from pipeline.stages.index import index
from pipeline.stages.shift import begin_shift
from pipeline.store.claims import claim_articles
from pipeline.store.enriched import read_document
from pipeline.store.mending import is_held_back
from pipeline.store.status import read_counts
from pipeline.store.store import Store
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import BRIDGE, FEED, HARBOUR, enrich, entry, fetch, id_of, new_store, poll
from workers.home_lock import hold_home

NEWS = "https://courier.example/news"


def let_index_work(home: Path) -> None:
    with closing(open_services(read_settings({"WIREROOM_HOME": str(home)}))) as services:
        index(services, begin_shift(lambda _stage: None, Event(), budget_s=60.0))


def test_a_backup_is_whole_while_others_write(wireroom: Wireroom, store: Store, tmp_path: Path) -> None:
    stopping = Event()

    def write() -> None:
        number = 0
        while not stopping.is_set():
            number += 1
            poll(store, f"https://courier.example/{number}.xml", entry(f"https://courier.example/{number}"))

    writer = Thread(target=write)
    writer.start()
    try:
        copies = [tmp_path / f"{number}.db" for number in range(3)]
        for copy in copies:
            assert wireroom("backup", str(copy)).code == 0
    finally:
        stopping.set()
        writer.join()
    for copy in copies:
        with closing(sqlite3.connect(copy)) as connection:
            [articles] = connection.execute("SELECT count(*) FROM articles").fetchone()
            assert connection.execute("SELECT count(*) FROM sightings").fetchone() == (articles,)


def test_a_backup_is_for_its_owner_alone(saved: Path) -> None:
    assert saved.stat().st_mode & 0o777 == 0o600


def test_after_a_restore_index_rests_until_a_repair(
    wireroom: Wireroom, saved: Path, store: Store, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("WIREROOM_HOME", str(elsewhere))
    monkeypatch.setenv("WIREROOM_ARCHIVE_URL", f"file://{home / 'archive'}")
    ran = wireroom("restore", str(saved))
    assert ran.out.startswith("restored: 1 feed, 2 articles, 2 documents")
    assert "nothing is indexed yet" in ran.err
    assert "the store was restored" in wireroom("search", "bridge").err
    let_index_work(elsewhere)
    assert wireroom("search", "bridge", "--json").json["total"] == 0
    told = [each["slug"] for each in wireroom("status", "--json").json["problems"]]
    assert (told[0], "index-absent" in told) == ("restored", False)
    refused = wireroom("up", "--until-idle")
    assert (refused.code, "wireroom verify --repair" in refused.err) == (1, True)
    assert wireroom("verify", "--repair").code == 0
    let_index_work(elsewhere)
    assert wireroom("search", "bridge", "--json").json["total"] == 2
    assert wireroom("verify", "--all").code == 0


def test_an_index_that_is_ahead_of_the_restored_store_is_overtaken(
    wireroom: Wireroom, saved: Path, store: Store, home: Path
) -> None:
    with closing(open_services(read_settings({"WIREROOM_HOME": str(home)}))) as services:
        poll(store, "https://courier.example/second.xml", entry(BRIDGE))  # one more feed: version 2
        index(services, begin_shift(lambda _stage: None, Event(), budget_s=60.0))
    store.close()
    assert wireroom("restore", str(saved), "--replace").code == 0
    assert {each["slug"] for each in wireroom("verify", "--json").json["problems"]} >= {"index-newer"}
    assert wireroom("verify", "--repair").code == 0
    let_index_work(home)
    assert wireroom("verify", "--all").code == 0
    assert wireroom("show", BRIDGE, "--json").json["version"] == 3


def test_reindex_lets_index_go_too(wireroom: Wireroom, saved: Path, store: Store, home: Path) -> None:
    store.close()
    wireroom("restore", str(saved), "--replace")
    assert wireroom("reindex").code == 0
    with closing(new_store(home)) as opened:
        assert not is_held_back(opened)
    assert wireroom("verify", "--all").code == 0


def test_what_was_removed_since_the_backup_stays_removed(
    wireroom: Wireroom, saved: Path, store: Store, home: Path
) -> None:
    wireroom("remove", BRIDGE, "--reason", "court order")
    store.close()
    ran = wireroom("restore", str(saved), "--replace")
    assert f"removed again: {BRIDGE}\n" in ran.out
    assert (home / "wireroom.db.replaced").is_file()
    assert wireroom("trace", BRIDGE, "--json").json["detail"] == "court order"
    with closing(new_store(home)) as opened:
        assert read_document(opened, id_of(BRIDGE)) is None
        assert read_counts(opened).dropped == {"removed": 1}


def test_a_damaged_store_is_replaced_too(wireroom: Wireroom, saved: Path, store: Store, home: Path) -> None:
    store.close()
    path = home / "wireroom.db"
    path.write_bytes(b"torn" * 1_000)
    path.with_name("wireroom.db-wal").write_bytes(b"left over")
    ran = wireroom("restore", str(saved), "--replace")
    assert (ran.code, "nobody knows what was removed" in ran.err) == (0, True)
    assert (home / "wireroom.db.replaced").read_bytes() == b"torn" * 1_000
    assert wireroom("show", BRIDGE).code == 0


def test_leases_of_the_time_of_the_backup_are_freed(
    wireroom: Wireroom, store: Store, home: Path, tmp_path: Path
) -> None:
    poll(store, FEED, entry(NEWS))
    fetch(store, home)
    claim_articles(store, Stage.ENRICH, owner="elsewhere:1:enrich:0", limit=1)
    wireroom("backup", str(tmp_path / "saved.db"))
    store.close()
    wireroom("restore", str(tmp_path / "saved.db"), "--replace")
    with closing(new_store(home)) as opened:
        enrich(opened)
        assert read_document(opened, id_of(NEWS)) is not None


def test_a_store_that_is_there_is_not_overwritten_unasked(wireroom: Wireroom, saved: Path) -> None:
    ran = wireroom("restore", str(saved))
    assert (ran.code, "--replace" in ran.err) == (2, True)


def test_what_is_no_backup_is_refused_and_all_is_as_it_was(
    wireroom: Wireroom, saved: Path, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "letter.txt").write_text("Dear sirs" * 1_000)
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE notes (text)")
    (tmp_path / "torn.db").write_bytes(saved.read_bytes()[:20_000])
    before = sorted(path.name for path in home.iterdir())
    for name in ("letter.txt", "other.db", "torn.db", "none.db"):
        ran = wireroom("restore", str(tmp_path / name), "--replace")
        assert (ran.code, ran.err.count("\n")) == (1, 1), name
    assert set(before) >= {path.name for path in home.iterdir()} - {"up.lock"}
    assert wireroom("show", HARBOUR).code == 0


def test_nothing_is_restored_under_a_running_up(wireroom: Wireroom, saved: Path, home: Path) -> None:
    with hold_home(home):
        assert "stop it first" in wireroom("restore", str(saved), "--replace").err


def test_a_server_is_backed_up_by_its_own_means(wireroom: Wireroom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIREROOM_STORE_URL", "postgresql://db.example/news")
    for command, instead in (("backup", "pg_dump"), ("restore", "pg_restore")):
        ran = wireroom(command, "file.db")
        assert (ran.code, instead in ran.err) == (2, True)


def test_a_backup_replaces_an_earlier_one_and_nothing_else(
    wireroom: Wireroom, saved: Path, tmp_path: Path
) -> None:
    assert wireroom("backup", str(saved)).code == 0
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear editor")
    ran = wireroom("backup", str(letter))
    assert (ran.code, letter.read_text()) == (1, "Dear editor")
    assert ran.err.startswith(f"wireroom: {letter} is no copy that `wireroom backup` wrote")


def test_a_backup_replaces_an_earlier_one_that_is_damaged(wireroom: Wireroom, saved: Path) -> None:
    with closing(sqlite3.connect(saved)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'pages'").fetchone()
    with saved.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    assert "is damaged" in wireroom("restore", str(saved), "--replace").err
    assert wireroom("backup", str(saved)).code == 0
    assert wireroom("restore", str(saved), "--replace").code == 0


def test_a_damaged_store_takes_no_earlier_copy_away(
    wireroom: Wireroom, saved: Path, store: Store, home: Path
) -> None:
    before = saved.read_bytes()
    store.close()
    with closing(sqlite3.connect(home / "wireroom.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'pages'").fetchone()
    with (home / "wireroom.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    ran = wireroom("backup", str(saved))
    assert (ran.code, f"the store {home / 'wireroom.db'} is damaged" in ran.err) == (1, True)
    assert saved.read_bytes() == before
    assert [each.name for each in saved.parent.glob("saved*")] == ["saved.db"]


def test_another_store_is_not_written_over(
    wireroom: Wireroom, saved: Path, store: Store, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "wireroom.db"
    with closing(new_store(tmp_path / "other")) as another:
        poll(another, "https://gazette.example/feed", entry("https://gazette.example/story"))
    ran = wireroom("backup", str(other))
    assert (ran.code, "name another file" in ran.err) == (1, True)
    with closing(sqlite3.connect(other)) as connection:
        assert connection.execute("SELECT url FROM articles").fetchall() == [
            ("https://gazette.example/story",)
        ]


def test_a_store_that_was_restored_elsewhere_can_be_reindexed_at_once(
    wireroom: Wireroom, saved: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIREROOM_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("WIREROOM_ARCHIVE_URL", f"file://{home / 'archive'}")
    assert wireroom("restore", str(saved)).code == 0
    assert wireroom("reindex").code == 0
    assert wireroom("search", "bridge", "--json").json["total"] == 2
