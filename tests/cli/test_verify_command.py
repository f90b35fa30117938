"""`wireroom verify` finds what was broken by hand, says what to do, and mends what is safe."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import delete, update

from pipeline.indexing.tantivy import tantivy_document
from pipeline.indexing.tantivy_folder import open_for_writing
from pipeline.model import Stage, State
from pipeline.services import Services, open_services
from pipeline.settings import read_settings
from pipeline.stages.index import index
from pipeline.stages.shift import begin_shift
from pipeline.store.claims import claim_articles
from pipeline.store.enriched import read_document
from pipeline.store.generations import live_generation
from pipeline.store.leases import sweep
from pipeline.store.mending import hold_back, is_held_back
from pipeline.store.store import Store
from pipeline.store.tables import articles, documents, feeds, pages, sightings, urls
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import BRIDGE, FEED, HARBOUR, entry, id_of, poll, publish


@pytest.fixture
def services(store: Store, home: Path) -> Iterator[Services]:
    """Two articles, indexed by the index stage itself."""
    publish(store, home)
    with closing(open_services(read_settings({"WIREROOM_HOME": str(home)}))) as opened:
        yield opened


def slugs(wireroom: Wireroom, *options: str) -> list[str]:
    return [each["slug"] for each in wireroom("verify", "--json", *options).json["problems"]]


def let_index_work(services: Services) -> None:
    index(services, begin_shift(lambda _stage: None, Event(), budget_s=60.0))


def rewrite(services: Services, **changed: object) -> None:
    """Write the bridge into the index otherwise than the store has it."""
    document = read_document(services.store, id_of(BRIDGE))
    assert document is not None
    with closing(services.generations.open(live_generation(services.store) or "")) as writer:
        writer.put([replace(document, **changed)])  # type: ignore[arg-type]
        writer.commit()


def refill(services: Services) -> None:
    """Fill the index from the store, so that every content is the store's."""
    services.generations.delete("none")
    with closing(services.generations.open(live_generation(services.store) or "")) as writer:
        for url in (BRIDGE, HARBOUR):
            document = read_document(services.store, id_of(url))
            assert document is not None
            writer.put([document])
        writer.commit()


def test_what_is_sound_is_said_to_be_so(wireroom: Wireroom, services: Services) -> None:
    ran = wireroom("verify", "--all")
    assert ran.code == 0
    assert ran.out == ("all is well: 2 articles, 2 documents in the index (2 hashed), 1 page read back\n")
    assert wireroom("verify", "--json").json["ok"] is True


@pytest.mark.parametrize(
    ("slug", "table", "values"),
    [
        ("stuck", articles, {"state": State.FETCHED, "stage": None}),
        ("state-unknown", articles, {"state": "lost"}),
        ("reason-missing", articles, {"state": State.QUARANTINED}),
        ("twin-missing", articles, {"reason": "duplicate", "duplicate_of": "0" * 32}),
        ("version-differs", documents, {"version": 7}),
        ("document-damaged", documents, {"document": b"torn"}),
        ("text-left", articles, {"state": State.DROPPED, "reason": "removed"}),
        ("entries-missing", feeds, {"entries": 9}),
        ("page-missing", pages, {"digest": "sha1:OTHER"}),
        ("lease-ended", feeds, {"lease_owner": "elsewhere:1:poll:0", "lease_until": 5.0}),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_each_row_that_is_wrong_is_found(
    wireroom: Wireroom, services: Services, slug: str, table: object, values: dict[str, object]
) -> None:
    with services.store.write() as connection:
        connection.execute(update(table).values(**values))  # type: ignore[arg-type]
    ran = wireroom("verify")
    [line] = [line for line in ran.out.splitlines() if line.startswith(f"{slug}: ")]
    assert ran.code == 1
    assert "; " in line


@pytest.mark.parametrize(
    ("slug", "table"),
    [("url-missing", urls), ("sighting-missing", sightings), ("document-missing", documents)],
)
def test_a_partner_that_is_gone_is_missed(
    wireroom: Wireroom, services: Services, slug: str, table: object
) -> None:
    with services.store.write() as connection:
        connection.execute(delete(table))  # type: ignore[arg-type]
    assert slug in slugs(wireroom)


def test_a_file_of_the_archive_that_lost_its_index_is_found(
    wireroom: Wireroom, services: Services, home: Path
) -> None:
    [sidecar] = (home / "archive").glob("*.cdxj")
    sidecar.unlink()
    [problem] = wireroom("verify", "--json").json["problems"]
    named = [f"{sidecar.stem}.warc.gz"]
    assert (problem["slug"], problem["named"], problem["mended"]) == ("archive-unindexed", named, False)


def test_rows_whose_article_is_gone_are_found(wireroom: Wireroom, services: Services) -> None:
    with services.store.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("DELETE FROM articles")
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
    found = slugs(wireroom)
    for table in ("documents", "pages", "urls", "sightings", "projections"):
        assert f"orphan-{table}" in found


def leave_one_stuck_and_one_held(store: Store) -> None:
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR))
    with store.write() as connection:
        stuck = {"stage": None, "due_at": None}
        connection.execute(update(articles).where(articles.c.id == id_of(BRIDGE)).values(**stuck))
        held = {"lease_owner": "elsewhere:1:fetch:0", "lease_until": 5.0, "attempts": 1}
        connection.execute(update(articles).where(articles.c.id == id_of(HARBOUR)).values(**held))


def test_up_is_named_only_for_what_its_tick_mends(wireroom: Wireroom, store: Store) -> None:
    leave_one_stuck_and_one_held(store)
    told = {each["slug"]: each["do"] for each in wireroom("verify", "--json").json["problems"]}
    sweep(store)
    assert {slug for slug, do in told.items() if "`wireroom up`" not in do} == {"stuck"}
    assert slugs(wireroom) == ["stuck"]


def test_repair_frees_leases_and_sends_on_what_is_stuck(wireroom: Wireroom, store: Store) -> None:
    leave_one_stuck_and_one_held(store)
    ran = wireroom("verify", "--repair")
    assert (ran.code, ran.out.count("; mended\n")) == (0, 2)
    assert slugs(wireroom) == []
    with store.read() as connection:
        rows = connection.execute(articles.select()).all()
    assert {(row.stage, row.lease_owner) for row in rows} == {(Stage.FETCH, None)}


def test_an_index_that_lost_a_document_is_given_it_again(wireroom: Wireroom, services: Services) -> None:
    name = live_generation(services.store) or ""
    with closing(services.generations.open(name)) as writer:
        writer._write(id_of(BRIDGE), 0, _stone(id_of(BRIDGE)), removed=True)  # type: ignore[attr-defined]
        writer.commit()
    assert slugs(wireroom) == ["index-missing"]
    assert wireroom("verify", "--repair").code == 0
    let_index_work(services)
    assert slugs(wireroom, "--all") == []
    assert wireroom("search", "bridge", "--json").json["total"] == 2


def _stone(id: str) -> object:
    from pipeline.indexing.tantivy import _identity

    return _identity(id, 0, removed=True)


@pytest.mark.parametrize(("slug", "version"), [("index-newer", 5), ("index-content", 1)])
def test_an_index_that_is_ahead_is_overtaken(
    wireroom: Wireroom, services: Services, slug: str, version: int
) -> None:
    title = "From another future"
    if slug == "index-content":
        _forget(services)
    rewrite(services, version=version, title=title)
    assert slugs(wireroom, "--all") == [slug]
    assert wireroom("verify", "--repair", "--all").code == 0
    let_index_work(services)
    assert slugs(wireroom, "--all") == []
    assert wireroom("search", "future", "--json").json["total"] == 0
    assert wireroom("show", BRIDGE, "--json").json["version"] == version + 1


def _forget(services: Services) -> None:
    """Take the bridge out of the index without a trace, so that its version can be written again."""
    name = live_generation(services.store) or ""
    with closing(services.generations.open(name)) as writer:
        writer._open_writer().delete_documents_by_term("id", id_of(BRIDGE))  # type: ignore[attr-defined]
        writer._uncommitted["nothing"] = (0, True)  # type: ignore[attr-defined]
        writer.commit()


def _refuse_edit(services: Services) -> None:
    """Write a second version of the bridge, which the index refused."""
    with services.store.write() as connection:
        mine = articles.c.id == id_of(BRIDGE)
        connection.execute(update(articles).where(mine).values(version=2, reason="index-rejected"))
        connection.execute(update(documents).where(documents.c.article_id == id_of(BRIDGE)).values(version=2))


def test_a_version_that_the_index_refuses_is_told_as_such_and_never_as_mended(
    wireroom: Wireroom, services: Services
) -> None:
    _refuse_edit(services)
    ran = wireroom("verify", "--repair")
    assert (ran.code, "; mended" in ran.out) == (1, False)
    assert ran.out.startswith("index-refused: 1 × ")
    assert "`wireroom quarantine replay URL` tries again" in ran.out
    assert slugs(wireroom) == ["index-refused"]


