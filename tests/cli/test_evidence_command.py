"""`wireroom evidence` packs what was received, so that anybody can check it."""

import hashlib
import io
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator
from sqlalchemy import update

from pipeline.archive.warc import open_archive
from pipeline.model import Exchange, Stage
from pipeline.store.claims import claim_hosts
from pipeline.store.fetched import GotPage, record_turn
from pipeline.store.keeping import drop_texts
from pipeline.store.store import Store
from pipeline.store.tables import articles
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import BRIDGE, FEED, HARBOUR, OWNER, entry, id_of, poll, publish

OTHER = "https://harbour.example/feed.xml"
FIRST = "The bridge was opened on Monday by the mayor of Lagos, who thanked the workers. " * 5
SECOND = FIRST.replace("Monday", "Tuesday")


def serve(store: Store, home: Path, text: str, *, at: float) -> None:
    """Fetch the bridge's page, which says this."""
    with store.write() as connection:
        due = {"stage": Stage.FETCH, "due_at": 0.0}
        connection.execute(update(articles).where(articles.c.id == id_of(BRIDGE)).values(**due))
    archive = open_archive(home / "archive")
    [turn] = claim_hosts(store, owner=OWNER, limit=1, pages=1)
    page = f"<html><body><article><h1>The bridge</h1><p>{text}</p></article></body></html>".encode()
    exchange = Exchange(
        url=BRIDGE, method="GET", request_headers=(("User-Agent", "Wireroom"),), status=200, reason="OK",
        headers=(("Content-Type", "text/html"),), body=page, fetched_at=at, remote_address=None,
    )  # fmt: skip
    got = GotPage(
        claim=turn.claims[0],
        url=BRIDGE,
        status=200,
        position=archive.write(exchange),
        fetched_at=at,
        detail="",
    )
    record_turn(store, turn, [got], delay_s=0.0, robots=None)
    archive.close()


def unpacked(path: Path) -> dict[str, bytes]:
    """Read a bag without its folder."""
    with zipfile.ZipFile(path) as bag:
        return {name.partition("/")[2]: bag.read(name) for name in bag.namelist()}


@pytest.fixture
def bag(wireroom: Wireroom, store: Store, home: Path, tmp_path: Path) -> dict[str, bytes]:
    """The evidence of an article that its publisher edited once, and served unchanged once."""
    poll(store, FEED, entry(BRIDGE))
    for number, text in enumerate((FIRST, FIRST, SECOND)):
        serve(store, home, text, at=1_790_000_000.0 + number)
    ran = wireroom("evidence", BRIDGE, "-o", str(tmp_path / "bridge.zip"))
    assert ran.code == 0
    assert ran.out.splitlines()[0].endswith("bridge.zip: 3 answers, 2 revisions")
    assert hashlib.sha256((tmp_path / "bridge.zip").read_bytes()).hexdigest() in ran.out
    return unpacked(tmp_path / "bridge.zip")


def test_every_sum_is_right_and_every_file_has_one(bag: dict[str, bytes]) -> None:
    summed = {}
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        for line in bag[manifest].decode().splitlines():
            digest, name = line.split("  ", 1)
            summed[name] = digest
    assert summed == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in bag.items()
        if name != "tagmanifest-sha256.txt"
    }


def test_the_records_are_requests_and_answers_that_any_reader_takes(bag: dict[str, bytes]) -> None:
    records = ArchiveIterator(io.BytesIO(bag["data/records.warc.gz"]))
    kinds = [record.headers["WARC-Type"] for record in records]
    assert kinds == ["warcinfo", *["request", "response"] * 3]


def test_each_revision_is_there_with_what_changed(bag: dict[str, bytes]) -> None:
    assert b"on Monday" in bag["data/revisions/1.txt"]
    assert b"on Tuesday" in bag["data/revisions/2.txt"]
    diff = bag["data/revisions/1-to-2.diff"].decode()
    assert [line[0] for line in diff.splitlines() if line.startswith(("-The", "+The"))] == ["-", "+"]
    assert "data/revisions/3.txt" not in bag


def test_what_a_feed_says_later_is_no_part_of_an_earlier_page(
    wireroom: Wireroom, store: Store, home: Path, tmp_path: Path
) -> None:
    poll(store, FEED, entry(BRIDGE))
    serve(store, home, FIRST, at=1_790_000_000.0)
    poll(store, OTHER, replace(entry(BRIDGE, title="The bridge, corrected"), content=f"<p>{SECOND * 3}</p>"))
    assert wireroom("evidence", BRIDGE, "-o", str(tmp_path / "bridge.zip")).code == 0
    bag = unpacked(tmp_path / "bridge.zip")
    said = bag["data/revisions/1.txt"].decode()
    assert (said.splitlines()[0], "Monday" in said, "Tuesday" in said) == ("The bridge", True, False)
    assert "data/revisions/2.txt" not in bag


def test_a_text_whose_time_is_over_is_no_deletion_by_the_publisher(
    wireroom: Wireroom, store: Store, home: Path, tmp_path: Path
) -> None:
    publish(store, home)
    drop_texts(store, keep_s=-60.0)
    assert wireroom("show", BRIDGE, "--json").json["text"] == ""
    told = wireroom("evidence", BRIDGE, "-o", str(tmp_path / "bridge.zip"), "--json").json
    assert told["revisions"] == 1


