"""The only wiring: which back-end stands behind each part, by the settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from secrets import token_hex
from time import gmtime, strftime
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from pipeline.errors import WireroomError
from pipeline.outlets import Outlet, read_outlets
from pipeline.settings import Settings, masked
from pipeline.store.generations import adopt_generation, live_generation
from pipeline.store.migrations import check_version, migrate
from pipeline.store.store import Store, open_store

if TYPE_CHECKING:
    from pipeline.archive.warc import ArchiveWriter
    from pipeline.enrichment.language import LanguageDetector
    from pipeline.enrichment.models import Models
    from pipeline.feeds.child import FeedParser
    from pipeline.fetching.http import HttpOptions
    from pipeline.indexing.index import Index, Searcher


@dataclass(frozen=True)
class Services:
    """Hold the parts that the stages use. What is heavy is opened when a stage first asks for it, once a
    process: only enrich loads models, only index opens the index for writing."""

    settings: Settings
    store: Store

    @cached_property
    def archive(self) -> "ArchiveWriter":
        """Open the WARC archive for writing; no file is made before the first record."""
        from pipeline.archive.warc import open_archive

        return open_archive(self.settings.archive_folder)

    @cached_property
    def feed_parser(self) -> "FeedParser":
        """Keep a child process that parses feeds; it starts with the first feed."""
        from pipeline.feeds.child import FeedParser

        return FeedParser()

    @cached_property
    def models(self) -> "Models":
        """Load the entity models."""
        from pipeline.enrichment.models import load_models

        return load_models(self.settings.models)

    @cached_property
    def languages(self) -> "LanguageDetector":
        """Load the language model."""
        from pipeline.enrichment.language import LanguageDetector

        return LanguageDetector()

    def preload(self) -> None:
        """Load what enrich needs, before a fork: the children share it."""
        _ = self.models, self.languages

    @cached_property
    def outlets(self) -> Mapping[str, Outlet]:
        """Read what outlets are called."""
        return read_outlets(self.settings.home)

    def http_options(self) -> "HttpOptions":
        """Say how requests are made."""
        from pipeline.fetching.http import HttpOptions, user_agent

        return HttpOptions(
            user_agent=user_agent(self.settings.user_agent_url),
            allowed=self.settings.allow_addresses,
            proxy=self.settings.proxy or None,
        )

    def close(self) -> None:
        """Close what was opened."""
        for part in ("archive", "feed_parser"):
            if part in self.__dict__:
                getattr(self, part).close()
        self.store.close()


def open_services(settings: Settings) -> Services:
    """Open the parts on a store that has this version's tables.

    Raises WireroomError when the store cannot be reached, StoreVersionError when it is another version's.
    """
    store = open_store(settings.sql_url)
    try:
        check_version(store)
    except SQLAlchemyError as error:
        raise _unreachable(settings, error) from None
    return Services(settings, store)


def prepare(settings: Settings) -> None:
    """Create or migrate a store that is a file; a server's is for `set_up`: others may work on it."""
    if settings.sql_url.startswith("sqlite:"):
        set_up(settings)


def set_up(settings: Settings) -> bool:
    """Create or migrate the store; True when something was done. Raises as `open_services` does."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = open_store(settings.sql_url)
    try:
        return migrate(store)
    except SQLAlchemyError as error:
        raise _unreachable(settings, error) from None
    finally:
        store.close()


def open_index(settings: Settings, store: Store) -> "tuple[Index, str]":
    """Open the index for writing and name its generation; a new or foreign one becomes live, and is filled.

    Raises IndexBusyError when another process writes it.
    """
    from pipeline.indexing.tantivy import holds, open_or_create

    generation = live_generation(store)
    if generation is None or not holds(settings.index_folder, generation=generation):
        # The store learns of the empty generation first: a kill in between makes one more, never a lost one.
        made = strftime("g%Y%m%d%H%M%S-", gmtime()) + token_hex(2)
        generation = adopt_generation(store, made, instead_of=generation)
    index, _ = open_or_create(settings.index_folder, generation=generation)
    return index, generation


def open_searcher(settings: Settings) -> "Searcher":
    """Open the index for searching."""
    from pipeline.search.tantivy import open_searcher as open_tantivy

    return open_tantivy(settings.index_folder)


def _unreachable(settings: Settings, error: SQLAlchemyError) -> WireroomError:
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return WireroomError(f"the store {masked(settings.sql_url)} cannot be opened: {cause}")
