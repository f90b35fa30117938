"""Let several processes count for one address: each into files of its own, which whoever is asked adds up.

The library names files by process number and never deletes them, so children that are recycled after a
hundred shifts would leave hundreds of files a day (prometheus/client_python#275). Here a child counts where
its predecessor in the pool's same place did: as many files as places, and no count is lost.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from billiard.process import current_process
from prometheus_client import values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from workers.environment import set_metrics_folder


def count_in(folder: Path, name: str) -> None:
    """Let this process and its forks count in a folder; before the first metric is made. No two living
    processes that count in it may have the same name."""
    set_metrics_folder(folder)
    safe = re.sub(r"[^A-Za-z0-9.-]", "-", name)
    values.ValueClass = values.MultiProcessValue(lambda: f"{safe}-{_place()}")  # type: ignore[no-untyped-call]


def empty_folder(folder: Path) -> None:
    """Make a folder without anybody's counts: those of an earlier run are over."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)


@contextmanager
def folder_for_a_while() -> Iterator[Path]:
    """Make a folder that goes away with the block."""
    folder = Path(mkdtemp(prefix="wireroom-metrics-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def counted_in(folder: Path) -> Iterator[Metric]:
    """Add up what all processes have counted in a folder. A file that is empty yet has just been opened: the
    library gives it its size a moment later, and cannot read it before."""
    files = [str(path) for path in folder.glob("*.db") if _has_counts(path)]
    yield from MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]


def _has_counts(path: Path) -> bool:
    with suppress(FileNotFoundError):  # its process ended since the folder was read
        return path.stat().st_size > 0
    return False


def _place() -> int | str:
    """Tell a child's place in its pool, which it has taken over from one that ended."""
    place: int | str = getattr(current_process(), "index", "main")
    return place
