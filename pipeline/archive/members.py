"""Take records out of WARC files as they stand: the gzip members of an answer and of its request."""

import zlib
from dataclasses import dataclass
from pathlib import Path

from pipeline.archive.reading import member, read
from pipeline.archive.records import MAGIC
from pipeline.model import ArchivePosition

REQUEST_LIMIT = 64 * 1024
"""Bytes before an answer in which its request is sought; ours have some 300."""


@dataclass(frozen=True, slots=True)
class Members:
    """Hold two records, byte for byte; without a request when none stands just before the answer."""

    request: bytes | None
    response: bytes


def take(folder: Path, position: ArchivePosition) -> Members:
    """Read an answer's records as they are in the archive. Raises ArchiveError as `read` does."""
    read(folder, position)  # it is whole, and the one that was written
    start = max(0, position.offset - REQUEST_LIMIT)
    before = ArchivePosition(
        file=position.file, offset=start, length=position.offset - start, digest=position.digest
    )
    return Members(_request_at_end(member(folder, before)), member(folder, position))


def _request_at_end(before: bytes) -> bytes | None:
    """Find the request record with which some bytes end: a gzip member that begins where the magic number is
    and ends where they do."""
    place = before.rfind(MAGIC)
    while place >= 0:
        gzip = zlib.decompressobj(wbits=31)
        try:
            written = gzip.decompress(before[place:])
        except zlib.error:
            written = b""
        if gzip.eof and not gzip.unused_data and b"WARC-Type: request" in written[:500]:
            return before[place:]
        place = before.rfind(MAGIC, 0, place)
    return None
