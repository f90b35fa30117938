"""Copies of the embedded store, made while it runs, and put back in its place.

What is put back is first made ready beside the store: brought to this version, freed of leases, cleared of
what a person removed since, and with index at rest; then it takes the store's place in one step.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from pipeline.errors import UsageError, WireroomError
from pipeline.model import State
from pipeline.outcomes import Reason
from pipeline.store.leases import free_all
from pipeline.store.mending import hold_back
from pipeline.store.migrations import copy_file, migrate, read_version
from pipeline.store.store import Store, open_store, portions
from pipeline.store.tables import articles, documents, events, feeds

REPLACED = "replaced"
"""Ends the name of the store that was there before."""

LOGS = ("-wal", "-shm")
"""End the names of the files that SQLite keeps beside a store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Say what is in a store: how much, and up to when."""

    feeds: int
    articles: int
    documents: int
    newest_at: float | None  # the last thing that happened, as far as events are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """Say what was put back, what was removed from it again, and where the store before is kept."""

    contents: Contents
    removed: tuple[str, ...]
    replaced: Path | None
    is_past_known: bool  # else the store before could not be read, nor what was removed from it


def back_up(path: Path, to: Path) -> Contents:
    """Copy the store's file, while it is written, and look the copy over; an earlier copy of that name goes
    when the new one is whole.

    Raises WireroomError, also when the file is there and is no earlier copy of this store."""
    first = _first_article(to) if to.exists() else None
    draft = to.with_name(f"{to.name}.draft")
    try:
        copy_file(path, draft)
        contents = _look_over_copy(draft, path, to, first)
        for suffix in LOGS:
            to.with_name(to.name + suffix).unlink(missing_ok=True)
        os.replace(draft, to)
    except (OSError, sqlite3.Error) as error:
        raise WireroomError(f"{to} cannot be written: {_cause(error)}") from None
    finally:
        for suffix in ("", *LOGS):
            with suppress(OSError):  # it may never have been there, nor its folder
                draft.with_name(draft.name + suffix).unlink()
    return contents


def _first_article(copy: Path) -> str | None:
    """Read which article an earlier copy has had longest; None: none, or it is damaged, so that a new copy is
    wanted all the more. Raises WireroomError when the file is no store."""
    with _opened(copy) as store:
        try:
            with store.read() as connection:
                oldest = select(articles.c.id).order_by(articles.c.first_seen_at, articles.c.id).limit(1)
                return connection.execute(oldest).scalar_one_or_none()
        except SQLAlchemyError:
            return None


def _look_over_copy(draft: Path, path: Path, to: Path, first: str | None) -> Contents:
    """Check that a copy is whole, and has the first article of the earlier one: both are of one store."""
    try:
        contents = look_over(draft)
    except WireroomError:
        raise WireroomError(
            f"the store {path} is damaged, so that no whole copy can be made; nothing was written. "
            "Put an earlier copy back: `wireroom restore FILE --replace`"
        ) from None
    with _opened(draft) as store, store.read() as connection:
        known = select(articles.c.id).where(articles.c.id == first)
        if first is not None and connection.execute(known).first() is None:
            raise WireroomError(
                f"{to} is a copy of another store, or another store itself: name another file"
            )
    return contents


def look_over(path: Path) -> Contents:
    """Check that a file is a whole store, and count what is in it. Raises WireroomError."""
    with _opened(path) as store:
        with store.read() as connection:
            faults = tuple(connection.exec_driver_sql("PRAGMA quick_check(1)").scalars())
        if faults != ("ok",):
            raise WireroomError(f"{path} is damaged: {faults[0]}")
        return _contents(store)


@contextmanager
def _opened(path: Path) -> Iterator[Store]:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is no file" if path.exists() else "is not there"
        raise WireroomError(f"{path} {what}")
    with closing(open_store(f"sqlite:///{path.resolve()}")) as store:
        try:
            if read_version(store) is None:
                raise WireroomError(f"{path} is no copy that `wireroom backup` wrote")
            yield store
        except SQLAlchemyError as error:
            raise WireroomError(f"{path} is no copy that `wireroom backup` wrote: {_cause(error)}") from None


def restore(
    backup: Path, path: Path, *, replace: bool, remove: Callable[[Store, str, str], object]
) -> Restored:
    """Put a backup in the store's place; nobody may have it open. A store that is there is kept beside it.
    `remove` takes an article, by its id and for a reason, out of a store and the archive.

    Raises WireroomError, StoreVersionError for a newer version's, UsageError where there is a store and
    `replace` is not said; then all is as it was."""
    contents = look_over(backup)
    if path.exists() and not replace:
        raise UsageError(f"there is a store, {path}: give --replace, and it is kept beside the new one")
    draft = path.with_name(f"{path.name}.restoring")
    try:
        copy_file(backup, draft)
        with closing(open_store(f"sqlite:///{draft}")) as store:
            migrate(store)
            free_all(store)
            hold_back(store)
            past = _removals(path) if path.exists() else {}
            removed = _remove_again(store, past or {}, remove)
        replaced = _set_aside(path) if path.exists() else None
        os.replace(draft, path)
    except (OSError, sqlite3.Error) as error:
        raise WireroomError(f"{path} cannot be written: {_cause(error)}") from None
    finally:
        for left in path.parent.glob(f"{draft.name}*"):
            left.unlink()
    return Restored(contents=contents, removed=removed, replaced=replaced, is_past_known=past is not None)


def _set_aside(path: Path) -> Path:
    """Rename the store's files, whole or damaged; a log that stayed would be taken for the new file's."""
    replaced = path.with_name(f"{path.name}.{REPLACED}")
    for suffix in LOGS:
        replaced.with_name(replaced.name + suffix).unlink(missing_ok=True)
    for suffix in ("", *LOGS):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(replaced.with_name(replaced.name + suffix))
    return replaced


def _remove_again(
    store: Store, reasons: dict[str, str], remove: Callable[[Store, str, str], object]
) -> tuple[str, ...]:
    """Remove what was removed from the store that is replaced, and is back in this one."""
    back: list[tuple[str, str]] = []
    alive = (articles.c.state != State.DROPPED) | (articles.c.reason != Reason.REMOVED)
    with store.read() as connection:
        for portion in portions(list(reasons)):
            some = articles.c.id.in_(portion)
            rows = connection.execute(select(articles.c.id, articles.c.url).where(some, alive))
            back += [(row.id, row.url) for row in rows]
    for id, _ in back:
        remove(store, id, reasons[id])
    return tuple(url for _, url in back)


def _removals(path: Path) -> dict[str, str] | None:
    """Read what was removed from a store, and why; None when it cannot be read."""
    with closing(open_store(f"sqlite:///{path}")) as store:
        try:
            with store.read() as connection:
                gone = select(articles.c.id, articles.c.detail).where(articles.c.reason == Reason.REMOVED)
                return {row.id: row.detail or "" for row in connection.execute(gone)}
        except SQLAlchemyError:
            return None


def _contents(store: Store) -> Contents:
    with store.read() as connection:
        numbers = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (feeds, articles, documents)
        ]
        newest_at = connection.execute(select(func.max(events.c.at))).scalar_one()
    return Contents(feeds=numbers[0], articles=numbers[1], documents=numbers[2], newest_at=newest_at)


def _cause(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or getattr(error, "orig", None) or error)