def test_answers_carry_their_digests(bag: dict[str, bytes]) -> None:
    heads, *lines = (line.split("\t") for line in bag["data/answers.tsv"].decode().splitlines())
    first = dict(zip(heads, lines[0], strict=True))
    assert first["address"] == BRIDGE
    assert first["time"] == "2026-09-21T14:13:20.000000Z"
    assert first["body-sha256"] == hashlib.sha256(bag["data/pages/1.html"]).hexdigest()
    assert first["digest"].startswith("sha1:")


def test_trace_feeds_and_a_readme_in_plain_words_are_there(bag: dict[str, bytes]) -> None:
    assert BRIDGE.encode() in bag["data/trace.txt"]
    assert b"What happened at the bridge." in bag["data/feeds.json"]
    said = bag["README.txt"].decode()
    assert "sha256sum -c manifest-sha256.txt" in said
    assert "revision 2: from 2026-09-21T14:13:22.000000Z on, page of sha1:" in said


def test_the_readme_says_that_silent_edits_are_not_noticed(bag: dict[str, bytes]) -> None:
    assert "an edit without that was not noticed" in bag["README.txt"].decode()


def test_an_article_without_a_page_has_what_its_feed_said(
    wireroom: Wireroom, store: Store, home: Path, tmp_path: Path
) -> None:
    publish(store, home)
    told = wireroom("evidence", HARBOUR, "-o", str(tmp_path / "harbour.zip"), "--json").json
    assert (told["answers"], told["revisions"]) == (0, 1)
    bag = unpacked(tmp_path / "harbour.zip")
    assert b"the document that stands, feed-summary" in bag["README.txt"]
    assert b"Ada Okafor" in bag["data/document.json"]


def test_a_record_that_is_gone_is_told_of(
    wireroom: Wireroom, store: Store, home: Path, tmp_path: Path
) -> None:
    publish(store, home)
    [warc] = (home / "archive").glob("*.warc.gz")
    warc.write_bytes(warc.read_bytes()[:300])
    ran = wireroom("evidence", BRIDGE, "-o", str(tmp_path / "bridge.zip"))
    assert (ran.code, "not to be had" in ran.err) == (0, True)
    assert "is cut short" in unpacked(tmp_path / "bridge.zip")["README.txt"].decode()


def test_without_the_archives_indexes_every_answer_is_there(
    wireroom: Wireroom, store: Store, home: Path, tmp_path: Path
) -> None:
    publish(store, home)
    [sidecar] = (home / "archive").glob("*.cdxj")
    sidecar.unlink()
    ran = wireroom("evidence", BRIDGE, "-o", str(tmp_path / "bridge.zip"))
    assert (ran.code, "1 answer, " in ran.out) == (0, True)
    assert "data/pages/1.html" in unpacked(tmp_path / "bridge.zip")


def test_a_page_that_an_index_does_not_name_is_there_with_a_warning(
    wireroom: Wireroom, store: Store, home: Path, tmp_path: Path
) -> None:
    publish(store, home)
    [sidecar] = (home / "archive").glob("*.cdxj")
    sidecar.write_bytes(b"")
    ran = wireroom("evidence", BRIDGE, "-o", str(tmp_path / "bridge.zip"))
    assert (ran.code, "1 answer, " in ran.out) == (0, True)
    assert "1 page not named by the archive's indexes: other answers may be missing" in ran.err
    assert "data/pages/1.html" in unpacked(tmp_path / "bridge.zip")


def test_a_file_that_lost_its_index_and_cannot_be_read_is_told_of(
    wireroom: Wireroom, store: Store, home: Path, tmp_path: Path
) -> None:
    publish(store, home)
    for path in (home / "archive").iterdir():
        path.unlink() if path.suffix == ".cdxj" else path.write_bytes(b"x" * 999)
    ran = wireroom("evidence", BRIDGE, "-o", str(tmp_path / "bridge.zip"))
    assert (ran.code, "requests are not to be had: " in ran.err) == (0, True)


def test_the_readme_lists_what_is_in_the_bag_and_no_more(
    wireroom: Wireroom, store: Store, home: Path, tmp_path: Path, bag: dict[str, bytes]
) -> None:
    poll(store, OTHER, entry(HARBOUR))
    wireroom("evidence", HARBOUR, "-o", str(tmp_path / "harbour.zip"))
    for each in (bag, unpacked(tmp_path / "harbour.zip")):
        names = {name for name in each if name.startswith("data/")}
        listed = re.findall(r"^(data/\S+)", each["README.txt"].decode(), re.MULTILINE)
        assert [name for name in listed if not any(one.startswith(name) for one in names)] == []
        assert [one for one in names if not one.startswith(tuple(listed))] == []


def test_a_file_that_cannot_be_written_is_said_in_a_line(
    wireroom: Wireroom, store: Store, home: Path
) -> None:
    publish(store, home)
    ran = wireroom("evidence", BRIDGE, "-o", "/proc/none.zip")
    assert (ran.code, ran.err.startswith("wireroom: /proc/none.zip cannot be written")) == (1, True)


def test_evidence_that_somebody_may_have_the_digest_of_is_not_overwritten(
    wireroom: Wireroom, store: Store, home: Path, tmp_path: Path
) -> None:
    publish(store, home)
    packed = tmp_path / "bridge.zip"
    assert wireroom("evidence", BRIDGE, "-o", str(packed)).code == 0
    before = packed.read_bytes()
    ran = wireroom("evidence", BRIDGE, "-o", str(packed))
    assert (ran.code, packed.read_bytes()) == (2, before)
    assert ran.err.endswith("name another\n")
