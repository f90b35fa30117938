"""Pages go into WARC files and come back; what a killed writer leaves is mended; what must go is erased."""

import gzip
import json
import multiprocessing
import os
import signal
import threading
from contextlib import closing
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

from pipeline.archive.errors import ArchiveError
from pipeline.archive.reading import erase, read
from pipeline.archive.records import erased
from pipeline.archive.warc import heal, open_archive
from pipeline.errors import WireroomError
from pipeline.flow import tidy
from pipeline.model import ArchivePosition, Exchange
from pipeline.services import open_services, set_up
from pipeline.settings import read_settings

PAGE = Exchange(
    url="https://example.org/news/1?a=b",
    method="GET",
    request_headers=(("Host", "example.org"), ("User-Agent", "Wireroom/0")),
    status=200,
    reason="OK",
    headers=(
        ("Content-Type", "text/html; charset=utf-8"),
        ("content-encoding", "br"),
        ("Transfer-Encoding", "chunked"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=é"),
    ),
    body="<p>Grüße</p>".encode() * 100,
    fetched_at=1_790_000_000.123456,
    remote_address="93.184.216.34",
)


def test_a_page_comes_back_as_it_was_served(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    position = archive.write(PAGE)
    page = read(tmp_path, position)
    assert (page.url, page.status, page.body, page.fetched_at) == (
        PAGE.url,
        200,
        PAGE.body,
        PAGE.fetched_at,
    )
    archive.close()
    assert read(tmp_path, position) == page


def test_the_headers_come_back_with_the_codings_that_were_undone_set_aside(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    page = read(tmp_path, archive.write(PAGE))
    archive.close()
    assert page.headers == (
        ("Content-Type", "text/html; charset=utf-8"),
        ("X-Archive-Orig-content-encoding", "br"),
        ("X-Archive-Orig-Transfer-Encoding", "chunked"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=é"),
        ("Content-Length", "1400"),
    )


def test_a_header_cannot_add_lines_to_the_record(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    hostile = replace(PAGE, headers=(("X-A", "1\r\n\r\n<script>"),), reason="OK\r\nX-B: 2")
    page = read(tmp_path, archive.write(hostile))
    archive.close()
    assert page.headers == (("X-A", "1 <script>"), ("Content-Length", "1400"))
    assert page.body == PAGE.body


def test_a_file_begins_with_warcinfo_and_pairs_each_request_with_its_response(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    position = archive.write(PAGE)
    archive.close()
    with (tmp_path / position.file).open("rb") as file:
        records = [(record.record_type, dict(record.headers.items())) for record in ArchiveIterator(file)]
    kinds, headers = zip(*records, strict=True)
    assert kinds == (WarcRecordType.warcinfo, WarcRecordType.request, WarcRecordType.response)
    _, request, response = headers
    assert request["WARC-Concurrent-To"] == response["WARC-Record-ID"]
    assert response["WARC-Target-URI"] == request["WARC-Target-URI"] == PAGE.url
    assert response["WARC-Date"] == "2026-09-21T14:13:20.123456Z"
    assert response["WARC-Payload-Digest"] == position.digest
    assert response["WARC-IP-Address"] == "93.184.216.34"


def test_each_record_is_a_gzip_member_where_its_position_says(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    positions = [archive.write(replace(PAGE, body=b"%d" % number)) for number in range(3)]
    archive.close()
    content = (tmp_path / positions[0].file).read_bytes()
    for number, position in enumerate(positions):
        record = gzip.decompress(content[position.offset : position.offset + position.length])
        assert record.startswith(b"WARC/1.1\r\nWARC-Type: response\r\n")
        assert record.endswith(b"\r\n\r\n%d\r\n\r\n" % number)


def test_the_index_has_a_line_for_each_response(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    position = archive.write(PAGE)
    archive.close()
    key, timestamp, fields = index_of(tmp_path, position).read_text().rstrip("\n").split(" ", 2)
    assert (key, timestamp) == ("org,example)/news/1?a=b", "20260921141320")
    assert json.loads(fields) == {
        "url": PAGE.url,
        "mime": "text/html",
        "status": "200",
        "digest": position.digest,
        "length": str(position.length),
        "offset": str(position.offset),
        "filename": position.file,
    }


def test_an_open_file_says_so_and_a_closed_one_has_its_final_name(tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "new" / "folder")
    assert not tmp_path.joinpath("new").exists()
    position = archive.write(PAGE)
    folder = tmp_path / "new" / "folder"
    assert (folder / f"{position.file}.open").exists()
    archive.close()
    assert (folder / position.file).exists()
    assert position.file.startswith("wireroom-")
    assert position.file.endswith(".warc.gz")


def test_a_full_file_is_closed_and_the_next_one_begun(tmp_path: Path) -> None:
    archive = open_archive(tmp_path, rotate_at=1500)
    positions = [archive.write(replace(PAGE, body=os.urandom(1000))) for _ in range(4)]
    archive.close()
    assert len({position.file for position in positions}) == 4
    assert len(list(tmp_path.glob("*.warc.gz"))) == 4
    assert all(read(tmp_path, position) for position in positions)


def test_writers_and_threads_do_not_meet(tmp_path: Path) -> None:
    first, second = open_archive(tmp_path), open_archive(tmp_path)
    bodies = [b"page %d" % number * 100 for number in range(80)]
    positions: dict[bytes, ArchivePosition] = {}

    def write_some(archive_number: int, start: int) -> None:
        for body in bodies[start::4]:
            positions[body] = (first, second)[archive_number].write(replace(PAGE, body=body))

    threads = [threading.Thread(target=write_some, args=(number % 2, number)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first.close()
    second.close()
    assert len({position.file for position in positions.values()}) == 2
    assert {body: read(tmp_path, position).body for body, position in positions.items()} == {
        body: body for body in bodies
    }


@pytest.mark.parametrize("torn", [b"", b"\x1f\x8b\x08 half a member", bytes(5000)])
def test_a_killed_writers_file_loses_its_torn_tail_and_nothing_else(tmp_path: Path, torn: bytes) -> None:
    positions = write_and_die(tmp_path)
    (left,) = tmp_path.glob("*.open")
    with left.open("ab") as file:
        file.write(torn)
    with index_of(tmp_path, positions[0]).open("ab") as file:
        file.write(b"org,exam")
    assert heal(tmp_path) == (positions[0].file,)
    assert [read(tmp_path, position).status for position in positions] == [200, 200, 200]
    assert (tmp_path / positions[0].file).stat().st_size == positions[-1].offset + positions[-1].length
    assert index_of(tmp_path, positions[0]).read_bytes().count(b"\n") == 3
    assert heal(tmp_path) == ()


def test_the_hourly_tidying_closes_a_killed_writers_file(tmp_path: Path) -> None:
    settings = read_settings({"WIREROOM_HOME": str(tmp_path)})
    set_up(settings)
    settings.archive_folder.mkdir(exist_ok=True)
    position, *_ = write_and_die(settings.archive_folder)
    with closing(open_services(settings)) as services:
        tidy(services)
    assert list(settings.archive_folder.glob("*.open")) == []
    assert read(settings.archive_folder, position).status == 200


def test_a_file_that_lost_records_is_cut_to_the_last_whole_one(tmp_path: Path) -> None:
    positions = write_and_die(tmp_path)
    (left,) = tmp_path.glob("*.open")
    os.truncate(left, positions[2].offset + 10)
    heal(tmp_path)
    assert read(tmp_path, positions[1]).status == 200
    with pytest.raises(ArchiveError, match="cut short"):
        read(tmp_path, positions[2])
    assert index_of(tmp_path, positions[0]).read_bytes().count(b"\n") == 2


def test_a_file_that_holds_no_page_goes(tmp_path: Path) -> None:
    positions = write_and_die(tmp_path)
    index_of(tmp_path, positions[0]).write_bytes(b"")
    assert heal(tmp_path) == ()
    assert list(tmp_path.iterdir()) == []


def test_a_living_writers_file_is_left_alone(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    position = archive.write(PAGE)
    assert heal(tmp_path) == ()
    later = archive.write(PAGE)
    archive.close()
    assert read(tmp_path, position).body == read(tmp_path, later).body


def test_a_file_without_an_index_is_left_alone(tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.warc.gz.open"
    stranger.write_bytes(b"not ours")
    assert heal(tmp_path) == ()
    assert stranger.read_bytes() == b"not ours"


def test_there_is_nothing_to_heal_where_nothing_was_written(tmp_path: Path) -> None:
    assert heal(tmp_path / "nowhere") == ()


def test_what_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    position = archive.write(PAGE)
    archive.close()
    for wrong, words in (
        (replace(position, file="wireroom-none.warc.gz"), "has no file"),
        (replace(position, file="../secret.warc.gz"), "is no file of the archive"),
        (replace(position, offset=position.offset - 1), "is torn"),
        (replace(position, offset=10**9), "cut short"),
        (replace(position, digest="sha1:OTHER"), "is not the one that was written"),
    ):
        with pytest.raises(ArchiveError, match=words):
            read(tmp_path, wrong)
    assert issubclass(ArchiveError, WireroomError)


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    position = archive.write(replace(PAGE, body=os.urandom(10_000)))
    archive.close()
    with (tmp_path / position.file).open("r+b") as file:
        file.seek(position.offset + position.length // 2)
        octet = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([octet[0] ^ 1]))
    with pytest.raises(ArchiveError):
        read(tmp_path, position)


def test_an_erased_page_is_gone_and_its_neighbours_stay(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    before, secret, after = (
        archive.write(replace(PAGE, body=text * 50, url=f"https://example.org/{number}"))
        for number, text in enumerate((b"before", b"secret", b"after"))
    )
    archive.close()
    size = (tmp_path / secret.file).stat().st_size
    erase(tmp_path, secret)
    erase(tmp_path, secret)
    with pytest.raises(ArchiveError, match="was removed"):
        read(tmp_path, secret)
    assert read(tmp_path, before).body == b"before" * 50
    assert read(tmp_path, after).body == b"after" * 50
    assert (tmp_path / secret.file).stat().st_size == size
    assert b"secret" not in gzip.decompress((tmp_path / secret.file).read_bytes())
    with (tmp_path / secret.file).open("rb") as file:
        kinds = [str(record.record_type) for record in ArchiveIterator(file)]
    assert kinds == ["warcinfo", "request", "response", "request", "metadata", "request", "response"]
    lines = index_of(tmp_path, secret).read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["org,example)/0", "!erased", "org,example)/2"]


def test_a_page_of_an_open_file_is_erased_while_the_writer_goes_on(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    secret = archive.write(PAGE)
    erase(tmp_path, secret)
    later = archive.write(PAGE)
    archive.close()
    assert read(tmp_path, later).body == PAGE.body
    with pytest.raises(ArchiveError, match="was removed"):
        read(tmp_path, secret)


def test_the_smallest_page_can_be_erased(tmp_path: Path) -> None:
    smallest = Exchange(
        url="http://a/",
        method="GET",
        request_headers=(),
        status=204,
        reason="",
        headers=(),
        body=b"",
        fetched_at=0.0,
        remote_address=None,
    )
    archive = open_archive(tmp_path)
    position = archive.write(smallest)
    archive.close()
    erase(tmp_path, position)


def test_another_page_is_not_erased(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    position = archive.write(PAGE)
    archive.close()
    with pytest.raises(ArchiveError, match="is not the one"):
        erase(tmp_path, replace(position, digest="sha1:OTHER"))
    assert read(tmp_path, position).body == PAGE.body


@pytest.mark.parametrize("left", [0, 1, 200])
def test_of_a_record_in_which_the_file_ends_what_is_left_is_erased(tmp_path: Path, left: int) -> None:
    archive = open_archive(tmp_path)
    first, second = archive.write(PAGE), archive.write(PAGE)
    archive.close()
    path = tmp_path / second.file
    path.write_bytes(path.read_bytes()[: second.offset + left])
    erase(tmp_path, second)
    assert path.read_bytes()[second.offset :] == bytes(left)
    assert read(tmp_path, first).body == PAGE.body


def test_what_is_no_record_is_not_erased_where_the_file_ends(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    position = archive.write(PAGE)
    archive.close()
    path = tmp_path / position.file
    path.write_bytes(b"Dear editor")
    with pytest.raises(ArchiveError, match="is not the one"):
        erase(tmp_path, replace(position, offset=0))
    assert path.read_bytes() == b"Dear editor"


@pytest.mark.parametrize("length", [250, 251, 65_000, 65_558, 65_559, 65_563, 65_564, 1_000_003])
def test_an_erased_record_has_exactly_the_length_asked_for(length: int) -> None:
    member = erased(length)
    assert len(member) == length
    assert gzip.decompress(member).startswith(b"WARC/1.1\r\nWARC-Type: metadata\r\n")


def test_a_disk_that_takes_nothing_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("a file where the folder should be")
    with pytest.raises(ArchiveError, match="takes no more records"):
        open_archive(tmp_path / "archive").write(PAGE)


def write_and_die(folder: Path) -> list[ArchivePosition]:
    """Write three pages in a process that is killed with its file open."""
    receiver, sender = multiprocessing.get_context("spawn").Pipe(duplex=False)
    writer = multiprocessing.get_context("spawn").Process(target=_write_and_die, args=(folder, sender))
    writer.start()
    positions: list[ArchivePosition] = receiver.recv()
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    return positions


def _write_and_die(folder: Path, sender: Connection) -> None:
    archive = open_archive(folder)
    sender.send([archive.write(replace(PAGE, body=b"page %d" % number)) for number in range(3)])
    os.kill(os.getpid(), signal.SIGKILL)


def index_of(folder: Path, position: ArchivePosition) -> Path:
    return folder / position.file.replace(".warc.gz", ".cdxj")
