"""The live generation against the store, where only Elasticsearch can hold what is wrong."""

import pytest

from pipeline.indexing.elasticsearch import ElasticsearchGenerations
from pipeline.indexing.elasticsearch_months import Month, month_of
from pipeline.indexing.elasticsearch_source import source
from pipeline.services import Services
from pipeline.store.enriched import read_document
from pipeline.store.generations import live_generation
from pipeline.verifying.projection import MISSING, OTHER, UNKNOWN, compare_index
from tests.indexing.desk import publish


@pytest.mark.parametrize("settings", ["elasticsearch8", "elasticsearch9"], indirect=True)
def test_a_document_that_calls_itself_by_another_id_is_found_by_its_content(services: Services) -> None:
    publish(services, ["a001", "a002"])
    document = read_document(services.store, "a001")
    assert document is not None
    assert isinstance(services.generations, ElasticsearchGenerations)
    month = Month(live_generation(services.store) or "", month_of(document.first_seen_at))
    wrong = source(document)
    wrong["event"]["id"] = "a999"
    forced = {"version": document.version, "version_type": "external_gte"}
    services.generations.connection.client.index(index=month.alias, id="a001", document=wrong, **forced)
    compared = compare_index(services, sample=None, damaged=())
    assert compared.differing == {OTHER: {"a001": document.version}}


@pytest.mark.parametrize("settings", ["elasticsearch8", "elasticsearch9"], indirect=True)
def test_documents_under_ids_of_their_own_are_unknown_and_those_that_they_replace_missing(
    services: Services,
) -> None:
    publish(services, ["a001", "a002"])
    document = read_document(services.store, "a001")
    assert document is not None
    assert isinstance(services.generations, ElasticsearchGenerations)
    month = Month(live_generation(services.store) or "", month_of(document.first_seen_at))
    client = services.generations.connection.client
    client.delete(index=month.alias, id="a001")
    client.index(index=month.alias, id="automatic", document=source(document))
    compared = compare_index(services, sample=0, damaged=())
    assert compared.differing == {MISSING: {"a001": 0}, UNKNOWN: {"automatic": 1}}
