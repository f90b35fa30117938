"""Copies of the embedded store, made while it runs, and put back in its place.

What is put back is first made ready beside the store: brought to this version, freed of leases, cleared of
what a person removed since, and with index at rest; then it takes the store's place in one step.
"""

import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from glob import escape
from itertools import chain, count
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from pipeline.errors import UsageError, WireroomError
from pipeline.store.leases import free_all
from pipeline.store.ledger_tables import feed_changes
from pipeline.store.mending import hold_back
from pipeline.store.migrations import check_version, copy_file, migrate, read_version
from pipeline.store.removal import truncate_log
from pipeline.store.store import Store, open_store
from pipeline.store.tables import articles, documents, events, feeds
from pipeline.store.tombstones import Tombstones, carry, read_tombstones

REPLACED = "replaced"
"""Ends the name of the store that was there before; from the second one on a number follows."""

COPY = int.from_bytes(b"WRbk")
"""Marks a copy, as SQLite's application id: what has another may be a store that somebody uses."""

OLD_DRAFT_S = 12 * 3600.0
"""How long a draft has not been written to that nobody works on any more."""

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
    _refuse_unreadable(path)
    draft = Path(f"{to}.{os.getpid()}.draft")
    try:
        if to.exists() and not _is_copy(to):
            raise WireroomError(f"{to} is no copy that `wireroom backup` wrote: name another file")
        _delete_old_drafts(to)
        copy_file(path, draft)
        _mark(draft, COPY)
        contents = _look_over_copy(draft, path)
        _refuse_copy_of_another(to, draft)
        for suffix in LOGS:
            to.with_name(to.name + suffix).unlink(missing_ok=True)
        os.replace(draft, to)
    except (OSError, sqlite3.Error) as error:
        raise WireroomError(f"{path} cannot be copied to {to}: {_cause(error)}") from None
    finally:
        with suppress(OSError):  # its folder may not be there
            _delete_all(draft)
    return contents


def _refuse_unreadable(path: Path) -> None:
    """Raise WireroomError for a store that cannot be read, StoreVersionError for one without tables."""
    with closing(open_store(f"sqlite:///{path}")) as store:
        try:
            if read_version(store) is None:
                check_version(store)
        except OperationalError as error:
            raise WireroomError(
                f"the store {path} cannot be read: {_cause(error)}; look at its owner and rights"
            ) from None
        except SQLAlchemyError:
            raise _damaged(path) from None


def _damaged(path: Path) -> WireroomError:
    return WireroomError(
        f"the store {path} is damaged, so that no whole copy can be made; nothing was written. "
        "Put an earlier copy back: `wireroom restore FILE --replace`"
    )


def _mark(file: Path, mark: int) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA application_id = {mark}")


def _is_copy(file: Path) -> bool:
    """Tell whether a file has the mark of a copy; read as it stands, so that a damaged one has it too."""
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        header = opened.read(72)
    return header.startswith(b"SQLite format 3\0") and int.from_bytes(header[68:]) == COPY


def _delete_old_drafts(to: Path) -> None:
    """Delete what backups left behind that were killed; those under way write to theirs."""
    for draft in to.parent.glob(f"{escape(to.name)}.[0-9]*.draft*"):
        with suppress(FileNotFoundError):  # another backup does the same
            if time.time() - draft.stat().st_mtime > OLD_DRAFT_S:
                draft.unlink()


def _look_over_copy(draft: Path, path: Path) -> Contents:
    try:
        return look_over(draft)
    except WireroomError:
        raise _damaged(path) from None


def _refuse_copy_of_another(to: Path, draft: Path) -> None:
    """Raise WireroomError when an earlier copy is of another store than the new one."""
    before = _first_change(to) if to.exists() else None
    if before not in (None, _first_change(draft)):
        raise WireroomError(f"{to} is a copy of another store: name another file")


def _first_change(copy: Path) -> tuple[Any, ...] | None:
    """Read what was first written down of a store's feeds, and when: it stays for ever, and no two stores
    share it. None: nothing yet, or the copy is damaged, so that a new one is wanted all the more."""
    first = select(feed_changes.c.at, feed_changes.c.url).order_by(feed_changes.c.id).limit(1)
    with closing(open_store(f"sqlite:///{copy}")) as store:
        try:
            with store.read() as connection:
                row = connection.execute(first).first()
        except SQLAlchemyError:
            return None
    return tuple(row) if row else None


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
        except OperationalError as error:
            raise WireroomError(f"{path} cannot be read: {_cause(error)}") from None
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
        _mark(draft, 0)
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
