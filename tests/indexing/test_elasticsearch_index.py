"""What Wireroom does when a real Elasticsearch is blocked, frozen, wrongly set up or somebody else's."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import pytest
from elasticsearch import Elasticsearch

from pipeline.errors import GenerationMovedError, IndexUnavailableError
from pipeline.indexing.elasticsearch import ElasticsearchGenerations, ElasticsearchIndex
from pipeline.indexing.elasticsearch_bulk import BulkWriter, Operation, Verdict
from pipeline.indexing.elasticsearch_client import connect
from pipeline.indexing.elasticsearch_months import Month, ignored_values
from pipeline.indexing.elasticsearch_templates import install_templates, template_faults
from pipeline.indexing.index import PutOutcome, Tombstone
from tests import servers
from tests.contracts.test_index import ARTICLES, article
from tests.indexing.scripted_elasticsearch import Answer, Asked, scripted

MARCH = Month("one", "2026-03")
PATIENCE_S = 0.3


@pytest.fixture
def generations(elasticsearch_url: str) -> ElasticsearchGenerations:
    return ElasticsearchGenerations(connect(elasticsearch_url), nullcontext, PATIENCE_S)


@pytest.fixture
def index(generations: ElasticsearchGenerations) -> ElasticsearchIndex:
    """Open a generation that is searched and holds one article."""
    index = generations.open("one")
    generations.expose("one")
    assert outcomes(index, "first") == [PutOutcome.STORED]
    return index


@pytest.fixture
def client(elasticsearch_url: str) -> Iterator[Elasticsearch]:
    with Elasticsearch(elasticsearch_url, request_timeout=60) as client:
        yield client


def outcomes(index: ElasticsearchIndex, *ids: str) -> list[PutOutcome]:
    results = index.put([article(id, "Title", "Text") for id in ids])
    index.commit()
    return [result.outcome for result in results]


@contextmanager
def blocked(client: Elasticsearch, block: str) -> Iterator[None]:
    name = f"index.blocks.{block}"
    client.indices.put_settings(index=MARCH.index, settings={name: True})
    yield
    client.indices.put_settings(index=MARCH.index, settings={name: None})


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("read_only_allow_delete", "make room"),  # what the flood stage sets
        ("read_only", "lift the block"),
        ("write", "lift the block"),
    ],
)
def test_a_blocked_index_defers_what_is_put_and_takes_it_later(
    index: ElasticsearchIndex, client: Elasticsearch, block: str, said: str
) -> None:
    with blocked(client, block):
        (result,) = index.put([article("second", "Title", "Text")])
        assert result.outcome is PutOutcome.DEFERRED
        assert said in (result.detail or "")
    assert outcomes(index, "second") == [PutOutcome.STORED]


def test_a_removal_that_is_blocked_is_an_error(index: ElasticsearchIndex, client: Elasticsearch) -> None:
    with blocked(client, "write"), pytest.raises(IndexUnavailableError, match="still in the index"):
        index.remove([Tombstone("first", 2, article("x", "", "").first_seen_at)])
    assert index.count() == 1


def test_a_document_that_the_mapping_has_no_place_for_is_rejected_and_its_neighbours_are_not(
    generations: ElasticsearchGenerations, client: Elasticsearch
) -> None:
    # An index as an older version might have made it: its mapping lacks `partial`.
    index = generations.open("one")
    mapping = client.indices.get(index="wireroom-articles-one-*")
    (made,) = mapping.body.values()
    del made["mappings"]["properties"]["partial"]
    analysis = {"analysis": made["settings"]["index"]["analysis"]}
    client.indices.create(
        index=MARCH.index, mappings=made["mappings"], settings=analysis, aliases={MARCH.alias: {}}
    )
    results = index.put(
        [article("a", "A", "x"), article("b", "B", "x", partial="robots"), article("c", "C", "x")]
    )
    assert [each.outcome for each in results] == [
        PutOutcome.STORED,
        PutOutcome.REJECTED,
        PutOutcome.STORED,
    ]
    assert "partial" in (results[1].detail or "")


def test_a_document_larger_than_the_server_takes_is_rejected_alone(index: ElasticsearchIndex) -> None:
    huge = article("huge", "Huge", "word " * 4_000_000)  # 20 MB; the servers take 16
    results = index.put([article("a", "A", "x"), huge, article("b", "B", "x")])
    assert [each.outcome for each in results] == [
        PutOutcome.STORED,
        PutOutcome.REJECTED,
        PutOutcome.STORED,
    ]
    assert "larger than the server takes" in (results[1].detail or "")


def test_a_frozen_server_is_an_error_and_what_was_put_is_stored_once(
    index: ElasticsearchIndex, elasticsearch_server: servers.Elasticsearch
) -> None:
    hurried = ElasticsearchGenerations(connect(elasticsearch_server.url, request_s=2.0), nullcontext).open(
        "one"
    )
    elasticsearch_server.send("STOP")
    try:
        with pytest.raises(IndexUnavailableError, match="does not answer"):
            hurried.put([article("second", "Title", "Text")])
    finally:
        elasticsearch_server.send("CONT")
    assert outcomes(index, "second") == [PutOutcome.STORED]
    assert index.count() == 2


def test_an_answer_that_is_lost_after_the_write_doubles_nothing(
    index: ElasticsearchIndex, elasticsearch_url: str
) -> None:
    def forwarded(asked: Asked) -> Answer:
        headers = {"Content-Type": "application/x-ndjson"}
        request = urllib.request.Request(f"{elasticsearch_url}/_bulk?require_alias=true", asked.body, headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)

    def lost(asked: Asked) -> Answer:
        forwarded(asked)
        return None

    with scripted([lost, forwarded]) as between:
        writer = BulkWriter(connect(between.url), patience_s=5.0)
        (told,) = writer.write([Operation("second", MARCH.alias, 3, b'{"version":3}')])
    assert told.verdict is Verdict.CONFLICT
    assert outcomes(index, "third") == [PutOutcome.STORED]
    assert index.count() == 3


def test_an_index_that_somebody_deleted_is_made_again_with_its_aliases(
    index: ElasticsearchIndex, generations: ElasticsearchGenerations, client: Elasticsearch
) -> None:
    client.indices.delete(index=MARCH.index)
    assert outcomes(index, "second") == [PutOutcome.STORED]
    assert (index.count(), generations.exposed()) == (1, "one")
    assert MARCH.alias in client.indices.get_alias(index=MARCH.index)[MARCH.index]["aliases"]


def test_a_generation_that_was_deleted_is_not_made_again_by_a_worker_that_still_has_it(
    index: ElasticsearchIndex, generations: ElasticsearchGenerations
) -> None:
    generations.open("two")
    generations.expose("two")
    generations.delete("one")
    with pytest.raises(GenerationMovedError, match="generation one is in the index no more"):
        index.put([article("second", "Title", "Text")])
    assert generations.names() == ["two"]


def test_values_that_are_too_long_to_be_found_by_are_counted(
    index: ElasticsearchIndex, elasticsearch_url: str
) -> None:
    index.put([article("second", "Title", "Text", tags=("x" * 9_000,)), article("third", "Title", "Text")])
    index.commit()
    counted = ignored_values(connect(elasticsearch_url))
    assert counted["tags"] == 1
    assert "title" not in counted


def test_a_write_never_makes_an_index(client: Elasticsearch, elasticsearch_url: str) -> None:
    writer = BulkWriter(connect(elasticsearch_url), patience_s=PATIENCE_S)
    (told,) = writer.write([Operation("a", "wireroom-write-nowhere-2026-03", 1, b"{}")])
    assert told.verdict is Verdict.MISSING
    assert not client.indices.exists(index="wireroom-write-nowhere-2026-03")


def test_months_of_the_exposed_generation_are_searched_from_their_making(
    index: ElasticsearchIndex, generations: ElasticsearchGenerations, client: Elasticsearch
) -> None:
    index.put([article("april", "April", "x", seen="2026-04-01T00:00:00")])
    building = generations.open("two")
    building.put([article("may", "May", "x", seen="2026-05-01T00:00:00")])
    index.commit()
    building.commit()
    assert client.count(index="wireroom-articles")["count"] == 2
    assert building.count() == 1
    generations.expose("two")
    assert client.count(index="wireroom-articles")["count"] == 1
    settings = client.indices.get_settings(index="wireroom-articles-two-*", name="index.refresh_interval")
    assert {each["settings"]["index"]["refresh_interval"] for each in settings.values()} == {"30s"}


def test_a_single_field_that_was_changed_in_the_index_is_named(
    index: ElasticsearchIndex, generations: ElasticsearchGenerations, client: Elasticsearch
) -> None:
    vote = ARTICLES[0]
    index.put([vote])
    client.update(index=MARCH.index, id="vote", doc={"outlet": {"name": "Another"}})
    (held,) = generations.held("one", ids=["vote"])
    assert held.sha256 != generations.digest(vote)
    assert generations.differing("one", vote) == ("outlet.name",)
    assert generations.differing("one", replace(vote, id="nothing")) == ()


def test_a_listing_shows_what_each_document_calls_itself_and_the_id_of_one_that_does_not(
    index: ElasticsearchIndex, generations: ElasticsearchGenerations, client: Elasticsearch
) -> None:
    client.index(index=MARCH.index, id="masked", document={"event": {"id": "first"}})
    client.index(index=MARCH.index, id="nameless", document={"title": "By hand"})
    listed = generations.listed("one")
    assert sorted((each.id, each.version) for each in listed) == [("first", 1), ("first", 1), ("nameless", 1)]
    assert sorted(each.id for each in generations.held("one")) == ["first", "masked", "nameless"]


def test_a_document_is_removed_from_every_month_that_holds_it(
    index: ElasticsearchIndex, generations: ElasticsearchGenerations
) -> None:
    march = article("first", "Title", "Text")
    index.put([replace(march, first_seen_at=march.first_seen_at + 31 * 86_400, version=7)])
    index.commit()
    assert [each.id for each in generations.held("one")] == ["first", "first"]
    index.remove([Tombstone("first", 2, march.first_seen_at)])
    index.commit()
    assert list(generations.held("one")) == []


def test_a_name_that_is_taken_by_an_index_is_an_error(
    generations: ElasticsearchGenerations, client: Elasticsearch
) -> None:
    client.indices.create(index="wireroom-articles")
    for act in (generations.exposed, lambda: generations.expose("one"), lambda: generations.open("one")):
        with pytest.raises(IndexUnavailableError, match="delete or rename"):
            act()


def test_an_alias_that_leads_to_another_index_too_is_an_error(
    index: ElasticsearchIndex, generations: ElasticsearchGenerations, client: Elasticsearch
) -> None:
    client.indices.create(index="wireroom-somebody", aliases={"wireroom-articles": {}})
    with pytest.raises(IndexUnavailableError, match="leads to wireroom-somebody, too, which is not ours"):
        generations.exposed()


def test_templates_are_installed_once_and_mended_when_they_were_changed(
    elasticsearch_url: str, client: Elasticsearch
) -> None:
    connection = connect(elasticsearch_url)
    install_templates(connection)
    assert install_templates(connection) == ()
    found = client.indices.get_index_template(name="wireroom-articles")
    template = found["index_templates"][0]["index_template"]
    assert (template["version"], template["_meta"]["managed_by"]) == (1, "wireroom")
    client.indices.put_index_template(
        name="wireroom-articles",
        index_patterns=["wireroom-articles-*"],
        priority=500,
        version=1,
        meta=template["_meta"],
    )
    client.cluster.delete_component_template(name="wireroom-settings")
    wrong = (
        "the component template wireroom-settings is missing",
        "the index template wireroom-articles was changed by hand",
    )
    assert template_faults(connection) == wrong
    assert install_templates(connection) == wrong
    assert template_faults(connection) == ()


def test_templates_of_another_mapping_are_told(elasticsearch_url: str, client: Elasticsearch) -> None:
    connection = connect(elasticsearch_url)
    install_templates(connection)
    meta = {"managed_by": "wireroom", "mapping_version": 0}
    client.cluster.put_component_template(name="wireroom-settings", template={}, meta=meta)
    assert template_faults(connection) == (
        "the component template wireroom-settings is of mapping version 0, this is 1",
    )


def test_a_document_that_comes_into_an_index_of_the_pattern_meets_the_mapping(
    elasticsearch_url: str, client: Elasticsearch
) -> None:
    install_templates(connect(elasticsearch_url))
    client.indices.create(index="wireroom-articles-restored-2026-01")
    mapping = client.indices.get_mapping(index="wireroom-articles-restored-2026-01")
    assert mapping["wireroom-articles-restored-2026-01"]["mappings"]["dynamic"] == "strict"
