"""Copies of the embedded store, made while it runs, and put back in its place.

What is put back is first made ready beside the store: brought to this version, freed of leases, cleared of
what a person removed since, and with index at rest; then it takes the store's place in one step.
"""

import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from glob import escape
from itertools import chain, count
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from pipeline.errors import UsageError, WireroomError
from pipeline.store.leases import free_all
from pipeline.store.mending import hold_back
from pipeline.store.migrations import copy_file, migrate, read_version
from pipeline.store.removal import truncate_log
from pipeline.store.store import Store, open_store
from pipeline.store.tables import articles, documents, events, feeds
from pipeline.store.tombstones import Tombstones, carry, read_tombstones

REPLACED = "replaced"
"""Ends the name of the store that was there before; from the second one on a number follows."""

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
    """Say what was put back, what is removed from it too, and where the store before is kept."""

    contents: Contents
    removed: tuple[str, ...]
    replaced: Path | None
    is_past_known: bool  # else a store from before could not be read, nor what was removed from it


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
        _delete_all(draft)  # the log of one that was killed would be taken for this one's
        copy_file(backup, draft)
        kept = _kept_stores(path)
        pasts = [_past(each) for each in ([path] if path.exists() else []) + kept]
        removed = _make_ready(draft, pasts, remove)
        replaced = _swap(draft, path, kept)
    except (OSError, sqlite3.Error) as error:
        raise WireroomError(f"{path} cannot be written: {_cause(error)}") from None
    finally:
        _delete_all(draft)
    return Restored(contents=contents, removed=removed, replaced=replaced, is_past_known=None not in pasts)


def _delete_all(draft: Path) -> None:
    for left in draft.parent.glob(f"{escape(draft.name)}*"):
        left.unlink()


def _kept_stores(path: Path) -> list[Path]:
    """List the stores that were replaced: what was removed from them may be known to no other."""
    named = re.compile(rf"{re.escape(path.name)}\.{REPLACED}(\.\d+)?")
    return sorted(each for each in path.parent.iterdir() if named.fullmatch(each.name))


def _past(path: Path) -> Tombstones | None:
    """Read what was removed from a store; None when it cannot be read."""
    with closing(open_store(f"sqlite:///{path}")) as store:
        tombstones = read_tombstones(store)
        if tombstones is not None:
            with suppress(sqlite3.Error):  # it may be read, and not written
                truncate_log(store)  # else what stands in its log alone is missing when that is moved
        return tombstones


def _make_ready(
    draft: Path, pasts: Iterable[Tombstones | None], remove: Callable[[Store, str, str], object]
) -> tuple[str, ...]:
    """Bring a copy to this version and free it of what was removed; give the addresses of that."""
    with closing(open_store(f"sqlite:///{draft}")) as store:
        migrate(store)
        free_all(store)
        hold_back(store)
        return tuple(url for past in pasts if past for url in carry(past, store, remove))


def _swap(draft: Path, path: Path, kept: Sequence[Path]) -> Path | None:
    """Put a draft in the store's place, so that at every moment there is a store; give the name that the
    one before has now."""
    replaced = _keep(path, kept) if path.exists() else None
    for suffix in LOGS:  # one that stayed would be taken for the new file's
        log = path.with_name(path.name + suffix)
        if replaced is None:
            log.unlink(missing_ok=True)
        elif log.exists():
            log.rename(replaced.with_name(replaced.name + suffix))
    os.replace(draft, path)
    return replaced


def _keep(path: Path, kept: Sequence[Path]) -> Path:
    """Give the store a second name that none has, or the one that a restore gave it which was killed."""
    if same := next((each for each in kept if each.samefile(path)), None):
        return same
    names = (
        path.with_name(f"{path.name}.{REPLACED}{end}") for end in chain([""], map(".{}".format, count(2)))
    )
    replaced = next(name for name in names if name not in kept)
    for suffix in LOGS:
        replaced.with_name(replaced.name + suffix).unlink(missing_ok=True)
    try:
        os.link(path, replaced)
    except OSError:  # a file system without links: there is no store for a moment
        path.rename(replaced)
    return replaced


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
