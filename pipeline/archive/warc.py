"""Write exchanges into WARC files, one open file a writer, and mend what a killed writer left.

An open file is named `….warc.gz.open` and locked; it gets its final name when it is closed. Beside it grows
a CDXJ sidecar with one line a response, written after the response: it says up to where the file is whole.
"""

import fcntl
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from pipeline.archive.errors import ArchiveError
from pipeline.archive.records import EncodedExchange, cdxj_line, encode, warcinfo
from pipeline.model import ArchivePosition, Exchange

ROTATE_AT = 1024**3  # bytes; the size that WARC tools and object stores are used to
ROTATE_AFTER_S = 86_400.0
"""No file spans more than a day, so that what is kept for some days goes with its file."""

OPEN_SUFFIX = ".open"
WARC_SUFFIX = ".warc.gz"
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND


class ArchiveWriter:
    """Append exchanges to the archive. Nothing is opened until the first write: a fork before it is safe."""

    def __init__(self, folder: Path, *, rotate_at: int, rotate_after_s: float) -> None:
        self._folder = folder
        self._rotate_at = rotate_at
        self._rotate_after_s = rotate_after_s
        self._lock = threading.Lock()
        self._file: _OpenFile | None = None

    def write(self, exchange: Exchange) -> ArchivePosition:
        """Append an exchange and return where its response stands. Safe to call from many threads.

        The bytes are with the operating system when this returns, so a killed process loses nothing.
        Raises ArchiveError when the disk takes no more; the file is then as it was before.
        """
        encoded = encode(exchange)
        with self._lock:
            try:
                return self._writable_file().append(encoded)
            except OSError as error:
                raise ArchiveError(f"the archive {self._folder} takes no more records: {error}") from error

    def close(self) -> None:
        """Give the open file its final name. A later write begins a new one."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _writable_file(self) -> "_OpenFile":
        if self._file is not None and self._is_full(self._file):
            self._file.close()
            self._file = None
        if self._file is None:
            self._file = _begin_file(self._folder)
        return self._file

    def _is_full(self, file: "_OpenFile") -> bool:
        return file.size >= self._rotate_at or time.monotonic() - file.began >= self._rotate_after_s


def open_archive(
    folder: Path, *, rotate_at: int = ROTATE_AT, rotate_after_s: float = ROTATE_AFTER_S
) -> ArchiveWriter:
    """Make a writer for a folder, which need not exist; a file is closed once it has `rotate_at` bytes, or
    has been open for so long."""
    return ArchiveWriter(folder, rotate_at=rotate_at, rotate_after_s=rotate_after_s)


def heal(folder: Path) -> tuple[str, ...]:
    """Close the files of writers that were killed, without their torn tails, and return the files' names.

    Files of living writers are locked, and left alone.
    """
    names = []
    for path in sorted(folder.glob(f"*{WARC_SUFFIX}{OPEN_SUFFIX}")):
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            continue  # closed or healed by another process a moment ago
        try:
            if _lock_at_once(descriptor) and _heal_file(path, descriptor):
                names.append(path.name.removesuffix(OPEN_SUFFIX))
        finally:
            os.close(descriptor)
    return tuple(names)


def sidecar_of(folder: Path, file_name: str) -> Path:
    """Return the path of the CDXJ file that goes with a WARC file."""
    return folder / (file_name.removesuffix(WARC_SUFFIX) + ".cdxj")


@dataclass(slots=True)
class _OpenFile:
    folder: Path
    name: str
    descriptor: int
    sidecar: int
    size: int
    sidecar_size: int
    began: float  # on time.monotonic()

    def append(self, encoded: EncodedExchange) -> ArchivePosition:
        offset = self.size + len(encoded.request)
        line = cdxj_line(encoded, file_name=self.name, offset=offset)
        try:
            _write_all(self.descriptor, encoded.request + encoded.response)
            _write_all(self.sidecar, line)
        except OSError:
            os.ftruncate(self.descriptor, self.size)
            os.ftruncate(self.sidecar, self.sidecar_size)
            raise
        self.size = offset + len(encoded.response)
        self.sidecar_size += len(line)
        return ArchivePosition(
            file=self.name, offset=offset, length=len(encoded.response), digest=encoded.digest
        )

    def close(self) -> None:
        os.rename(self.folder / (self.name + OPEN_SUFFIX), self.folder / self.name)
        os.close(self.sidecar)
        os.close(self.descriptor)


def _begin_file(folder: Path) -> _OpenFile:
    folder.mkdir(parents=True, exist_ok=True)
    for name in _names():
        if sidecar_of(folder, name).exists():
            continue  # a file of this second that is closed already
        try:
            descriptor = os.open(folder / (name + OPEN_SUFFIX), _NEW_FILE, 0o644)
        except FileExistsError:
            continue
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # The sidecar comes after the lock: without one, `heal` knows that a file is just being begun.
        sidecar = os.open(sidecar_of(folder, name), _NEW_FILE, 0o644)
        opening = warcinfo(name)
        _write_all(descriptor, opening)
        return _OpenFile(folder, name, descriptor, sidecar, len(opening), 0, time.monotonic())
    raise AssertionError("count() never ends")


def _names() -> Iterator[str]:
    host = re.sub(r"[^A-Za-z0-9.-]+", "-", socket.gethostname())
    stamp = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
    for number in count():
        yield f"wireroom-{stamp}-{host}-{os.getpid()}-{number:05d}{WARC_SUFFIX}"


def _write_all(descriptor: int, octets: bytes) -> None:
    rest = memoryview(octets)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _lock_at_once(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _heal_file(path: Path, descriptor: int) -> bool:
    name = path.name.removesuffix(OPEN_SUFFIX)
    sidecar = sidecar_of(path.parent, name)
    if not sidecar.exists() or not path.exists():
        return False
    end, sidecar_end = _whole_part(sidecar.read_bytes(), os.fstat(descriptor).st_size)
    if end == 0:
        path.unlink()
        sidecar.unlink()
        return False
    os.ftruncate(descriptor, end)
    os.truncate(sidecar, sidecar_end)
    os.rename(path, path.with_name(name))
    return True


def _whole_part(sidecar: bytes, size: int) -> tuple[int, int]:
    """Return the end of the last whole record in a file of `size` bytes, and the end of its sidecar line."""
    end = sidecar_end = position = 0
    for line in sidecar.splitlines(keepends=True):
        position += len(line)
        record_end = _record_end(line)
        if record_end is not None and end < record_end <= size:
            end, sidecar_end = record_end, position
    return end, sidecar_end


def _record_end(line: bytes) -> int | None:
    """Return where the record of a sidecar line ends; None for a torn line."""
    try:
        fields = json.loads(line.split(b" ", 2)[2])
        return int(fields["offset"]) + int(fields["length"])
    except (ValueError, LookupError, TypeError):
        return None
