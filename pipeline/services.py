"""The only wiring: which back-end stands behind each part, by the settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from pipeline.disk import DiskWatch
from pipeline.metrics.meters import Meters
from pipeline.outlets import Outlet, read_outlets
from pipeline.settings import EMBEDDED, Settings
from pipeline.stages.steps import log_steps
from pipeline.store.generations import lock
from pipeline.store.migrations import check_version, migrate
from pipeline.store.refusals import failure
from pipeline.store.store import Store, open_store

if TYPE_CHECKING:
    from pipeline.archive.warc import ArchiveWriter
    from pipeline.enrichment.language import LanguageDetector
    from pipeline.enrichment.models import Models
    from pipeline.feeds.child import FeedParser
    from pipeline.fetching.http import HttpOptions
    from pipeline.indexing.elasticsearch_client import Connection
    from pipeline.indexing.elasticsearch_events import EventStream
    from pipeline.indexing.index import Generations, Searcher
    from pipeline.search.request import SearchRequest
    from pipeline.store.events import Happening


@dataclass(frozen=True)
class Services:
    """Hold the parts that the stages use. What is heavy is opened when a stage first asks for it, once a
    process: only enrich loads models, only index opens the index for writing."""

    settings: Settings
    store: Store
    meters: Meters = field(default_factory=Meters)

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
    def disk(self) -> DiskWatch:
        """Watch the disks that are written to."""
        return DiskWatch(disk_folders(self.settings), reserve_mib=self.settings.disk_reserve)

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

    @cached_property
    def generations(self) -> "Generations":
        """Open the generations of the index. Raises IndexUnavailableError when there is no such server."""
        if self.settings.index_url == EMBEDDED:
            from pipeline.indexing.tantivy import TantivyGenerations

            return TantivyGenerations(self.settings.index_folder)
        from pipeline.indexing.elasticsearch import ElasticsearchGenerations

        return ElasticsearchGenerations(_connect(self.settings), partial(lock, self.store))

    @property
    def ships_events(self) -> bool:
        """Tell whether the index takes the pipeline's events; the embedded one has no place for them."""
        return self.settings.index_url != EMBEDDED

    @cached_property
    def event_stream(self) -> "EventStream":
        """Connect to the data stream of events. Raises IndexUnavailableError."""
        from pipeline.indexing.elasticsearch_events import EventStream

        return EventStream(_connect(self.settings))

    def preload(self) -> None:
        """Load what enrich needs, before a fork: the children share it."""
        _ = self.models, self.languages, self.outlets

    @cached_property
    def outlets(self) -> Mapping[str, Outlet]:
        """Read what outlets are called."""
        return read_outlets(self.settings.home)

    def http_options(self) -> "HttpOptions":
        """Say how requests are made."""
        return http_options(self.settings)

    def close(self) -> None:
        """Close what was opened."""
        for part in ("archive", "feed_parser"):
            if part in self.__dict__:
                getattr(self, part).close()
        self.store.close()


def disk_folders(settings: Settings) -> tuple[Path, ...]:
    """List the folders on whose disks everything is that Wireroom itself writes."""
    store = settings.sql_url.removeprefix("sqlite:///") if settings.sql_url.startswith("sqlite:") else None
    return (settings.home, settings.archive_folder, *([Path(store).parent] if store else []))


def http_options(settings: Settings) -> "HttpOptions":
    """Say how requests are made."""
    from pipeline.fetching.http import HttpOptions, user_agent

    return HttpOptions(
        user_agent=user_agent(settings.user_agent_url),
        allowed=settings.allow_addresses,
        proxy=settings.proxy or None,
    )


def open_services(settings: Settings) -> Services:
    """Open the parts on a store that has this version's tables.

    Raises StoreFailedError when the store cannot be reached, StoreVersionError when it is another version's.
    """
    meters = Meters()

    def seen(happenings: "Sequence[Happening]") -> None:
        meters.count_steps(happenings)
        log_steps(happenings)

    store = open_store(settings.sql_url, seen=seen)
    try:
        check_version(store)
    except SQLAlchemyError as error:
        raise failure(error, settings) from None
    return Services(settings, store, meters)


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
        raise failure(error, settings) from None
    finally:
        store.close()


def set_up_index(settings: Settings) -> tuple[str, ...]:
    """Install the templates of the index where a server keeps it, and bring the stream of events up to date;
    name what was missing or wrong. Raises IndexUnavailableError.
    """
    if settings.index_url == EMBEDDED:
        return ()
    from pipeline.indexing.elasticsearch_events import EventStream
    from pipeline.indexing.elasticsearch_templates import install_templates

    connection = _connect(settings)
    wrong = install_templates(connection, keep_events=settings.keep_events)
    EventStream(connection).bring_up_to_date(keep_s=settings.keep_events)
    return wrong


def index_faults(settings: Settings) -> tuple[str, ...]:
    """Say what `set_up_index` would mend. Raises IndexUnavailableError, also when the name by which articles
    are read is somebody else's."""
    if settings.index_url == EMBEDDED:
        return ()
    from pipeline.indexing.elasticsearch_months import exposed_months
    from pipeline.indexing.elasticsearch_templates import template_faults

    connection = _connect(settings)
    exposed_months(connection)
    return template_faults(connection)


def ignored_values(settings: Settings) -> Mapping[str, int]:
    """Count by field what Elasticsearch shows and does not find. Raises IndexUnavailableError."""
    from pipeline.indexing.elasticsearch_months import ignored_values as of_elasticsearch

    return of_elasticsearch(_connect(settings))


def open_searcher(settings: Settings, generation: str | None = None) -> "Searcher":
    """Open what is searched, or one generation of the index, for searching."""
    if settings.index_url == EMBEDDED:
        from pipeline.search.tantivy import open_searcher as open_tantivy

        return open_tantivy(settings.index_folder, generation)
    from pipeline.search.elasticsearch import open_searcher as open_elasticsearch

    return open_elasticsearch(_connect(settings), generation)


def mapping_version(settings: Settings) -> int:
    """Tell by which version of the fields this program makes a generation."""
    if settings.index_url == EMBEDDED:
        from pipeline.indexing.tantivy_schema import SCHEMA

        return SCHEMA
    from pipeline.indexing.elasticsearch_templates import mapping_version as of_elasticsearch

    return of_elasticsearch()


def most_writers(settings: Settings) -> int | None:
    """Tell how many processes may write one generation at the same time; None: any number."""
    return 1 if settings.index_url == EMBEDDED else None


def _connect(settings: Settings) -> "Connection":
    from pipeline.indexing.elasticsearch_client import connect

    return connect(settings.index_url, api_key=settings.index_api_key, ca=settings.index_ca)


def as_dsl(request: "SearchRequest") -> dict[str, Any]:
    """Translate a search into Elasticsearch's query DSL."""
    from pipeline.search.elasticsearch_query import request_query

    return request_query(request)


def as_kql(request: "SearchRequest") -> str:
    """Translate a search into Kibana's query language. Raises QueryError for what it cannot say."""
    from pipeline.search.kql import request_kql

    return request_kql(request)
