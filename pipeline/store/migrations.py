"""Bring a store to this version's tables, or say which it has (by Alembic; `versions/` has the steps)."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from pipeline.errors import StoreVersionError, WireroomError
from pipeline.store.store import Store

HERE = Path(__file__).parent


def migrate(store: Store) -> bool:
    """Create or upgrade the tables; True when something was done. A file is copied beside itself first.

    Raises StoreVersionError when the store was written by a newer version, WireroomError when the file cannot
    be copied.
    """
    config = alembic_config()
    keep_copy(store, expected=_head(config))
    with store.write() as connection:
        before = MigrationContext.configure(connection).get_current_revision()
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError:
            raise _refusal(before) from None
        return before != _head(config)


def check_version(store: Store) -> None:
    """Raise StoreVersionError unless the store has just the tables that this version expects."""
    current = _current(store)
    if current != _head(alembic_config()):
        raise _refusal(current)


def keep_copy(store: Store, *, expected: str | None) -> Path | None:
    """Copy a SQLite store of an older version beside itself, `wireroom.db.0001`, by SQLite's backup API.

    The copy is whole or not there. None when there is nothing to keep. Raises WireroomError when it fails.
    """
    path = store.engine.url.database
    if store.engine.dialect.name != "sqlite" or not path or not Path(path).exists():
        return None
    current = _current(store)
    if current is None or expected is None or current >= expected:
        return None
    kept = Path(f"{path}.{current}")
    try:
        copy_file(Path(path), kept)
    except (OSError, sqlite3.Error) as error:
        raise WireroomError(
            f"the store is of an older version and cannot be copied before it is migrated: {error}; make room"
        ) from None
    return kept


def copy_file(here: Path, there: Path) -> None:
    """Copy a SQLite file as it is at one moment, while others write it, by SQLite's backup API; the copy is
    whole or not there. Raises OSError or sqlite3.Error."""
    unfinished = there.with_name(f"{there.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        with closing(sqlite3.connect(here)) as source, closing(sqlite3.connect(unfinished)) as target:
            source.backup(target)
        os.replace(unfinished, there)
    finally:
        unfinished.unlink(missing_ok=True)


def read_version(store: Store) -> str | None:
    """Tell which version's tables a store has; None: none of ours."""
    return _current(store)


def alembic_config() -> Config:
    """Say where the steps are."""
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("path_separator", "os")
    return config


def _current(store: Store) -> str | None:
    with store.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _head(config: Config) -> str | None:
    return ScriptDirectory.from_config(config).get_current_head()


def _refusal(current: str | None) -> StoreVersionError:
    expected = max(path.stem.split("_")[0] for path in (HERE / "versions").glob("[0-9]*.py"))
    if current is None:
        return StoreVersionError("the store has no tables yet: run `wireroom setup`")
    if current > expected:
        return StoreVersionError(
            f"the store has version {current}, newer than this Wireroom's {expected}: upgrade Wireroom"
        )
    return StoreVersionError(
        f"the store has version {current}, this Wireroom needs {expected}: run `wireroom setup`"
    )
