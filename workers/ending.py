"""When a process cannot go on: what no waiting mends, told in one line with what to do."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError

from pipeline.errors import SettingsError, StoreFailedError, WireroomError
from pipeline.settings import Settings
from pipeline.store.refusals import GONE, first_line, lasting_failure

log = logging.getLogger(__name__)


@contextmanager
def refusing() -> Iterator[None]:
    """End the process when a setting cannot work, with the line and the exit code of the command line."""
    try:
        yield
    except SettingsError as error:
        sys.stderr.write(f"wireroom: {error}\n")  # not under forty lines of trace
        raise SystemExit(2) from None


class Troubles:
    """Bear what passes by itself, and tell each trouble once until it is over."""

    def __init__(self, settings: Settings) -> None:
        """Begin without troubles."""
        self._settings = settings
        self._told: str | None = None

    @contextmanager
    def borne(self) -> Iterator[None]:
        """Catch what a part that is away raises. Raises WireroomError for what no waiting mends."""
        try:
            yield
        except (SQLAlchemyError, WireroomError, OSError) as error:
            if why := lasting_failure(error, self._settings):
                raise why from None
            said = first_line(error)
            if said != self._told:
                log.warning("a part is away, trying again: %s", said)
            self._told = said
        else:
            if self._told is not None:
                log.warning("all parts are there again")
            self._told = None


class StoreFile:
    """Watch that the store's file is the one that was opened: SQLite goes on with one that was deleted."""

    def __init__(self, settings: Settings) -> None:
        """Remember the file, if the store is one."""
        url = settings.sql_url
        self._path = Path(urlsplit(url).path.removeprefix("/")) if url.startswith("sqlite:") else None
        self._known = self._identity()

    def check(self) -> None:
        """Raise WireroomError when the file is gone, or is another one."""
        if self._identity() != self._known:
            raise StoreFailedError(f"the store {self._path} {GONE[0]}, or is another file", GONE[1])

    def _identity(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino
