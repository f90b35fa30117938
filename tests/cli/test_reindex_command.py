"""`wireroom reindex`: what a person sees of a rebuild."""

from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import update

from pipeline.indexing.index import Tombstone
from pipeline.indexing.tantivy import TantivyGenerations
from pipeline.store.generations import hold_building, live_generation, read_generations
from pipeline.store.store import Store
from pipeline.store.tables import generations
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import BRIDGE, id_of, publish


@pytest.fixture
def published(store: Store, home: Path) -> Store:
    """Two articles in the index."""
    publish(store, home)
    return store


def test_reindex_prints_a_proof_and_keeps_it(wireroom: Wireroom, published: Store) -> None:
    proof = wireroom("reindex", "--json").json
    assert (proof["ok"], proof["documents"], proof["missing"]) == (True, 2, {"count": 0, "named": []})
    assert proof["report"]["by_outlet"]["old"] == proof["report"]["by_outlet"]["new"]
    live, kept = wireroom("reindex", "status", "--json").lines
    assert (live["state"], live["searched"], kept["state"]) == ("live", True, "kept")
    assert live["proof"]["sha256"] == proof["sha256"]
    assert wireroom("search", "bridge", "--json").json["total"] == 2


def test_reindex_says_what_it_did(wireroom: Wireroom, published: Store) -> None:
    said = wireroom("reindex")
    assert (said.code, said.out.splitlines()[-1]) == (0, "equal: it is searched now")
    assert "exchanged" in said.err
    assert "proved equal" in wireroom("reindex", "status").out


def test_a_dry_run_changes_nothing(wireroom: Wireroom, published: Store) -> None:
    before = read_generations(published)
    said = wireroom("reindex", "--dry-run", "--keep", "0")
    assert "would build a new generation: 2 documents to write of 2" in said.out
    assert f"would delete {live_generation(published)} afterwards" in said.out
    assert read_generations(published) == before


def test_rollback_goes_back(wireroom: Wireroom, published: Store) -> None:
    before = live_generation(published)
    wireroom("reindex")
    assert (
        wireroom("reindex", "rollback", "--json").json["generation"] == before == live_generation(published)
    )


def test_rollback_without_a_kept_generation_is_one_line(wireroom: Wireroom, published: Store) -> None:
    said = wireroom("reindex", "rollback")
    assert (said.code, said.out) == (1, "")
    assert "no earlier generation is kept" in said.err


def test_a_second_reindex_is_refused_in_one_line(wireroom: Wireroom, published: Store) -> None:
    hold_building(published, "g20260101000000-ab12", owner="elsewhere:1:reindex:0", mapping=1)
    said = wireroom("reindex")
    assert (said.code, said.out) == (1, "")
    assert "is being built by process 1 on elsewhere" in said.err


def test_more_writers_than_the_index_has_are_refused(wireroom: Wireroom, published: Store) -> None:
    said = wireroom("reindex", "--processes", "2")
    assert (said.code, said.err) == (2, "wireroom: --processes 2: the embedded index has one writer\n")


def test_a_kept_generation_that_lost_a_document_is_mended_only_if_the_store_knows(
    wireroom: Wireroom, published: Store, home: Path
) -> None:
    kept = live_generation(published)
    assert kept is not None
    wireroom("reindex")
    with closing(TantivyGenerations(home / "index").open(kept)) as index:
        index.remove([Tombstone(id_of(BRIDGE), 99, 0.0)])
        index.commit()
    said = wireroom("reindex", "rollback")
    assert said.code == 1
    assert f"missing: {id_of(BRIDGE)}" in said.out
    assert said.out.splitlines()[-1].startswith("not equal")
    assert live_generation(published) != kept


def test_doctor_offers_reindex_when_the_fields_are_older(wireroom: Wireroom, published: Store) -> None:
    with published.write() as connection:
        connection.execute(update(generations).values(mapping=0))
    said = wireroom("doctor")
    assert "fields: wireroom reindex" in said.out
