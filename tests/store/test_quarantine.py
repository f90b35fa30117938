"""What should not have happened, and another try."""

from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from pipeline.model import Stage, State
from pipeline.outcomes import Cause, Reason
from pipeline.store.claims import claim_articles
from pipeline.store.quarantine import MEANINGS, REPLAYABLE, Choice, list_quarantined, replay
from pipeline.store.status import read_counts
from pipeline.store.store import Store
from pipeline.store.tables import articles, events, pages
from pipeline.store.tracing import trace
from tests.cli.newsroom import (
    BRIDGE,
    FEED,
    HARBOUR,
    OWNER,
    enrich,
    entry,
    fetch,
    id_of,
    poll,
    publish,
    quarantine,
)


@pytest.fixture
def jailed(store: Store, tmp_path: Path) -> Store:
    """Two articles whose pages crashed enrich."""
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR))
    fetch(store, tmp_path)
    quarantine(store)
    return store


def test_each_cause_says_what_it_means_and_what_helps() -> None:
    assert set(MEANINGS) == {*Cause, *REPLAYABLE}


def test_the_quarantine_says_what_was_seen_and_where(jailed: Store) -> None:
    listed = list_quarantined(jailed)
    assert {each.url for each in listed} == {BRIDGE, HARBOUR}
    assert {(each.cause, each.detail, each.stage) for each in listed} == {
        (Cause.ENRICH_CRASHED, "signal 11, three times", "enrich")
    }
    assert list_quarantined(jailed, Choice(cause=Cause.INDEX_REJECTED)) == ()


def test_it_is_listed_though_its_events_were_trimmed(jailed: Store) -> None:
    with jailed.write() as connection:
        connection.execute(delete(events))
    assert len(list_quarantined(jailed)) == 2


def test_a_replayed_article_can_be_claimed_with_all_its_attempts(jailed: Store) -> None:
    assert replay(jailed, [id_of(BRIDGE)]) == (id_of(BRIDGE),)
    [claim] = claim_articles(jailed, Stage.ENRICH, owner=OWNER, limit=10)
    assert (claim.id, claim.state, claim.attempts) == (id_of(BRIDGE), State.FETCHED, 1)
    traced = trace(jailed, BRIDGE)
    assert traced is not None
    assert (traced.reason, traced.steps[-1].outcome, traced.steps[-1].slug) == (
        None,
        "replayed",
        "enrich-crashed",
    )


def test_without_a_page_the_page_is_fetched_again(jailed: Store) -> None:
    with jailed.write() as connection:
        connection.execute(delete(pages))
    replay(jailed, [id_of(BRIDGE), id_of(HARBOUR)])
    assert read_counts(jailed).due.fetch == 2


def test_with_a_document_only_the_index_is_tried_again(store: Store, tmp_path: Path) -> None:
    poll(store, FEED, entry(BRIDGE))
    fetch(store, tmp_path)
    enrich(store)
    with store.write() as connection:
        rejected = {"state": State.QUARANTINED, "reason": Cause.INDEX_REJECTED, "stage": None, "due_at": None}
        connection.execute(update(articles).values(**rejected))
    replay(store, [id_of(BRIDGE)])
    with store.read() as connection:
        row = connection.execute(select(articles.c.state, articles.c.stage)).one()
    assert tuple(row) == (State.ENRICHED, Stage.INDEX)


def test_what_is_not_in_quarantine_is_left_alone(jailed: Store) -> None:
    replay(jailed, [id_of(BRIDGE)])
    assert replay(jailed, [id_of(BRIDGE), "0" * 32]) == ()


@pytest.mark.parametrize(
    ("choice", "urls"),
    [
        (Choice(host="courier.example"), {BRIDGE, HARBOUR}),
        (Choice(host="courier.example:443"), {BRIDGE, HARBOUR}),
        (Choice(host="courier"), set()),
        (Choice(words=("harbour",)), {HARBOUR}),
        (Choice(words=("Signal", "open")), {BRIDGE, HARBOUR}),
        (Choice(words=("bridge", "closed")), set()),
        (Choice(cause=Cause.ENRICH_CRASHED, words=("/bridge",)), {BRIDGE}),
    ],
)
def test_articles_are_chosen_by_cause_host_and_words(jailed: Store, choice: Choice, urls: set[str]) -> None:
    assert {each.url for each in list_quarantined(jailed, choice)} == urls


def test_at_a_rate_one_comes_after_the_other(jailed: Store) -> None:
    replay(jailed, [id_of(BRIDGE), id_of(HARBOUR)], rate=0.001)
    with jailed.read() as connection:
        rows = connection.execute(select(articles.c.due_at).order_by(articles.c.due_at)).scalars().all()
    assert (rows[1] or 0) - (rows[0] or 0) == pytest.approx(1_000.0, abs=1.0)


def refuse_edit(store: Store, cause: Cause) -> None:
    rests = update(articles).where(articles.c.id == id_of(BRIDGE))
    with store.write() as connection:
        connection.execute(rests.values(reason=cause, detail="no room"))


def test_an_edit_that_was_refused_is_listed_and_its_article_counts_once_as_indexed(
    store: Store, tmp_path: Path
) -> None:
    publish(store, tmp_path)
    refuse_edit(store, Cause.INDEX_REJECTED)
    [listed] = list_quarantined(store)
    assert (listed.url, listed.cause, listed.detail, listed.is_indexed) == (
        BRIDGE,
        Cause.INDEX_REJECTED,
        "no room",
        True,
    )
    counts = read_counts(store)
    assert (counts.refused, counts.quarantined, counts.partial) == ({"index-rejected": 1}, {}, {"gone": 1})
    assert counts.total == counts.articles[State.INDEXED] == 2


@pytest.mark.parametrize(
    ("cause", "stage"), [(Cause.INDEX_REJECTED, Stage.INDEX), (Cause.ENRICH_CRASHED, Stage.ENRICH)]
)
def test_an_edit_that_was_refused_is_tried_again_where_it_was(
    store: Store, tmp_path: Path, cause: Cause, stage: Stage
) -> None:
    publish(store, tmp_path)
    refuse_edit(store, cause)
    assert replay(store, [id_of(BRIDGE)]) == (id_of(BRIDGE),)
    [claim] = claim_articles(store, stage, owner=OWNER, limit=10)
    assert (claim.id, claim.state) == (id_of(BRIDGE), State.INDEXED)
    assert list_quarantined(store) == ()


def test_what_was_dropped_for_a_reason_is_fetched_after_all(store: Store) -> None:
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR))
    with store.write() as connection:
        dropped = {"state": State.DROPPED, "stage": None, "due_at": None}
        old = update(articles).where(articles.c.id == id_of(BRIDGE))
        connection.execute(old.values(**dropped, reason=Reason.TOO_OLD))
        gone = update(articles).where(articles.c.id == id_of(HARBOUR))
        connection.execute(gone.values(**dropped, reason=Reason.REMOVED))
    assert [each.url for each in list_quarantined(store, Choice(dropped=Reason.TOO_OLD))] == [BRIDGE]
    assert replay(store, [id_of(BRIDGE), id_of(HARBOUR)]) == (id_of(BRIDGE),)
    assert read_counts(store).due.fetch == 1
