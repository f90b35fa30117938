"""Snapshots of Elasticsearch: what the contract of an index cannot ask, on real servers."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import pytest
from elasticsearch import Elasticsearch

from pipeline.errors import IndexUnavailableError, WireroomError
from pipeline.indexing.elasticsearch_client import Connection, connect
from pipeline.indexing.index import Edition
from pipeline.search.elasticsearch import ALIAS, ElasticsearchSearcher, open_searcher
from pipeline.search.elasticsearch_snapshot import SCAN_PAGE, exposed_edition
from pipeline.search.query import Clock, Ids
from pipeline.search.request import Sort, read_request

NOW = 1_773_144_000.0
OLD, NEW = "g20260301000000-0ld0", "g20260302000000-new0"
KEYWORD, TEXT = {"type": "keyword"}, {"type": "text"}
MAPPINGS = {  # as much of the mapping as a scan needs
    "_meta": {"mapping_version": 7},
    "properties": {
        "event": {"properties": {"id": KEYWORD, "created": {"type": "date_nanos"}}},
        "published": {"properties": {"at": {"type": "date"}}},
        "language": KEYWORD,
        "title": TEXT,
        "body": TEXT,
    },
}


@pytest.fixture(params=["elasticsearch8_url", "elasticsearch9_url"])
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """Connect to an empty server of each version."""
    connection = connect(request.getfixturevalue(request.param))
    with closing(connection.client):
        yield connection


@pytest.fixture
def client(connection: Connection) -> Elasticsearch:
    return connection.client


def fill(client: Elasticsearch, index: str, ids: Sequence[str], *, exposed: bool = True) -> None:
    """Make an index of articles that were seen in the same second."""
    client.indices.create(index=index, mappings=MAPPINGS, aliases={ALIAS: {}} if exposed else {})
    for start in range(0, len(ids), 500):
        lines: list[object] = []
        for id in ids[start : start + 500]:
            lines += [{"index": {"_id": id}}, source(id)]
        client.bulk(index=index, operations=lines, refresh=True)


def source(id: str) -> dict[str, object]:
    return {
        "event": {"id": id, "created": "2026-03-01T08:00:00.000Z"},
        "version": 1,
        "url": {"original": f"https://a.example/{id}"},
        "title": "Harvest",
        "outlet": {"domain": "a.example", "name": "A"},
        "text_source": "page",
        "authors": ["Jane Doe"],
        "tags": ["farm"],
        "feed": {"url": ["https://b.example/rss", "https://a.example/rss"]},
    }


def scanned(searcher: ElasticsearchSearcher, **options: object) -> list[str]:
    request = read_request("title:harvest", now=NOW, size=0, **options)  # type: ignore[arg-type]
    with searcher.snapshot() as snapshot:
        return [hit.id for hit in snapshot.scan(request)]


@pytest.mark.parametrize("count", [0, SCAN_PAGE, 2 * SCAN_PAGE + 1])
@pytest.mark.parametrize(("sort", "by"), [(Sort.NEWEST, Clock.FIRST_SEEN), (Sort.OLDEST, Clock.PUBLISHED)])
def test_pages_of_equal_times_over_several_months_miss_and_repeat_nothing(
    connection: Connection, client: Elasticsearch, count: int, sort: Sort, by: Clock
) -> None:
    ids = [f"{number:05}" for number in range(count)]
    fill(client, f"{ALIAS}-{NEW}-2026-02", ids[::3])
    fill(client, f"{ALIAS}-{NEW}-2026-03", [id for id in ids if id not in set(ids[::3])])
    assert scanned(open_searcher(connection), sort=sort, by=by) == ids


def test_a_hit_has_all_columns(connection: Connection, client: Elasticsearch) -> None:
    fill(client, f"{ALIAS}-{NEW}-2026-03", ["one", "two"])
    with open_searcher(connection).snapshot() as snapshot:
        [hit] = snapshot.scan(replace(read_request("", now=NOW), query=Ids(("one", "three"))))
    assert (hit.id, hit.version, hit.authors, hit.tags) == ("one", 1, ("Jane Doe",), ("farm",))
    assert hit.feeds == ("https://a.example/rss", "https://b.example/rss")


def test_a_snapshot_stays_in_its_generation_while_the_alias_moves(
    connection: Connection, client: Elasticsearch
) -> None:
    fill(client, f"{ALIAS}-{OLD}-2026-03", ["old"])
    fill(client, f"{ALIAS}-{NEW}-2026-03", ["new"], exposed=False)
    searcher = open_searcher(connection)
    request = read_request("", now=NOW)
    with searcher.snapshot() as snapshot:
        move = [
            {"remove": {"index": f"{ALIAS}-{OLD}-*", "alias": ALIAS}},
            {"add": {"index": f"{ALIAS}-{NEW}-*", "alias": ALIAS}},
        ]
        client.indices.update_aliases(actions=move)
        client.delete(index=f"{ALIAS}-{OLD}-2026-03", id="old", refresh=True)
        assert snapshot.edition == Edition("elasticsearch", OLD, 7)
        assert [hit.id for hit in snapshot.scan(request)] == ["old"]
    assert scanned(searcher) == ["new"]


def test_a_snapshot_holds_what_was_written_and_not_refreshed(
    connection: Connection, client: Elasticsearch
) -> None:
    index = f"{ALIAS}-{NEW}-2026-03"
    fill(client, index, ["one"])
    client.indices.put_settings(index=index, settings={"refresh_interval": "-1"})
    client.index(index=index, id="two", document=source("two"), refresh=False)
    assert scanned(open_searcher(connection)) == ["one", "two"]


def test_a_point_in_time_is_closed_however_the_reading_ends(
    connection: Connection, client: Elasticsearch
) -> None:
    fill(client, f"{ALIAS}-{NEW}-2026-03", ["one"])

    def read_one_and_leave() -> None:
        with open_searcher(connection).snapshot() as snapshot:
            next(snapshot.scan(read_request("", now=NOW)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_one_and_leave()
    node = next(iter(client.nodes.stats(metric="indices")["nodes"].values()))
    assert node["indices"]["search"]["open_contexts"] == 0


def test_a_lost_point_in_time_is_an_error_and_no_short_answer(
    connection: Connection, client: Elasticsearch
) -> None:
    fill(client, f"{ALIAS}-{NEW}-2026-03", [f"{number:05}" for number in range(SCAN_PAGE + 1)])
    with open_searcher(connection).snapshot() as snapshot:
        hits = snapshot.scan(read_request("", now=NOW))
        next(hits)
        client.close_point_in_time(id=snapshot.point)
        with pytest.raises(IndexUnavailableError, match="begin again"):
            list(hits)


def test_without_an_index_one_line_says_what_to_do(connection: Connection) -> None:
    with pytest.raises(WireroomError, match="there is no index"), open_searcher(connection).snapshot():
        pass


@pytest.mark.parametrize("names", [["theirs"], [f"{ALIAS}-{OLD}-2026-03", f"{ALIAS}-{NEW}-2026-03"]])
def test_an_alias_that_stands_for_something_else_is_refused(names: list[str]) -> None:
    with pytest.raises(WireroomError, match="not for one generation of ours"):
        exposed_edition({name: {} for name in names})
