"""Bring a store to this version's tables, or say which it has (by Alembic; `versions/` has the steps)."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from pipeline.errors import StoreVersionError
from pipeline.store.store import Store

HERE = Path(__file__).parent


def migrate(store: Store) -> bool:
    """Create or upgrade the tables; True when something was done.

    Raises StoreVersionError when the store was written by a newer version.
    """
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("path_separator", "os")
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
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("path_separator", "os")
    with store.read() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current != _head(config):
        raise _refusal(current)


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
