"""Every answer that an address gave is found again, redirects included."""

from pathlib import Path

import pytest

from pipeline.archive.finding import find_answers
from pipeline.archive.reading import erase
from pipeline.archive.warc import open_archive
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


def test_what_was_erased_is_not_found(tmp_path: Path, kept: tuple[ArchivePosition, ...]) -> None:
    erase(tmp_path, kept[2])
    assert [each.status for each in find_answers(tmp_path, {NEW})] == [200]


def test_an_archive_that_is_not_here_has_no_answers(tmp_path: Path) -> None:
    assert find_answers(tmp_path / "none", {NEW}) == ()
