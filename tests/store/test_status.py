"""Counts that add up, and what is a problem."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from pipeline.model import Stage, State
from pipeline.store.claims import BACKLOG
from pipeline.store.due import waiting
from pipeline.store.mending import hold_back
from pipeline.store.removal import remove
from pipeline.store.status import (
    FAILING_AFTER,
    LATE_S,
    NO_COUNTS,
    Counts,
    Due,
    FeedCounts,
    Parts,
    PartState,
    find_problems,
    read_counts,
    read_funnel,
)
from pipeline.store.store import Clock, Store
from pipeline.store.subscriptions import pause_feeds, poll_feeds
from pipeline.store.tables import articles
from tests.cli.newsroom import (
    BRIDGE,
    FEED,
    HARBOUR,
    enrich,
    entry,
    fetch,
    id_of,
    index,
    poll,
    publish,
    quarantine,
)

OTHER_FEED = "https://ledger.example/rss"
ALL_WELL = Parts(
    store=PartState.OK, broker=PartState.OK, index=PartState.OK, archive=PartState.OK, documents=0
)
WATCHING = replace(NO_COUNTS, feeds=FeedCounts(active=1))
FIVE = replace(WATCHING, projected=5)


def slugs(counts: Counts, parts: Parts) -> list[str]:
    return [problem.slug for problem in find_problems(counts, parts)]


def test_an_empty_store_counts_nothing(store: Store) -> None:
    assert read_counts(store) == NO_COUNTS


def test_at_rest_the_articles_add_up(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    counts = read_counts(store)
    assert counts.total == counts.articles[State.INDEXED] == counts.projected == 2
    assert counts.partial == {"gone": 1}
    assert counts.lag_s is not None
    assert (counts.due.now, counts.due.later) == (0, 1)


def test_every_end_is_counted_by_its_slug(store: Store, tmp_path: Path) -> None:
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR))
    fetch(store, tmp_path)
    quarantine(store)
    remove(store, id_of(HARBOUR), reason="asked", erase=lambda _position: None)
    counts = read_counts(store)
    assert counts.quarantined == {"enrich-crashed": 1}
    assert counts.dropped == {"removed": 1}


def test_what_is_due_is_counted_by_stage_with_the_oldest(store: Store, tmp_path: Path) -> None:
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR))
    fetch(store, tmp_path)
    poll(store, OTHER_FEED, entry("https://ledger.example/1"))
    poll_feeds(store, [FEED])
    with store.write() as connection:
        late = update(articles).where(articles.c.id == id_of(BRIDGE))
        connection.execute(late.values(due_at=articles.c.due_at - 500.0))
    due = read_counts(store).due
    assert (due.poll, due.fetch, due.enrich, due.index) == (1, 1, 2, 0)
    assert due.oldest_s == pytest.approx(500, abs=30)


def test_what_waits_while_index_is_held_back_is_nobodys_work_and_is_told_apart(
    store: Store, tmp_path: Path
) -> None:
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR))
    fetch(store, tmp_path)
    enrich(store)
    hold_back(store)
    due = read_counts(store).due
    assert (due.now, due.oldest_s, due.resting) == (0, None, {Stage.INDEX: 2})
    assert waiting(store).due == 2


def test_what_waits_behind_a_backlog_is_nobodys_work_and_is_told_apart(store: Store, tmp_path: Path) -> None:
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR))
    fetch(store, tmp_path)
    pause_feeds(store, [FEED])
    with store.write() as connection:
        row = dict(connection.execute(select(articles).limit(1)).one()._mapping)
        row |= {"state": State.ENRICHED, "stage": Stage.INDEX, "due_at": 0.0}
        connection.execute(insert(articles), [{**row, "id": f"{each}"} for each in range(BACKLOG + 1)])
    due = read_counts(store).due
    assert (due.enrich, due.index, due.resting) == (0, BACKLOG + 1, {Stage.ENRICH: 2})
    assert set(due.oldest_by_stage) == {Stage.INDEX}
    assert waiting(store).due == BACKLOG + 3


def test_a_feed_fails_from_the_first_failure_and_is_a_problem_from_the_third(store: Store) -> None:
    poll(store, FEED, error="timeout", status=None, failures=1.0, entries=None)
    assert read_counts(store).feeds == FeedCounts(active=1, failing=1)
    poll_feeds(store, [FEED])
    poll(store, FEED, error="timeout", status=None, failures=float(FAILING_AFTER), entries=None)
    assert read_counts(store).feeds == FeedCounts(active=1, failing=1, outages=1)
    assert slugs(read_counts(store), ALL_WELL) == ["feeds-failing"]


def test_the_funnel_adds_up(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    elsewhere = [entry(BRIDGE), entry("https://ledger.example/1")]
    poll(store, OTHER_FEED, *elsewhere, entries=4, entries_repeated=1, entries_without_link=1)
    funnel = read_funnel(store)
    assert (funnel.entries, funnel.without_link, funnel.repeated) == (7, 2, 1)
    assert funnel.entries == funnel.without_link + funnel.repeated + funnel.sightings
    ends = (funnel.whole, *funnel.partial.values(), *funnel.dropped.values(), *funnel.quarantined.values())
    assert funnel.articles == sum(ends) + funnel.waiting == 3
    assert funnel.waiting == 1
    fetch(store, tmp_path)
    enrich(store)
    index(store, tmp_path)
    assert (read_funnel(store).whole, read_funnel(store).waiting) == (2, 0)


@pytest.mark.parametrize(
    ("counts", "parts", "expected"),
    [
        (WATCHING, ALL_WELL, []),
        (NO_COUNTS, ALL_WELL, ["no-feeds"]),
        (NO_COUNTS, replace(ALL_WELL, store=PartState.ABSENT, broker=PartState.STOPPED), ["no-feeds"]),
        (WATCHING, replace(ALL_WELL, store=PartState.UNREACHABLE), ["store-unreachable"]),
        (WATCHING, replace(ALL_WELL, broker=PartState.UNREACHABLE), ["broker-unreachable"]),
        (WATCHING, replace(ALL_WELL, broker=PartState.STOPPED), []),
        (
            replace(WATCHING, due=Due(poll=1, oldest_s=1.0)),
            replace(ALL_WELL, broker=PartState.STOPPED),
            ["not-running"],
        ),
        (replace(WATCHING, due=Due(fetch=1, oldest_s=LATE_S + 1)), ALL_WELL, ["late"]),
        (
            FIVE,
            replace(ALL_WELL, index=PartState.ABSENT, documents=None),
            ["index-absent"],
        ),
        (FIVE, replace(ALL_WELL, documents=4), ["index-differs"]),
        (replace(FIVE, due=Due(index=1, oldest_s=1.0)), replace(ALL_WELL, documents=4), []),
        (replace(FIVE, due=Due(resting={Stage.INDEX: 1})), replace(ALL_WELL, documents=4), []),
        (replace(FIVE, is_held_back=True), replace(ALL_WELL, documents=6), ["restored"]),
        (
            replace(WATCHING, articles={**NO_COUNTS.articles, State.QUARANTINED: 1}),
            ALL_WELL,
            ["quarantined"],
        ),
    ],
)
def test_problems_are_named(counts: Counts, parts: Parts, expected: list[str]) -> None:
    assert slugs(counts, parts) == expected


def test_what_falls_due_while_it_is_counted_is_counted_once(store: Store, tmp_path: Path) -> None:
    poll(store, FEED, entry(BRIDGE))
    fetch(store, tmp_path)
    pause_feeds(store, [FEED])
    hurried = replace(store, clock=Clock(start=time.time(), factor=1e6))  # between two statements: minutes
    for ahead_s in range(0, 5_000, 50):
        with hurried.write() as connection:
            now = hurried.read_clock(connection)
            connection.execute(update(articles).values(due_at=now + ahead_s))
        assert waiting(hurried).due == 1
