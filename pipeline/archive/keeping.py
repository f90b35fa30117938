"""Remove from the archive what is kept no longer: whole files, once their newest record is too old.

A file spans a day at most, so no record outlives its time by more. The index beside a file goes after it;
what a killed removal leaves of the two goes with the next.
"""

import calendar
import re
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.archive.warc import OPEN_SUFFIX, WARC_SUFFIX, sidecar_of

STAMP = re.compile(rb"^\S+ (\d{14}) ", re.MULTILINE)


def old_files(folder: Path, *, before: float) -> Iterator[str]:
    """Name the finished files whose every record was fetched before a time, and those of which the index
    alone is left."""
    for path in sorted(folder.glob(f"*{WARC_SUFFIX}")):
        if _newest(path) < before:
            yield path.name
    for sidecar in sorted(folder.glob("*.cdxj")):
        name = sidecar.name.removesuffix(".cdxj") + WARC_SUFFIX
        # In this order: a writer that closes the file in between renames the first to the second.
        if not (folder / (name + OPEN_SUFFIX)).exists() and not (folder / name).exists():
            yield name


def remove_file(folder: Path, name: str) -> None:
    """Remove a file and its index; may be repeated. Raises OSError."""
    (folder / name).unlink(missing_ok=True)
    sidecar_of(folder, name).unlink(missing_ok=True)


def _newest(path: Path) -> float:
    """Tell when the newest record of a file was fetched; without an index, when the file was written last."""
    try:
        stamps = STAMP.findall(sidecar_of(path.parent, path.name).read_bytes())
    except FileNotFoundError:
        stamps = []
    return _seconds(max(stamps).decode()) if stamps else path.stat().st_mtime


def _seconds(stamp: str) -> float:
    return float(calendar.timegm(time.strptime(stamp, "%Y%m%d%H%M%S")))
