"""One `up` on a home at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import AlreadyRunningError


@contextmanager
def hold_home(home: Path) -> Iterator[None]:
    """Hold a home's lock; the kernel frees it however this process ends.

    Raises AlreadyRunningError, naming the other process.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = home / "up.lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise AlreadyRunningError(
                f"another `wireroom up` or `restore` has {home} (process {holder}): stop it first"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
