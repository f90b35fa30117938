"""Re-runs: what is queued, what is taken and when, and how each ends. On both stores."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from pipeline.errors import WireroomError
from pipeline.model import Stage
from pipeline.outcomes import Cause
from pipeline.reprocessing.changes import compare
from pipeline.store.claimed import ArticleClaim
from pipeline.store.claims import claim_articles
from pipeline.store.due import due_stages, waiting
from pipeline.store.enriched import read_document, read_material, record_document
from pipeline.store.generations import adopt_generation, live_generation
from pipeline.store.indexed import Indexed, record_indexed
from pipeline.store.leases import blame, free_all, release, sweep
from pipeline.store.removal import remove
from pipeline.store.reruns import (
    INDEX_BACKLOG,
    begin,
    claim_reruns,
    read_changes,
    read_indexed,
    read_reprocessing,
    record_kept,
    stop,
)
from pipeline.store.store import Store
from pipeline.store.tables import articles, events, feeds, hosts, reprocessing
from tests.cli.newsroom import (
    BRIDGE,
    FEED,
    HARBOUR,
    OWNER,
    document,
    enrich,
    entry,
    fetch,
    id_of,
    poll,
)

OTHER_FEED = "https://other.example/feed.xml"
IDS = sorted((id_of(BRIDGE), id_of(HARBOUR)))


def index(store: Store) -> None:
    generation = live_generation(store) or adopt_generation(store, "g1", instead_of=None)
    claims = claim_articles(store, Stage.INDEX, owner=OWNER, limit=100)
    record_indexed(store, generation, [Indexed(claim=claim, version=claim.version) for claim in claims])


def publish(store: Store, home: Path) -> None:
    """Bring two articles to rest: the bridge with its page; the harbour without, to be tried again."""
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR))
    fetch(store, home, missing=frozenset({HARBOUR}))
    enrich(store)
    index(store)


def poll_again(store: Store, feed: str, *entries: Any) -> None:
    with store.write() as connection:
        connection.execute(update(feeds).values(next_poll_at=1e12))
        connection.execute(update(feeds).where(feeds.c.url == feed).values(next_poll_at=0))
        connection.execute(update(hosts).values(next_request_at=0))
    poll(store, feed, *entries)


def queue(store: Store, ids: list[str] = IDS, *, rate: float | None = None) -> None:
    begin(store, ids, conditions=["stamps!=current"], rate=rate)


def take(store: Store, limit: int = 4) -> tuple[ArticleClaim, ...]:
    return claim_reruns(store, owner=OWNER, limit=limit)


def row(store: Store, link: str) -> Any:
    with store.read() as connection:
        return connection.execute(select(articles).where(articles.c.id == id_of(link))).one()


def read_anew(store: Store, claim: ArticleClaim, title: str = "Read anew") -> bool:
    """End a re-run with another document."""
    after = document(claim, title=title)
    changes = asdict(compare(document(claim), after))
    return record_document(
        store, claim, after, aliases=(), detail="read again", retry_in_s=None, changes=changes
    )


def outcomes(store: Store) -> tuple[int, int, int, int]:
    run = read_reprocessing(store)
    assert run is not None
    return run.left, run.changed, run.unchanged, sum(run.failed.values())


def test_an_indexed_article_keeps_its_state_while_it_is_read_again(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    assert {each.id for each in read_indexed(store)} == set(IDS)
    queue(store, [id_of(BRIDGE)])
    assert waiting(store).due == 1
    assert due_stages(store) == (Stage.ENRICH,)
    (claim,) = take(store)
    assert (claim.rerun, claim.attempts, row(store, BRIDGE).stage) == (True, 1, "enrich")
    assert row(store, BRIDGE).state == "indexed"
    assert read_anew(store, claim)
    assert row(store, BRIDGE).state == "indexed"
    index(store)
    at_rest = row(store, BRIDGE)
    assert (at_rest.stage, at_rest.rerun, at_rest.version) == (None, False, 2)
    assert outcomes(store) == (0, 1, 0, 0)
    ((id, url, changes),) = read_changes(store)
    assert (id, url, changes["fields"]) == (id_of(BRIDGE), BRIDGE, ["title"])
    run = read_reprocessing(store)
    assert run is not None
    assert run.ended_at is not None
    assert (waiting(store).due, due_stages(store)) == (0, ())


def test_a_page_that_was_archived_is_read_though_the_article_is_partial(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    with store.write() as connection:
        partial = {"partial": "extraction-empty"}
        connection.execute(update(articles).where(articles.c.id == id_of(BRIDGE)).values(**partial))
    queue(store)
    pages = {claim.url: read_material(store, claim).position for claim in take(store)}
    assert pages[BRIDGE] is not None
    assert pages[HARBOUR] is None


def test_one_that_is_the_same_or_failed_rests_at_once_and_keeps_its_document(
    store: Store, tmp_path: Path
) -> None:
    publish(store, tmp_path)
    queue(store)
    same, failed = take(store)
    record_kept(store, same, slug=None, detail="the same")
    record_kept(store, failed, slug=Cause.ENRICH_CRASHED, detail="crashed")
    assert outcomes(store) == (0, 0, 1, 1)
    assert {row(store, link).version for link in (BRIDGE, HARBOUR)} == {1}
    assert Stage.INDEX not in due_stages(store)
    with store.read() as connection:
        told = connection.execute(
            select(events.c.outcome, events.c.slug).order_by(events.c.id.desc()).limit(2)
        ).all()
    assert sorted(told) == [("kept", "enrich-crashed"), ("unchanged", None)]


def test_a_page_that_was_to_be_tried_again_still_is(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    before = row(store, HARBOUR)
    assert before.stage == "fetch"
    queue(store, [id_of(HARBOUR)])
    (claim,) = take(store)
    record_kept(store, claim, slug=None, detail="the same")
    assert (row(store, HARBOUR).stage, row(store, HARBOUR).due_at) == ("fetch", before.due_at)
    queue(store, [id_of(HARBOUR)])
    (claim,) = take(store)
    read_anew(store, claim)
    index(store)
    assert (row(store, HARBOUR).stage, row(store, HARBOUR).due_at) == ("fetch", before.due_at)


def test_news_go_first(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    queue(store)
    poll_again(store, FEED, entry(BRIDGE), entry("https://courier.example/new"))
    fetch(store, tmp_path)
    assert take(store) == ()
    (news,) = claim_articles(store, Stage.ENRICH, owner=OWNER, limit=4)
    assert not news.rerun
    assert len(take(store)) == 2


def test_nothing_is_read_again_while_index_has_a_backlog(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    queue(store)
    with store.write() as connection:
        many = [
            {
                "id": f"many-{each}",
                "url": "u",
                "host": "h",
                "state": "indexed",
                "stage": "index",
                "due_at": 0.0,
                "news_at": 0.0,
                "first_seen_at": 0.0,
                "month": "2026-01",
            }
            for each in range(INDEX_BACKLOG + 1)
        ]
        connection.execute(articles.insert(), many)
    assert take(store) == ()
    with store.write() as connection:
        connection.execute(update(articles).where(articles.c.id == "many-0").values(stage=None))
    assert len(take(store)) == 2


def test_a_rate_is_kept(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    queue(store, rate=1 / 60)
    (first,) = take(store)
    record_kept(store, first, slug=None, detail="the same")
    assert take(store) == ()
    assert due_stages(store) == ()
    assert waiting(store).due == 1  # yet to be done, so a run until idle goes on
    with store.write() as connection:
        before = connection.execute(select(reprocessing.c.next_at)).scalar_one()
        connection.execute(update(reprocessing).values(next_at=before - 60))
    assert len(take(store)) == 1


def test_what_is_edited_is_left_to_its_fetch_and_read_again_after_it(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    queue(store, [id_of(BRIDGE)])
    (claim,) = take(store)
    poll_again(store, FEED, entry(BRIDGE, title="Edited"), entry(HARBOUR))
    assert read_anew(store, claim)
    after = row(store, BRIDGE)
    assert (after.stage, after.version, after.rerun) == ("fetch", 1, False)
    assert outcomes(store) == (1, 0, 0, 0)
    assert take(store) == ()  # the fetch comes first
    fetch(store, tmp_path)
    (edit,) = claim_articles(store, Stage.ENRICH, owner=OWNER, limit=4)
    assert not edit.rerun
    record_document(store, edit, document(edit, title="Edited"), aliases=(), detail="", retry_in_s=None)
    index(store)
    assert len(take(store)) == 1


def test_one_more_feed_meanwhile_is_not_lost(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    queue(store, [id_of(BRIDGE)])
    assert len(take(store)) == 1
    poll(store, OTHER_FEED, entry(BRIDGE))
    free_all(store)  # and its worker died
    (again,) = claim_articles(store, Stage.ENRICH, owner=OWNER, limit=4)
    assert again.rerun
    record_kept(store, again, slug=None, detail="the same")
    assert (row(store, BRIDGE).stage, row(store, BRIDGE).touched) == ("index", True)


def test_a_worker_that_died_or_stopped_loses_nothing(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    queue(store, [id_of(BRIDGE)])
    (lost,) = take(store)
    with store.write() as connection:
        connection.execute(update(articles).values(lease_until=1.0))
    sweep(store)
    with store.write() as connection:
        connection.execute(update(articles).where(articles.c.rerun).values(due_at=0))
    assert not read_anew(store, lost)
    assert outcomes(store) == (1, 0, 0, 0)
    (again,) = claim_articles(store, Stage.ENRICH, owner=OWNER + "1", limit=4)
    assert (again.rerun, again.attempts) == (True, 2)
    release(store, [again])
    (again,) = claim_articles(store, Stage.ENRICH, owner=OWNER + "2", limit=4)
    assert (again.rerun, again.attempts) == (True, 2)
    blame(store, again, Stage.ENRICH, detail="")
    assert outcomes(store) == (1, 0, 0, 0)


def test_a_second_run_is_refused_until_the_first_has_ended_or_is_stopped(
    store: Store, tmp_path: Path
) -> None:
    publish(store, tmp_path)
    queue(store)
    (under_way,) = take(store, limit=1)
    with pytest.raises(WireroomError, match="2 left"):
        queue(store)
    assert stop(store) == 1
    with pytest.raises(WireroomError, match="1 left"):
        queue(store)
    read_anew(store, under_way)
    index(store)
    assert outcomes(store) == (0, 1, 0, 0)
    queue(store, [id_of(BRIDGE)])
    assert outcomes(store) == (1, 0, 0, 0)


def test_what_was_read_again_and_is_removed_leaves_no_words(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    queue(store)
    for claim in take(store):
        read_anew(store, claim)
    assert len(list(read_changes(store))) == 2
    remove(store, id_of(BRIDGE), reason="asked", erase=lambda position: None)
    assert [id for id, *_ in read_changes(store)] == [id_of(HARBOUR)]
    run = read_reprocessing(store)
    assert run is not None
    assert (run.chosen, run.left, run.removed, run.changed) == (2, 0, 1, 1)


def test_what_is_removed_meanwhile_stays_away(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    queue(store)
    claims = {claim.url: claim for claim in take(store)}
    remove(store, id_of(BRIDGE), reason="asked", erase=lambda position: None)
    assert not read_anew(store, claims[BRIDGE])
    record_kept(store, claims[HARBOUR], slug=None, detail="the same")
    run = read_reprocessing(store)
    assert run is not None
    assert (run.left, run.removed, run.unchanged) == (0, 1, 1)
    assert read_document(store, id_of(BRIDGE)) is None