def test_a_refused_version_does_not_hold_the_index_back_after_a_restore(
    wireroom: Wireroom, services: Services
) -> None:
    _refuse_edit(services)
    hold_back(services.store)
    wireroom("verify", "--repair")
    assert not is_held_back(services.store)


def test_a_dropped_article_that_the_index_still_holds_is_taken_out(
    wireroom: Wireroom, services: Services, home: Path
) -> None:
    wireroom("remove", BRIDGE, "--reason", "court order")
    name = live_generation(services.store) or ""
    document = read_document(services.store, id_of(HARBOUR))
    assert document is not None
    with closing(services.generations.open(name)) as writer:
        writer.put([replace(document, id=id_of(BRIDGE), version=9)])
        writer.commit()
    assert slugs(wireroom) == ["index-removed"]
    assert wireroom("verify", "--repair").code == 0
    let_index_work(services)
    assert slugs(wireroom) == []
    assert wireroom("search", "bridge", "--json").json["total"] == 1


def test_a_document_that_the_store_does_not_know_needs_a_rebuild(
    wireroom: Wireroom, services: Services
) -> None:
    rewrite(services, id="0" * 32, version=3)
    ran = wireroom("verify", "--repair")
    assert ran.code == 1
    assert ran.out.startswith("index-unknown: 1 × documents in the index of which the store knows nothing")
    assert "wireroom reindex" in ran.out
    assert wireroom("reindex", "--keep", "0").code == 0
    assert slugs(wireroom) == []


def test_a_page_that_cannot_be_read_does_not_count_as_read_back(
    wireroom: Wireroom, services: Services
) -> None:
    with services.store.write() as connection:
        connection.execute(update(pages).values(digest="sha1:OTHER"))
    assert wireroom("verify", "--json").json["checked"]["pages_hashed"] == 0


def test_a_document_that_the_index_holds_twice_needs_a_rebuild(
    wireroom: Wireroom, services: Services
) -> None:
    document = read_document(services.store, id_of(BRIDGE))
    assert document is not None
    generation = live_generation(services.store) or ""
    _index, writer = open_for_writing(services.settings.index_folder, generation)
    writer.add_document(tantivy_document(document))
    writer.commit()
    writer.wait_merging_threads()
    ran = wireroom("verify", "--repair")
    assert ran.code == 1
    assert ran.out.startswith("index-doubled: 1 × documents that the index holds more than once")
    assert wireroom("reindex", "--keep", "0").code == 0
    assert slugs(wireroom) == []


def test_a_live_generation_that_searches_do_not_see_is_found(wireroom: Wireroom, services: Services) -> None:
    (services.settings.index_folder / "exposed").write_text("nonsense")
    assert slugs(wireroom) == ["index-hidden"]
    let_index_work(services)
    assert slugs(wireroom) == []


def test_an_index_that_is_held_back_is_let_go_by_a_repair(wireroom: Wireroom, services: Services) -> None:
    hold_back(services.store)
    assert slugs(wireroom) == ["index-held-back"]
    assert claim_articles(services.store, Stage.INDEX, owner="a:1:index:0", limit=1) == ()
    assert wireroom("verify", "--repair").code == 0
    assert not is_held_back(services.store)


def test_what_a_worker_holds_is_not_called_mended_and_holds_index_back(
    wireroom: Wireroom, services: Services
) -> None:
    rewrite(services, version=5, title="From another future")
    hold_back(services.store)
    held = {"lease_owner": "elsewhere:1:enrich:0", "lease_until": services.store.now() + 60.0}
    with services.store.write() as connection:
        connection.execute(update(articles).where(articles.c.id == id_of(BRIDGE)).values(**held))
    ran = wireroom("verify", "--repair")
    assert (ran.code, "mended" in ran.out, is_held_back(services.store)) == (1, False, True)
    assert "a worker has it just now: look again in a minute" in ran.out


def test_it_works_beside_what_is_under_way(wireroom: Wireroom, services: Services) -> None:
    poll(
        services.store,
        "https://courier.example/other.xml",
        entry("https://courier.example/new"),
        entry(BRIDGE),
    )
    claim_articles(services.store, Stage.INDEX, owner="elsewhere:1:index:0", limit=1)
    assert slugs(wireroom) == []
