"""What is wrong with a store that fails, and what to do about it: one line for a person."""

from sqlalchemy.exc import DBAPIError

from pipeline.disk import MIB, scarcest_disk
from pipeline.errors import StoreFailedError
from pipeline.masking import mask_url
from pipeline.settings import EMBEDDED, Settings

PUT_BACK = "put a backup back: `wireroom restore FILE --replace`"

# By what SQLite says, and PostgreSQL's SQLSTATE: what is wrong, and what to do about it.
DAMAGED = "is damaged", PUT_BACK
UNWRITABLE = (
    "cannot be written",
    "look at its owner and rights, and whether its disk may be written, then `wireroom up`",
)
FULL = "has no room: its disk is full", "make room, then `wireroom up`: nothing is lost"
REFUSED = (
    "refuses this role",
    "`deploy/postgresql-roles.sh` gives the roles their rights; tables are made by the owner's",
)
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
    "42501": REFUSED,  # insufficient_privilege
    "XX001": DAMAGED,  # data_corrupted
    "XX002": DAMAGED,  # index_corrupted
}

FILES_THAT_GROW = "disk I/O error", "unable to open database file"
"""What SQLite says, among other things, where there is no room for the files that it keeps beside its own."""

LOOK = {True: "look at its file and its disk", False: "look at WIREROOM_STORE_URL and its server"}
"""What to do about the rest, by whether the store is a file."""


def lasting_failure(error: Exception, settings: Settings) -> StoreFailedError | None:
    """Say why an error of the store will not pass by itself; None when trying again may help."""
    if not isinstance(error, DBAPIError):
        return None
    is_full = any(words in str(error.orig) for words in FILES_THAT_GROW) and _is_full(settings)
    found = FULL if is_full else _known(error)
    if found is None:
        return None
    what = f"{found[0]} ({first_line(error)})" if found is REFUSED else found[0]
    return StoreFailedError(f"the store {_named(settings)} {what}", found[1])


def failure(error: Exception, settings: Settings) -> StoreFailedError:
    """Say why the store failed, whether or not that passes by itself."""
    otherwise = f"the store {_named(settings)} fails: {first_line(error)}"
    is_file = settings.store_file is not None
    return lasting_failure(error, settings) or StoreFailedError(otherwise, LOOK[is_file])


def is_damage(error: DBAPIError) -> bool:
    """Tell whether an error says that the store is damaged."""
    return _known(error) is DAMAGED


def first_line(error: Exception) -> str:
    """Give what an error says, without what a library adds to it."""
    said = str(getattr(error, "orig", None) or error).strip().splitlines()
    return said[0] if said else type(error).__name__


def _known(error: DBAPIError) -> tuple[str, str] | None:
    if state := getattr(error.orig, "sqlstate", None):
        return POSTGRESQL.get(state)
    return next((SQLITE[words] for words in SQLITE if words in str(error.orig)), None)


def _is_full(settings: Settings) -> bool:
    file = settings.store_file
    return file is not None and scarcest_disk([file.parent]).free_bytes < MIB


def _named(settings: Settings) -> str:
    return mask_url(settings.sql_url if settings.store_url == EMBEDDED else settings.store_url)
