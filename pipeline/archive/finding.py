"""Find in the archive every answer that some addresses gave, by the CDXJ index beside each WARC file; a file
that has lost its index is read whole."""

import calendar
import json
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from yarl import URL

from pipeline.archive.errors import ArchiveError
from pipeline.archive.reading import find_file, read, scan
from pipeline.archive.records import mime_of
from pipeline.archive.warc import OPEN_SUFFIX, WARC_SUFFIX, sidecar_of
from pipeline.fetching.classify import HOPS
from pipeline.model import ArchivePosition, header


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold one request with its answer: which address, when, what it gave, and where it is archived."""

    url: str
    at: float  # to the second
    status: int
    mime: str
    position: ArchivePosition


def find_answers(folder: Path, urls: Collection[str]) -> tuple[Answer, ...]:
    """Find all answers of some addresses, and of those that they redirected to, oldest first. The indexes of
    a million pages are read in some seconds.

    Raises ArchiveError when a file has lost its index and cannot be read without."""
    found: dict[ArchivePosition, Answer] = {}
    asked: set[str] = set()
    fresh = {*urls, *map(_as_asked, urls)}
    for _ in range(HOPS + 1):
        new = list(_answers(folder, fresh)) if fresh else []
        found |= {each.position: each for each in new}
        asked |= fresh
        fresh = {target for each in new if (target := _target(folder, each))} - asked
    return tuple(sorted(found.values(), key=lambda each: (each.at, each.position.file, each.position.offset)))


def _answers(folder: Path, urls: Collection[str]) -> Iterator[Answer]:
    marks = [f'"url": {json.dumps(url)}'.encode() for url in urls]
    for sidecar in sorted(folder.glob("*.cdxj")):
        with sidecar.open("rb") as lines:
            for line in lines:
                if any(mark in line for mark in marks) and (answer := _read(line)):
                    yield answer
    for name in without_index(folder):
        for position, page in scan(folder, name, urls):
            at, mime = float(int(page.fetched_at)), mime_of(page.headers)
            yield Answer(url=page.url, at=at, status=page.status, mime=mime, position=position)


def without_index(folder: Path) -> tuple[str, ...]:
    """Name the files, closed or being written, that hold records and have no index beside them."""
    suffixes = (WARC_SUFFIX, WARC_SUFFIX + OPEN_SUFFIX)
    found = {path.name.removesuffix(OPEN_SUFFIX) for suffix in suffixes for path in folder.glob(f"*{suffix}")}
    return tuple(
        name
        for name in sorted(found)
        if _holds_records(folder, name) and not sidecar_of(folder, name).exists()
    )


def _holds_records(folder: Path, name: str) -> bool:
    # Asked before the index is: a writer makes it before the first record, and `keeping` removes it last.
    try:
        return find_file(folder, name).stat().st_size > 0
    except (ArchiveError, FileNotFoundError):
        return False


def _read(line: bytes) -> Answer | None:
    """Read a line of an index; None for one that is torn."""
    try:
        _, timestamp, written = line.decode().split(" ", 2)
        fields = json.loads(written)
        return Answer(
            url=fields["url"],
            at=float(calendar.timegm(time.strptime(timestamp, "%Y%m%d%H%M%S"))),
            status=int(fields["status"]),
            mime=fields["mime"],
            position=ArchivePosition(
                file=fields["filename"],
                offset=int(fields["offset"]),
                length=int(fields["length"]),
                digest=fields["digest"],
            ),
        )
    except (ValueError, KeyError):
        return None


def _target(folder: Path, answer: Answer) -> str | None:
    if not 300 <= answer.status < 400:
        return None
    try:
        location = header(read(folder, answer.position).headers, "Location")
    except ArchiveError:
        return None
    return _as_asked(urljoin(answer.url, location)) if location else None


def _as_asked(url: str) -> str:
    """Spell an address as requests do, and the archive after them."""
    try:
        return str(URL(url).with_user(None).with_fragment(None))
    except ValueError:
        return url
