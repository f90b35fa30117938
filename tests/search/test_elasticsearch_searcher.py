"""What a search says when Elasticsearch cannot answer it, or not as a whole."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from pipeline.cli.search import searcher
from pipeline.errors import IndexAbsentError, IndexUnavailableError, QueryError
from pipeline.indexing.elasticsearch_client import Connection, connect
from pipeline.indexing.elasticsearch_source import mapping_file
from pipeline.search.elasticsearch import ALIAS, open_searcher
from pipeline.search.request import Results, read_request
from pipeline.settings import read_settings
from pipeline.store.status import PartState
from tests.servers import free_port
from workers.monitoring.parts import PartAnswer, ask_index

NOW = 1_773_144_000.0


@pytest.fixture
def connection(elasticsearch_url: str) -> Iterator[Connection]:
    connection = connect(elasticsearch_url)
    with closing(connection.client):
        yield connection


def make_month(connection: Connection, month: str, **settings: object) -> None:
    """Make an index behind the alias."""
    mapping = mapping_file()
    connection.client.indices.create(
        index=f"wireroom-articles-g1-{month}",
        aliases={ALIAS: {}},
        settings={**mapping["settings"]["index"], **settings},
        mappings=mapping["mappings"],
        wait_for_active_shards="0" if settings else None,
    )


def search(connection: Connection, query: str = "", **options: object) -> Results:
    return open_searcher(connection).search(read_request(query, now=NOW, **options))


def test_an_index_that_is_not_there_yet_is_one_line_that_says_what_makes_it(connection: Connection) -> None:
    with pytest.raises(IndexAbsentError, match=r"^there is no index wireroom-articles .* `wireroom up` .*$"):
        search(connection)
    with pytest.raises(IndexAbsentError):
        open_searcher(connection).get("a")


def test_a_server_that_went_away_is_one_line() -> None:
    client = Elasticsearch(f"http://127.0.0.1:{free_port()}")
    gone = Connection(client, "http://gone.example:9200", keyed=False)
    with closing(client), pytest.raises(IndexUnavailableError, match=r"^Elasticsearch at .*$") as raised:
        search(gone)
    assert "\n" not in str(raised.value)


def test_a_month_that_cannot_be_searched_is_an_error_and_no_short_answer(connection: Connection) -> None:
    make_month(connection, "2026-02")
    assert search(connection, size=0).total == 0
    make_month(connection, "2026-03", **{"routing.allocation.require.rack": "none"})
    for size in (0, 10):
        with pytest.raises(IndexUnavailableError, match="answered 503"):
            search(connection, size=size)


def test_a_query_of_more_levels_than_the_server_takes_is_refused_with_the_fix(connection: Connection) -> None:
    make_month(connection, "2026-03")
    deep = "a"
    for number in range(22):
        deep = f"(b{number} OR (c{number} AND {deep}))"
    with pytest.raises(QueryError, match="write it flatter"):
        search(connection, deep)


def test_a_query_of_more_words_than_the_server_takes_is_refused_with_the_fix(connection: Connection) -> None:
    make_month(connection, "2026-03")
    with pytest.raises(QueryError, match="too many words"):
        search(connection, " OR ".join(f"w{number}" for number in range(1000)))


def test_the_index_url_chooses_where_searches_go(elasticsearch_url: str, tmp_path: Path) -> None:
    settings = read_settings({"WIREROOM_HOME": str(tmp_path), "WIREROOM_INDEX_URL": elasticsearch_url})
    with pytest.raises(IndexAbsentError):
        searcher(settings).search(read_request("", now=NOW))
    assert ask_index(settings) == PartAnswer(PartState.ABSENT)
    with closing(connect(elasticsearch_url).client) as client:
        make_month(Connection(client, elasticsearch_url, keyed=False), "2026-03")
    assert searcher(settings).search(read_request("", now=NOW)).total == 0
    assert ask_index(settings) == PartAnswer(PartState.OK, documents=0)


def test_a_server_that_is_not_there_is_unreachable_and_not_absent(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    settings = read_settings({"WIREROOM_HOME": str(tmp_path), "WIREROOM_INDEX_URL": nobody})
    assert ask_index(settings).state is PartState.UNREACHABLE
    with pytest.raises(IndexUnavailableError, match=f"^Elasticsearch at {nobody} cannot be reached"):
        searcher(settings)
