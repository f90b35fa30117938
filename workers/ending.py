"""When `up` cannot go on: what no waiting mends, told in one line with what to do."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from pipeline.errors import WireroomError
from pipeline.masking import mask_url
from pipeline.settings import Settings

log = logging.getLogger(__name__)

# By what SQLite says, and PostgreSQL's SQLSTATE: what is wrong, and what to do about it.
DAMAGED = "is damaged", "put a backup back: `wireroom restore FILE --replace`"
UNWRITABLE = "cannot be written", "look at its owner and rights, then `wireroom up`"
FULL = "has no room: its disk is full", "make room, then `wireroom up`: nothing is lost"
GONE = "is gone", "put it back, or restore a backup: `wireroom restore FILE`"
SQLITE = {
    "malformed": DAMAGED,
    "not a database": DAMAGED,
    "readonly database": UNWRITABLE,
    "unable to open database file": UNWRITABLE,
    "disk is full": FULL,
    "no such table": GONE,
}
POSTGRESQL = {
    "42P01": GONE,  # undefined_table
    "3D000": GONE,  # invalid_catalog_name
    "42501": UNWRITABLE,  # insufficient_privilege
    "XX001": DAMAGED,  # data_corrupted
    "XX002": DAMAGED,  # index_corrupted
}


def why_not_on(error: Exception, settings: Settings) -> str | None:
    """Say why an error of the store will not pass by itself; None when trying again may help."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return None
    said, state = str(error.orig), getattr(error.orig, "sqlstate", None)
    found = (
        POSTGRESQL.get(state) if state else next((SQLITE[words] for words in SQLITE if words in said), None)
    )
    if found is None:
        return None
    what, do = found
    return f"the store {mask_url(settings.sql_url)} {what}: {do}"


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
            if why := why_not_on(error, self._settings):
                raise WireroomError(why) from None
            said = first_line(error)
            if said != self._told:
                log.warning("a part is away, trying again: %s", said)
            self._told = said
        else:
            if self._told is not None:
                log.warning("all parts are there again")
            self._told = None


def first_line(error: Exception) -> str:
    """Give what an error says, without what a library adds to it."""
    said = str(getattr(error, "orig", None) or error).strip().splitlines()
    return said[0] if said else type(error).__name__


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
            raise WireroomError(f"the store {self._path} {GONE[0]}, or is another file: {GONE[1]}")

    def _identity(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino
