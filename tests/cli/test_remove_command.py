"""`wireroom remove` where the archive is damaged, the reason missing, or the article removed before."""

from pathlib import Path

import pytest

from pipeline.store.store import Store
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import BRIDGE, FEED, HARBOUR, entry, fetch, poll, publish, quarantine


@pytest.fixture
def archive(store: Store, home: Path) -> Path:
    """Bring two articles into the index, and name the one file of the archive."""
    publish(store, home)
    (file,) = (home / "archive").glob("*.warc.gz*")
    return file


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_removal_wants_a_reason(wireroom: Wireroom, archive: Path, reason: str) -> None:
    ran = wireroom("remove", BRIDGE, "--reason", reason)
    assert (ran.code, ran.err) == (
        2,
        "wireroom: say why with --reason: `trace` and the next editor want to know\n",
    )
    assert wireroom("search", "bridge", "--json").json["total"] == 2


def test_without_its_file_it_leaves_store_and_index_and_says_what_is_left(
    wireroom: Wireroom, archive: Path
) -> None:
    aside = archive.rename(archive.with_suffix(".aside"))
    ran = wireroom("remove", BRIDGE, "--reason", "court order")
    assert ran.code == 1
    said, *_ = ran.err.splitlines()
    assert said.startswith(f"wireroom: {BRIDGE} is removed, but not from the archive: the archive ")
    assert said.endswith(
        "; put the file back, an empty one of its name if it is gone for good, and `wireroom remove` it again"
    )
    assert wireroom("search", "bridge", "--json").json["total"] == 1
    assert "text-left" in wireroom("verify").out
    aside.rename(archive)
    assert wireroom("remove", BRIDGE, "--reason", "court order").code == 0
    assert "text-left" not in wireroom("verify").out


def test_what_the_store_could_not_remove_is_not_said_to_be_in_the_index(
    wireroom: Wireroom, store: Store, archive: Path
) -> None:
    with store.write() as connection:
        connection.exec_driver_sql("DROP TABLE reruns")  # as a damaged file lacks it
    ran = wireroom("remove", BRIDGE, "--reason", "court order")
    assert (ran.code, ran.out, ran.err.count("\n"), "the index" in ran.err) == (1, "", 1, False)
    assert wireroom("show", BRIDGE).code == 0


def test_a_drop_without_the_archives_file_goes_on_and_says_what_is_left(
    wireroom: Wireroom, store: Store, home: Path
) -> None:
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR))
    fetch(store, home)
    quarantine(store)
    [file] = (home / "archive").glob("*.warc.gz")
    aside = file.rename(file.with_suffix(".aside"))
    ran = wireroom("quarantine", "drop", "--all", "--reason", "junk")
    assert (ran.code, ran.out) == (1, "0 articles dropped\n")
    assert [line.split(" ")[1:4] for line in ran.err.splitlines()] == [
        [url, "is", "removed,"] for url in (BRIDGE, HARBOUR)
    ]
    assert ran.err.count("; put the file back, ") == 2
    aside.rename(file)
    assert wireroom("remove", BRIDGE, HARBOUR, "--reason", "junk").code == 0
    assert "text-left" not in wireroom("verify").out


def test_a_drop_of_what_was_never_indexed_says_nothing_of_the_index(
    wireroom: Wireroom, store: Store, home: Path
) -> None:
    poll(store, FEED, entry(BRIDGE))
    fetch(store, home)
    quarantine(store)
    ran = wireroom("quarantine", "drop", BRIDGE, "--reason", "junk")
    assert (ran.code, ran.out, ran.err) == (0, "1 article dropped\n", "")


def test_a_file_that_cannot_be_searched_is_named(wireroom: Wireroom, home: Path, archive: Path) -> None:
    (home / "archive" / "lost.warc.gz").write_bytes(b"x" * 999)
    ran = wireroom("remove", BRIDGE, "--reason", "court order")
    assert ran.code == 1
    said, *_ = ran.err.splitlines()
    assert said.startswith(
        f"wireroom: {BRIDGE} is removed, but not from the archive: "
        "lost.warc.gz has lost its index, and cannot be read without: "
    )
    (home / "archive" / "lost.warc.gz").write_bytes(b"")
    assert wireroom("remove", BRIDGE, "--reason", "court order").code == 0


def test_an_empty_file_says_that_the_pages_are_gone_for_good(wireroom: Wireroom, archive: Path) -> None:
    archive.write_bytes(b"")
    assert wireroom("remove", BRIDGE, "--reason", "court order").code == 0
    assert "text-left" not in wireroom("verify").out


def test_the_first_reason_stays_and_each_is_a_step(wireroom: Wireroom, archive: Path) -> None:
    wireroom("remove", BRIDGE, "--reason", "court order")
    wireroom("remove", BRIDGE, "--reason", "to be sure")
    assert wireroom("trace", BRIDGE, "--json").json["detail"] == "court order"
    told = wireroom("trace", BRIDGE).out
    assert [reason for reason in ("court order", "to be sure") if reason in told] == [
        "court order",
        "to be sure",
    ]


def test_a_second_removal_counts_nothing_that_is_gone(wireroom: Wireroom, archive: Path) -> None:
    wireroom("remove", BRIDGE, "--reason", "court order")
    again = wireroom("remove", BRIDGE, "--reason", "another")
    assert (again.code, again.out) == (
        0,
        f"removed: {BRIDGE}: 0 documents, 0 feed entries, 0 archived pages\n",
    )
    assert "the index" not in again.err


@pytest.mark.parametrize("target", ["", "not a url", "ftp://courier.example/x"])
@pytest.mark.parametrize("command", ["show", "trace", "evidence"])
def test_what_is_no_address_is_called_so(
    wireroom: Wireroom, archive: Path, tmp_path: Path, command: str, target: str
) -> None:
    more = ("-o", str(tmp_path / "x.zip")) if command == "evidence" else ()
    ran = wireroom(command, target, *more)
    assert (ran.code, ran.err) == (
        1,
        f"wireroom: {target!r} is neither an article's id nor an http(s) URL\n",
    )
