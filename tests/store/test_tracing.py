"""Every URL can be traced."""

from pathlib import Path

import pytest

from pipeline.model import Stage, State
from pipeline.store.claims import claim_articles
from pipeline.store.enriched import Alias, Twin, record_document, record_duplicate
from pipeline.store.store import Store
from pipeline.store.tracing import find_article, is_feed, standing_for, trace
from tests.cli.newsroom import BRIDGE, FEED, HARBOUR, OWNER, document, entry, fetch, id_of, poll, publish


@pytest.mark.parametrize(
    "target",
    [
        BRIDGE,
        id_of(BRIDGE),
        id_of(BRIDGE).upper(),
        "http://courier.example/bridge?utm_medium=feed",
        f" {BRIDGE} ",
    ],
)
def test_an_article_is_found_by_id_and_by_any_spelling_of_its_url(store: Store, target: str) -> None:
    poll(store, FEED, entry(BRIDGE))
    assert find_article(store, target) == id_of(BRIDGE)


@pytest.mark.parametrize("target", ["https://courier.example/none", "0" * 32, "bridge", ""])
def test_what_was_never_seen_is_not_found(store: Store, target: str) -> None:
    poll(store, FEED, entry(BRIDGE))
    assert find_article(store, target) is None
    assert trace(store, target) is None


def test_an_article_is_found_by_where_its_page_redirected(store: Store, tmp_path: Path) -> None:
    poll(store, FEED, entry(BRIDGE))
    fetch(store, tmp_path)
    [claim] = claim_articles(store, Stage.ENRICH, owner=OWNER, limit=1)
    alias = Alias(url_key="https://courier.example/2026/bridge", how="redirect")
    record_document(store, claim, document(claim), aliases=[alias], detail="", retry_in_s=None)
    assert find_article(store, "https://courier.example/2026/bridge") == id_of(BRIDGE)


def test_steps_are_told_in_their_order(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    traced = trace(store, BRIDGE)
    assert traced is not None
    assert [(step.stage, step.outcome) for step in traced.steps] == [
        ("poll", "found"),
        ("fetch", "fetched"),
        ("enrich", "enriched"),
        ("index", "indexed"),
    ]
    assert (traced.state, traced.stage, traced.due_at) == (State.INDEXED, None, None)


def test_a_duplicate_is_traced_by_its_own_url_and_names_its_twin(store: Store, tmp_path: Path) -> None:
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR))
    fetch(store, tmp_path)
    claims = {claim.url: claim for claim in claim_articles(store, Stage.ENRICH, owner=OWNER, limit=2)}
    twin = Twin(id=id_of(BRIDGE), document=None, is_coming=True, is_removed=False)
    record_duplicate(store, claims[HARBOUR], twin, detail="same guid")
    traced = trace(store, HARBOUR)
    assert traced is not None
    assert (traced.state, traced.reason, traced.duplicate_of) == (State.DROPPED, "duplicate", id_of(BRIDGE))
    assert standing_for(store, id_of(HARBOUR)) == id_of(BRIDGE)
    assert standing_for(store, id_of(BRIDGE)) == id_of(BRIDGE)


def test_a_feed_is_told_from_an_article(store: Store) -> None:
    poll(store, FEED, entry(BRIDGE))
    assert is_feed(store, FEED)
    assert not is_feed(store, BRIDGE)
