"""What rows can never say is found, in both kinds of store; what is sound is left in peace."""

from pathlib import Path

import pytest
from sqlalchemy import delete, update

from pipeline.identity import url_key
from pipeline.model import FeedKind, Stage, State
from pipeline.store.claims import claim_articles
from pipeline.store.enriched import Twin, read_document, record_duplicate
from pipeline.store.found import known_articles
from pipeline.store.generations import hold_building, live_generation, read_generations, swap
from pipeline.store.mending import (
    hold_back,
    is_held_back,
    let_index_go,
    overtake,
    put_again,
    read_due,
    take_out,
)
from pipeline.store.removal import read_places, remove
from pipeline.store.soundness import check_documents, check_file, check_leases, check_rows, send_on
from pipeline.store.status import read_funnel
from pipeline.store.store import Store
from pipeline.store.subscriptions import poll_feeds
from pipeline.store.tables import articles, documents, feeds, sightings
from pipeline.verifying.records import read_back
from tests.cli.newsroom import BRIDGE, FEED, HARBOUR, OWNER, entry, fetch, id_of, index, poll, publish

OTHER_FEED = "https://ledger.example/rss"


def slugs(store: Store) -> list[str]:
    return [fault.slug for fault in (*check_file(store), *check_rows(store), *check_leases(store))]


def test_a_sound_store_has_no_faults(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    remove(store, id_of(HARBOUR), reason="asked for", erase=lambda _position: None)
    assert slugs(store) == []
    assert list(check_documents(store)) == []
    assert read_back(store, tmp_path / "archive", sample=5).broken == ()


def poll_both_addresses_of_one(store: Store, home: Path) -> None:
    """Poll a feed that shows an article and its duplicate, and find out that they are one."""
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR))
    fetch(store, home)
    claims = {claim.url: claim for claim in claim_articles(store, Stage.ENRICH, owner=OWNER, limit=2)}
    twin = Twin(id=id_of(BRIDGE), document=None, is_coming=True, is_removed=False)
    record_duplicate(store, claims[HARBOUR], twin, detail="same guid")


def test_a_duplicate_and_its_twin_are_sound(store: Store, tmp_path: Path) -> None:
    poll_both_addresses_of_one(store, tmp_path)
    assert slugs(store) == []


def test_two_known_addresses_of_one_article_in_one_feed_are_sound_and_add_up(
    store: Store, tmp_path: Path
) -> None:
    poll_both_addresses_of_one(store, tmp_path)
    poll(store, OTHER_FEED, entry(BRIDGE), entry(HARBOUR))
    assert slugs(store) == []
    funnel = read_funnel(store)
    assert (funnel.entries, funnel.repeated, funnel.sightings) == (4, 1, 3)


def test_a_feed_that_showed_both_before_they_were_one_adds_up_when_it_shows_them_again(
    store: Store, tmp_path: Path
) -> None:
    poll_both_addresses_of_one(store, tmp_path)
    poll_feeds(store, [FEED])
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR, title="The harbour is open"))
    funnel = read_funnel(store)
    assert (funnel.entries, funnel.repeated, funnel.sightings) == (2, 0, 2)


