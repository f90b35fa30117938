"""A rebuild: nothing lost, nothing stale, nothing risen; and a proof that finds a single wrong field."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import update

from pipeline.errors import GenerationMovedError, RebuildBusyError, RebuildFailedError
from pipeline.indexing.elasticsearch import ElasticsearchGenerations
from pipeline.indexing.elasticsearch_months import Month, month_of
from pipeline.indexing.elasticsearch_source import source
from pipeline.indexing.index import Tombstone
from pipeline.indexing.laps import Progress
from pipeline.indexing.live import open_live
from pipeline.indexing.proof import Proof
from pipeline.indexing.rebuild import rebuild, roll_back
from pipeline.indexing.tantivy import tantivy_document
from pipeline.indexing.tantivy_folder import open_for_writing
from pipeline.model import Document, Stage
from pipeline.services import Services, mapping_version
from pipeline.store.claims import claim_articles
from pipeline.store.enriched import read_document
from pipeline.store.generations import hold_building, live_generation, names_kept, read_generations
from pipeline.store.indexed import Indexed, record_indexed
from pipeline.store.tables import generations
from tests.indexing.desk import (
    SEEN_AT,
    due_versions,
    edit,
    held_versions,
    index_all,
    new_document,
    publish,
    take_away,
    write,
)

A_MONTH_S = 31 * 86_400.0
IDS = tuple(f"a{number:03}" for number in range(40))


def at_phase(phase: str, do: Callable[[], None]) -> Callable[[Progress], None]:
    """Do something once, when a rebuild comes to a phase."""
    done: list[str] = []

    def report(progress: Progress) -> None:
        if progress.phase == phase and not done:
            done.append(phase)
            do()

    return report


def build(services: Services, report: Callable[[Progress], None] = lambda _progress: None) -> Proof:
    return rebuild(services, processes=1, rate=None, keep=1, report=report)


# A rebuild on a server takes a quarter of a minute: run there is what depends on the index, the rest is not.
EVERYWHERE = pytest.mark.parametrize(
    "settings", ["sqlite", "postgresql", "elasticsearch8", "elasticsearch9"], indirect=True
)


@EVERYWHERE
def test_a_rebuild_fills_a_new_generation_and_exposes_it(services: Services) -> None:
    publish(services, IDS)
    old = live_generation(services.store)
    proof = build(services)
    assert (proof.ok, proof.documents, proof.written) == (True, 40, 40)
    assert live_generation(services.store) == services.generations.exposed() == proof.generation != old
    assert held_versions(services) == due_versions(services.store)
    assert list(names_kept(services.store)) == [old]


@EVERYWHERE
def test_what_happens_in_the_last_lap_is_in_the_new_generation(services: Services) -> None:
    publish(services, IDS)

    def happen() -> None:
        edit(services.store, "a001", title="Another title")
        take_away(services.store, "a002")
        write(services.store, [new_document("b001")])

    proof = build(services, at_phase("last lap", happen))
    assert (proof.ok, proof.documents, proof.put_in_pause) == (True, 39, 1)
    assert proof.hashed_in_pause == 1
    index_all(services)
    assert held_versions(services) == due_versions(services.store)
    assert set(held_versions(services)) == {*IDS, "b001"} - {"a002"}


def test_what_happens_between_proof_and_exchange_is_in_the_new_generation(services: Services) -> None:
    publish(services, IDS)

    def happen() -> None:
        edit(services.store, "a001", title="Another title")
        take_away(services.store, "a002")

    assert build(services, at_phase("proved", happen)).ok
    index_all(services)
    assert held_versions(services) == due_versions(services.store)


def test_index_claims_nothing_in_the_last_lap_and_goes_on_after_it(services: Services) -> None:
    publish(services, IDS)
    write(services.store, [new_document("b001")])
    claimed: list[int] = []

    def claim() -> None:
        claimed.append(len(claim_articles(services.store, Stage.INDEX, owner="x:1:index:0", limit=9)))

    build(services, at_phase("last lap", claim))
    assert claimed == [0]
    index_all(services)
    assert "b001" in held_versions(services)


def test_what_index_held_before_the_exchange_ends_in_the_new_generation(services: Services) -> None:
    publish(services, IDS)
    write(services.store, [new_document("b001")])
    writer, generation = open_live(services)

    with closing(writer):
        claims = claim_articles(services.store, Stage.INDEX, owner="x:1:index:0", limit=9)
        assert build(services).ok

        with pytest.raises(GenerationMovedError):
            record_indexed(services.store, generation, [Indexed(claim=claims[0], version=1)])


def test_a_second_builder_is_refused_while_the_first_lives(services: Services) -> None:
    publish(services, IDS)

    def second() -> None:
        with pytest.raises(RebuildBusyError, match="wireroom reindex status"):
            build(services)
        with pytest.raises((RebuildBusyError, RebuildFailedError)):
            roll_back(services, processes=1, keep=1, report=lambda _progress: None)

    assert build(services, at_phase("last lap", second)).ok


def test_a_dead_builders_generation_is_gone_on_with(services: Services) -> None:
    publish(services, IDS)
    mapping = mapping_version(services.settings)
    begun = "g20260101000000-ab12"
    name = hold_building(services.store, begun, owner="elsewhere:1:reindex:0", mapping=mapping)
    with pytest.raises(RebuildBusyError):
        build(services)
    with services.store.write() as connection:
        connection.execute(update(generations).values(owned_until=0.0))
    assert build(services).generation == name


KILLED = """
import os, signal, sys
from pipeline.indexing.rebuild import rebuild
from pipeline.services import open_services
from pipeline.settings import read_settings

