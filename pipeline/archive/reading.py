"""Read pages back from the archive, and erase them."""

import io
import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from fastwarc.stream_io import GzipReader
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from pipeline.archive.errors import ArchiveError
from pipeline.archive.records import MAGIC, erased, payload_digest
from pipeline.archive.warc import OPEN_SUFFIX, sidecar_of
from pipeline.model import ArchivePosition, Page

_HEAD_LIMIT = 16 * 1024**2  # bytes of HTTP headers; more than the fetcher ever lets in


def read(folder: Path, position: ArchivePosition) -> Page:
    """Read one page. Raises ArchiveError when its record is missing, torn, erased or not what was written."""
    octets = member(folder, position)
    try:
        record = _record(octets)
        is_response = record.record_type == WarcRecordType.response
        page = _page(record) if is_response else None
    except Exception as error:  # FastWARC raises what the damage makes it raise
        raise ArchiveError(f"the record at {_place(position)} is torn: {error}") from error
    if page is None:
        raise ArchiveError(f"the record at {_place(position)} was removed")
    if payload_digest(page.body) != position.digest:
        raise ArchiveError(f"the record at {_place(position)} is not the one that was written")
    return page


def member(folder: Path, position: ArchivePosition) -> bytes:
    """Read bytes of an archive's file, unchecked. Raises ArchiveError when they are not all there."""
    return _member(find_file(folder, position.file), position)


def scan(folder: Path, name: str, urls: Collection[str]) -> Iterator[tuple[ArchivePosition, Page]]:
    """Read a file from its beginning to its end, for the answers of some addresses: without its index.

    Raises ArchiveError when it cannot be read to its end."""
    found: tuple[ArchivePosition, Page] | None = None
    try:
        with find_file(folder, name).open("rb") as file:
            for record in ArchiveIterator(file, parse_http=False):
                if found is not None:
                    yield _up_to(record.stream_pos, *found)
                is_asked = record.headers.get("WARC-Target-URI") in urls
                is_asked = is_asked and record.record_type == WarcRecordType.response
                found = _found(name, record) if is_asked else None
            if found is not None:
                yield _up_to(os.fstat(file.fileno()).st_size, *found)
    except ArchiveError:
        raise
    except Exception as error:  # as in `read`
        raise ArchiveError(f"{name} has lost its index, and cannot be read without: {error}") from error


def _found(name: str, record: WarcRecord) -> tuple[ArchivePosition, Page]:
    digest, page = record.headers["WARC-Payload-Digest"], _page(record)
    if payload_digest(page.body) != digest:
        raise ValueError(f"the record at {record.stream_pos} is torn")
    return ArchivePosition(file=name, offset=record.stream_pos, length=0, digest=digest), page


def _up_to(end: int, position: ArchivePosition, page: Page) -> tuple[ArchivePosition, Page]:
    return replace(position, length=end - position.offset), page


def erase(folder: Path, position: ArchivePosition) -> None:
    """Overwrite a page in place with a record of the same length that says so; the rest stays readable.

    Does nothing when it is erased already; of a file that ends within the record, what is left of it goes.
    Raises ArchiveError when the file is missing, or the record is torn or another.
    """
    path = find_file(folder, position.file)
    left = _left(path, position)
    if len(left) < position.length:
        _erase_rest(path, position, left)
        return
    if _is_erased(left):
        return
    read(folder, position)
    _overwrite(path, position.offset, erased(position.length))
    _blank_index_line(sidecar_of(folder, position.file), position)


def _erase_rest(path: Path, position: ArchivePosition, left: bytes) -> None:
    if left and not left.startswith(MAGIC[: len(left)]):
        raise ArchiveError(f"the record at {_place(position)} is not the one that was written")
    _overwrite(path, position.offset, bytes(len(left)))


def _overwrite(path: Path, offset: int, octets: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())


def find_file(folder: Path, name: str) -> Path:
    """Find a file of the archive by its final name, closed or being written. Raises ArchiveError."""
    if Path(name).name != name:
        raise ArchiveError(f"{name!r} is no file of the archive")
    final = folder / name
    # The final name is asked twice, since the writer may close the file in between.
    for path in (final, folder / (name + OPEN_SUFFIX), final):
        if path.exists():
            return path
    raise ArchiveError(f"the archive {folder} has no file {name}")


def _member(path: Path, position: ArchivePosition) -> bytes:
    member = _left(path, position)
    if len(member) != position.length:
        raise ArchiveError(f"the record at {_place(position)} is cut short")
    return member


def _left(path: Path, position: ArchivePosition) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(position.offset)
            return file.read(position.length)
    except FileNotFoundError:
        return _left(find_file(path.parent, position.file), position)


def _record(member: bytes) -> WarcRecord:
    return WarcRecord.from_reader(GzipReader(io.BytesIO(member)))


def _page(record: WarcRecord) -> Page:
    record.parse_http(max_header_len=_HEAD_LIMIT)
    return Page(
        url=record.headers["WARC-Target-URI"],
        status=record.http_headers.status_code or 0,
        headers=tuple((_text(name), _text(value)) for name, value in record.http_headers.items_bytes()),
        body=record.reader.read(),
        fetched_at=record.record_date.timestamp(),
    )


def _text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def _is_erased(member: bytes) -> bool:
    try:
        return bool(_record(member).record_type == WarcRecordType.metadata)
    except Exception:  # torn: `read` will say how
        return False


def _blank_index_line(sidecar: Path, position: ArchivePosition) -> None:
    """Turn the record's line into a comment of the same length, so that a writer's position stays right."""
    mark = f'"offset": "{position.offset}"'.encode()
    if not sidecar.exists():
        return
    with sidecar.open("r+b") as file:
        start = 0
        for line in file.read().splitlines(keepends=True):
            if mark in line:
                file.seek(start)
                file.write(b"!erased".ljust(len(line) - 1))
            start += len(line)


def _place(position: ArchivePosition) -> str:
    return f"{position.file}:{position.offset}"
