"""Settings and store, as a command needs them. Here alone the command line reads the environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UsageError, WireroomError

if TYPE_CHECKING:
    from pipeline.indexing.index import Searcher
    from pipeline.services import Services
    from pipeline.settings import Origin, Settings
    from pipeline.store.store import Store

NOTHING_YET = "nothing here yet: run `wireroom add URL`, then `wireroom up`"


def settings() -> "Settings":
    """Read the settings. Raises SettingsError."""
    from pipeline.settings import read_settings

    return read_settings(os.environ)


def setting_origins(settings: "Settings") -> "tuple[Origin, ...]":
    """List every setting with where it came from."""
    from pipeline.settings import origins

    return origins(settings, os.environ)


def home() -> Path:
    """Tell where the home is, whatever else is wrong with the settings."""
    from pipeline.settings import default_home

    return default_home(os.environ)


def make_home(settings: "Settings") -> None:
    """Make the home, for its owner alone. Raises UsageError when it cannot be written."""
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        trial = settings.home / f".writable-{os.getpid()}"
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise UsageError(
            f"WIREROOM_HOME={settings.home} cannot be written: {error.strerror}; name a folder of yours"
        ) from None


def is_store_absent(settings: "Settings") -> bool:
    """Tell whether the store is a file that is not there yet."""
    return settings.store_file is not None and not settings.store_file.exists()


def searcher(settings: "Settings") -> "Searcher":
    """Open the index for searching. Raises WireroomError when there is none."""
    from pipeline.services import open_searcher
    from pipeline.settings import EMBEDDED

    if settings.index_url == EMBEDDED and not settings.index_folder.is_dir():
        raise WireroomError(_why_no_index(settings))
    return open_searcher(settings)


def _why_no_index(settings: "Settings") -> str:
    if is_store_absent(settings):
        return NOTHING_YET
    from pipeline.store.mending import is_held_back

    with existing_store(settings) as store:
        if is_held_back(store):
            return "the store was restored, and nothing is indexed yet: run `wireroom verify --repair`"
    return "nothing is indexed yet: run `wireroom up`"


@contextmanager
def existing_services(settings: "Settings") -> "Iterator[Services]":
    """Open the parts on a store. Raises WireroomError when there is none, or it is another version's."""
    from sqlalchemy.exc import SQLAlchemyError

    from pipeline.services import open_services
    from pipeline.store.refusals import failure

    if is_store_absent(settings):
        raise WireroomError(NOTHING_YET)
    services = open_services(settings)
    try:
        yield services
    except SQLAlchemyError as error:
        raise failure(error, settings) from error
    finally:
        services.close()


@contextmanager
def existing_store(settings: "Settings") -> "Iterator[Store]":
    """Open the store. Raises as `existing_services` does."""
    with existing_services(settings) as services:
        yield services.store


@contextmanager
def made_store(settings: "Settings") -> "Iterator[Store]":
    """Open the store; one that is a file is created or migrated first."""
    from pipeline.services import prepare

    make_home(settings)
    prepare(settings)
    with existing_store(settings) as store:
        yield store
