"""Every answer that an address gave is found again, redirects included."""

from pathlib import Path

import pytest

from pipeline.archive.errors import ArchiveError
from pipeline.archive.finding import find_answers
from pipeline.archive.reading import erase
from pipeline.archive.warc import open_archive, sidecar_of
from pipeline.model import ArchivePosition, Exchange

OLD, NEW = 'https://courier.example/a?b="c"&d=é', "https://courier.example/new"


def exchange(url: str, *, status: int = 200, location: str | None = None, at: float = 1_000.0) -> Exchange:
    return Exchange(
        url=url,
        method="GET",
        request_headers=(("Accept", "text/html"),),
        status=status,
        reason="",
        headers=(("Content-Type", "text/html"), *((("Location", location),) if location else ())),
        body=b"The harbour is closed.",
        fetched_at=at,
        remote_address=None,
    )


@pytest.fixture
def kept(tmp_path: Path) -> tuple[ArchivePosition, ...]:
    """Four answers: a redirect, where it leads, the same again in another file, and one of nobody's."""
    first, second = open_archive(tmp_path), open_archive(tmp_path)
    written = (
        first.write(exchange(OLD, status=301, location="/new")),
        first.write(exchange(NEW, at=2_000.0)),
        second.write(exchange(NEW, status=404, at=3_000.0)),
        second.write(exchange("https://courier.example/new?page=2")),
    )
    first.close()
    return written


def test_answers_are_found_in_open_and_closed_files(
    tmp_path: Path, kept: tuple[ArchivePosition, ...]
) -> None:
    found = find_answers(tmp_path, {NEW})
    assert [(each.url, each.status, each.at) for each in found] == [(NEW, 200, 2_000.0), (NEW, 404, 3_000.0)]
    assert [each.position for each in found] == list(kept[1:3])


def test_redirects_are_followed(tmp_path: Path, kept: tuple[ArchivePosition, ...]) -> None:
    assert [each.position for each in find_answers(tmp_path, {OLD})] == list(kept[:3])


def test_what_was_asked_in_another_spelling_is_found(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    archive.write(exchange("https://courier.example/f%C3%A4hre?a=b"))
    archive.write(exchange(OLD, status=301, location="/fähre?a=b"))
    archive.close()
    for asked in ("https://courier.example/fähre?a=b#top", OLD):
        assert "https://courier.example/f%C3%A4hre?a=b" in [
            each.url for each in find_answers(tmp_path, {asked})
        ]


def test_what_was_erased_is_not_found(tmp_path: Path, kept: tuple[ArchivePosition, ...]) -> None:
    erase(tmp_path, kept[2])
    assert [each.status for each in find_answers(tmp_path, {NEW})] == [200]


def test_what_stands_in_files_that_lost_their_indexes_is_found_all_the_same(
    tmp_path: Path, kept: tuple[ArchivePosition, ...]
) -> None:
    before = find_answers(tmp_path, {OLD})
    for sidecar in tmp_path.glob("*.cdxj"):
        sidecar.unlink()
    assert find_answers(tmp_path, {OLD}) == before
    assert [without.position for without in before] == list(kept[:3])


def test_what_was_erased_is_not_found_without_an_index(
    tmp_path: Path, kept: tuple[ArchivePosition, ...]
) -> None:
    for sidecar in tmp_path.glob("*.cdxj"):
        sidecar.unlink()
    erase(tmp_path, kept[2])
    assert [each.status for each in find_answers(tmp_path, {NEW})] == [200]


@pytest.mark.parametrize("number", [1, 2])
def test_a_file_that_lost_its_index_and_is_damaged_is_told_of(
    tmp_path: Path, kept: tuple[ArchivePosition, ...], number: int
) -> None:
    place = kept[number]
    sidecar_of(tmp_path, place.file).unlink()
    [path] = tmp_path.glob(f"{place.file}*")
    with path.open("r+b") as file:
        file.seek(place.offset + 40)
        file.write(b"x" * 40)
    with pytest.raises(ArchiveError, match="has lost its index, and cannot be read without"):
        find_answers(tmp_path, {NEW})


def test_an_empty_file_without_an_index_holds_nothing_to_be_found(tmp_path: Path) -> None:
    (tmp_path / "gone.warc.gz").touch()
    assert find_answers(tmp_path, {NEW}) == ()


def test_an_archive_that_is_not_here_has_no_answers(tmp_path: Path) -> None:
    assert find_answers(tmp_path / "none", {NEW}) == ()