def report(progress):
    if progress.phase == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)

rebuild(open_services(read_settings(os.environ)), processes=1, rate=None, keep=1, report=report)
"""


@pytest.mark.parametrize("phase", ["building", "last lap", "proved", "exchanged", "exposed"])
def test_a_builder_that_was_killed_is_gone_on_with_at_once(services: Services, phase: str) -> None:
    publish(services, IDS)
    environ = {**os.environ, **services.settings.as_environ()}
    killed = subprocess.run([sys.executable, "-c", KILLED, phase], env=environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    begun = [each.name for each in read_generations(services.store) if each.state == "building"]
    edit(services.store, "a001", title="Another title")
    take_away(services.store, "a002")
    write(services.store, [new_document("b001")])
    proof = build(services)
    assert proof.ok
    assert begun in ([], [proof.generation])
    index_all(services)
    assert services.generations.exposed() == live_generation(services.store) == proof.generation
    assert held_versions(services) == due_versions(services.store)
    assert set(held_versions(services)) == {*IDS, "b001"} - {"a002"}


def test_an_exchange_that_a_crash_cut_short_is_ended_by_the_next_index_shift(services: Services) -> None:
    publish(services, IDS)
    environ = {**os.environ, **services.settings.as_environ()}
    subprocess.run([sys.executable, "-c", KILLED, "exchanged"], env=environ, check=False)
    assert services.generations.exposed() != live_generation(services.store)
    index_all(services)
    assert services.generations.exposed() == live_generation(services.store)
    assert held_versions(services) == due_versions(services.store)


# The proof


def corrupt_one(services: Services, generation: str) -> None:
    document = read_document(services.store, "a007")
    assert document is not None
    overwrite(services, generation, replace(document, authors=("Somebody Else",)))


def overwrite(services: Services, generation: str, document: Document) -> None:
    """Write a document behind the back of versions, as a fault of the disk would."""
    if isinstance(services.generations, ElasticsearchGenerations):
        month = Month(generation, month_of(document.first_seen_at))
        forced = {"version": document.version, "version_type": "external_gte"}
        client = services.generations.connection.client
        client.index(index=month.alias, id=document.id, document=source(document), **forced)
        return
    _index, writer = open_for_writing(services.settings.index_folder, generation)
    writer.delete_documents_by_term("id", document.id)
    writer.add_document(tantivy_document(document))
    writer.commit()
    writer.wait_merging_threads()


def lose_one(services: Services, generation: str) -> None:
    with closing(services.generations.open(generation)) as index:
        index.remove([Tombstone("a007", 99, SEEN_AT)])
        index.commit()


def add_one(services: Services, generation: str) -> None:
    with closing(services.generations.open(generation)) as index:
        index.put([new_document("stranger")])
        index.commit()


def double_one(services: Services, generation: str) -> None:
    """Put a document a second time, into the index of another month or past the key of the embedded one."""
    document = read_document(services.store, "a007")
    assert document is not None
    if isinstance(services.generations, ElasticsearchGenerations):
        with closing(services.generations.open(generation)) as index:
            index.put([replace(document, first_seen_at=document.first_seen_at - A_MONTH_S)])
            index.commit()
        return
    _index, writer = open_for_writing(services.settings.index_folder, generation)
    writer.add_document(tantivy_document(document))
    writer.commit()
    writer.wait_merging_threads()


def fail(services: Services, phase: str, damage: Callable[[Services, str], None]) -> Proof:
    """Damage the generation that is being built at a phase; give the proof."""
    publish(services, IDS)

    def happen() -> None:
        (building,) = (each.name for each in read_generations(services.store) if each.state == "building")
        damage(services, building)

    return build(services, at_phase(phase, happen))


@EVERYWHERE
@pytest.mark.parametrize("phase", ["last lap"])
@pytest.mark.parametrize(
    ("damage", "difference", "name"),
    [
        (corrupt_one, "contents", "a007"),
        (lose_one, "missing", "a007"),
        (add_one, "extra", "stranger"),
        (double_one, "extra", "a007"),
    ],
    ids=["corrupt", "missing", "extra", "doubled"],
)
def test_one_wrong_document_fails_the_proof_and_is_named(
    services: Services, phase: str, damage: Callable[[Services, str], None], difference: str, name: str
) -> None:
    proof = fail(services, phase, damage)
    assert not proof.ok
    assert proof.differences.count == 1
    assert getattr(proof.differences, difference) == (name,)
    assert live_generation(services.store) == services.generations.exposed() != proof.generation
    if difference == "contents":
        assert proof.fields == {"a007": ("authors",)}


def test_a_failed_generation_is_left_for_a_look_and_makes_way_for_the_next(services: Services) -> None:
    failed = fail(services, "last lap", lose_one).generation
    assert services.generations.exists(failed)
    (kept,) = (each.proof for each in read_generations(services.store) if each.name == failed)
    assert kept is not None
    assert kept["missing"] == {"count": 1, "named": ["a007"]}
    proof = build(services)
    assert (proof.ok, proof.generation != failed) == (True, True)
    assert not services.generations.exists(failed)


# Rolling back


@EVERYWHERE
def test_the_generation_before_is_brought_up_to_date_and_exposed_again(services: Services) -> None:
    publish(services, IDS)
    old = live_generation(services.store)
    build(services)
    edit(services.store, "a001", title="Another title")
    take_away(services.store, "a002")
    write(services.store, [new_document("b001")])
    index_all(services)
    proof = roll_back(services, processes=1, keep=1, report=lambda _progress: None)
    assert (proof.ok, proof.generation, services.generations.exposed()) == (True, old, old)
    assert held_versions(services) == due_versions(services.store)
    assert set(held_versions(services)) == {*IDS, "b001"} - {"a002"}


def test_without_a_kept_generation_there_is_no_way_back(services: Services) -> None:
    publish(services, IDS)
    with pytest.raises(RebuildFailedError, match="no earlier generation is kept"):
        roll_back(services, processes=1, keep=1, report=lambda _progress: None)


def test_generations_beyond_those_to_keep_are_deleted(services: Services) -> None:
    publish(services, IDS)
    first = live_generation(services.store)
    second = build(services).generation
    third = build(services).generation
    assert first is not None
    assert not services.generations.exists(first)
    assert sorted(services.generations.names()) == sorted([second, third])
    assert {each.name for each in read_generations(services.store)} == {second, third}


def test_a_removed_article_is_gone_from_a_generation_that_failed_its_proof(services: Services) -> None:
    publish(services, IDS)

    def lose() -> None:
        name = next(each.name for each in read_generations(services.store) if each.state == "building")
        with closing(services.generations.open(name)) as index:
            index.remove([Tombstone("a007", 99, SEEN_AT)])
            index.commit()

    failed = build(services, at_phase("last lap", lose))
    assert not failed.ok
    assert "a002" in held_versions(services, failed.generation)
    take_away(services.store, "a002")
    index_all(services)
    assert "a002" not in held_versions(services, failed.generation)


@EVERYWHERE
def test_a_removed_article_is_gone_from_the_kept_generation_too(services: Services) -> None:
    publish(services, IDS)
    old = live_generation(services.store)
    build(services)
    take_away(services.store, "a002")
    index_all(services)
    assert "a002" not in held_versions(services, old)
    assert "a002" not in held_versions(services)