def test_an_index_of_sitemaps_that_list_the_same_article_is_sound(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    with store.write() as connection:
        connection.execute(update(feeds).values(entries=9, kind=FeedKind.INDEX))
    assert slugs(store) == []


@pytest.mark.parametrize(
    ("slug", "table", "values"),
    [
        ("stuck", articles, {"state": State.ENRICHED, "due_at": None}),
        ("state-unknown", articles, {"state": "lost"}),
        ("version-differs", documents, {"revision": 9}),
        ("entries-missing", feeds, {"entries": 9}),
        ("lease-ended", articles, {"lease_owner": "elsewhere:1:index:0", "lease_until": 5.0}),
    ],
)
def test_each_row_that_is_wrong_is_found(
    store: Store, tmp_path: Path, slug: str, table: object, values: dict[str, object]
) -> None:
    publish(store, tmp_path)
    with store.write() as connection:
        connection.execute(update(table).values(**values))  # type: ignore[arg-type]
    assert slug in slugs(store)


def test_sightings_that_are_gone_are_missed(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    with store.write() as connection:
        connection.execute(delete(sightings))
    assert slugs(store) == ["sighting-missing", "entries-missing"]


def test_a_torn_document_is_found(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    with store.write() as connection:
        mine = documents.c.article_id == id_of(BRIDGE)
        connection.execute(update(documents).where(mine).values(document=b"torn"))
    assert list(check_documents(store)) == [id_of(BRIDGE)]


@pytest.mark.parametrize(
    ("state", "stage"),
    [(State.FOUND, Stage.FETCH), (State.FETCHED, Stage.ENRICH), (State.ENRICHED, Stage.INDEX)],
)
@pytest.mark.parametrize("lost", [{"stage": None, "due_at": None}, {"due_at": None}])
def test_what_is_stuck_goes_on_where_it_stood(
    store: Store, state: State, stage: Stage, lost: dict[str, None]
) -> None:
    poll(store, FEED, entry(BRIDGE))
    with store.write() as connection:
        connection.execute(update(articles).values(**{"state": state, "stage": stage, **lost}))
    send_on(store, [id_of(BRIDGE)])
    with store.read() as connection:
        assert connection.execute(articles.select()).one().stage == stage
    assert "stuck" not in slugs(store)


def test_a_document_is_put_again(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    name = live_generation(store) or ""
    put_again(store, name, [id_of(BRIDGE)])
    assert read_due(store, name)[id_of(BRIDGE)].is_due
    assert not read_due(store, name)[id_of(HARBOUR)].is_due
    index(store, tmp_path)
    assert read_due(store, name)[id_of(BRIDGE)].projected == 1


def test_a_version_is_overtaken_in_article_and_document(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    assert overtake(store, live_generation(store) or "", {id_of(BRIDGE): 7}) == frozenset()
    found = read_document(store, id_of(BRIDGE))
    assert found is not None
    assert found.version == 8
    assert slugs(store) == []
    assert list(check_documents(store)) == []
    [claim] = claim_articles(store, Stage.INDEX, owner=OWNER, limit=5)
    assert (claim.id, claim.version) == (id_of(BRIDGE), 8)


def test_what_a_worker_holds_is_not_overtaken(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    with store.write() as connection:
        held = {"lease_owner": OWNER, "lease_until": store.now() + 60.0}
        connection.execute(update(articles).values(**held))
    assert overtake(store, live_generation(store) or "", {id_of(BRIDGE): 7}) == {id_of(BRIDGE)}


def test_a_tombstone_is_due_in_the_version_that_is_held(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    remove(store, id_of(BRIDGE), reason="", erase=lambda _position: None)
    index(store, tmp_path)
    take_out(store, live_generation(store) or "", {id_of(BRIDGE): 9})
    [claim] = claim_articles(store, Stage.INDEX, owner=OWNER, limit=5)
    assert (claim.id, claim.state, claim.version) == (id_of(BRIDGE), State.DROPPED, 9)


def test_while_it_is_held_back_index_claims_nothing(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    put_again(store, live_generation(store) or "", [id_of(BRIDGE)])
    hold_back(store)
    assert is_held_back(store)
    assert claim_articles(store, Stage.INDEX, owner=OWNER, limit=5) == ()
    let_index_go(store)
    assert len(claim_articles(store, Stage.INDEX, owner=OWNER, limit=5)) == 1


def test_only_a_rebuild_that_ends_lets_index_go(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    hold_back(store)
    name = hold_building(store, "second", owner=OWNER, mapping=1)
    assert is_held_back(store)
    assert {each.name for each in read_generations(store)} == {live_generation(store), name}
    swap(store, name, OWNER, proof={})
    assert not is_held_back(store)


def test_where_a_removed_article_stood_is_still_known(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    keys = [key for link in (HARBOUR, BRIDGE) if (key := url_key(link))]
    assert not known_articles(store, keys).is_any_removed
    remove(store, id_of(BRIDGE), reason="", erase=lambda _position: None)
    places = read_places(store, id_of(BRIDGE))
    assert (places.urls, places.feeds) == ((BRIDGE,), (FEED,))
    assert known_articles(store, keys).is_any_removed
