"""Several articles in one PostgreSQL transaction are locked in the order of their ids, so no circle forms."""

import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, text, update

from pipeline.identity import host_of
from pipeline.model import Stage
from pipeline.store.claims import claim_articles, claim_feeds
from pipeline.store.codec import unpack_entry
from pipeline.store.enriched import Twin, record_duplicate
from pipeline.store.fetched import record_turn
from pipeline.store.leases import release, sweep
from pipeline.store.migrations import migrate
from pipeline.store.polled import record_poll
from pipeline.store.quarantine import replay
from pipeline.store.removal import remove
from pipeline.store.store import Store, open_store
from pipeline.store.tables import articles, feeds, hosts, sightings
from tests.contracts.test_store import (
    FEED,
    OTHER_FEED,
    OWNER,
    A,
    B,
    add_feed,
    fetch_all,
    found,
    got_page,
    id_of,
    poll,
    polled,
    turn,
)

LOW, HIGH = sorted((A, B), key=id_of)
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = :name")


@pytest.fixture
def store(postgresql_url: str) -> Iterator[Store]:
    """Open a PostgreSQL store that knows two articles, and gives a wait up after five seconds."""
    opened = open_store(f"{postgresql_url}?options=-c%20lock_timeout%3D5s")
    migrate(opened)
    for feed in (FEED, OTHER_FEED):
        add_feed(opened, feed)
    poll(opened, FEED, found(A), found(B))
    yield opened
    opened.close()


def give_back(store: Store) -> Callable[[], object]:
    fetch_all(store)
    claims = claim_articles(store, Stage.ENRICH, owner=OWNER, limit=9)
    highest_first = sorted(claims, key=lambda claim: claim.id, reverse=True)
    return lambda: release(store, highest_first)


def end_turn(store: Store) -> Callable[[], object]:
    held = turn(store)
    highest_first = sorted(held.claims, key=lambda claim: claim.id, reverse=True)
    results = [got_page(claim) for claim in highest_first]
    return lambda: record_turn(store, held, results, delay_s=0, robots=None)


def end_as_duplicate(store: Store) -> Callable[[], object]:
    fetch_all(store)
    claims = {claim.id: claim for claim in claim_articles(store, Stage.ENRICH, owner=OWNER, limit=9)}
    twin = Twin(id=id_of(LOW), document=None, is_coming=False, is_removed=False)
    return lambda: record_duplicate(store, claims[id_of(HIGH)], twin, detail="")


def see_elsewhere(store: Store) -> Callable[[], object]:
    with store.write() as connection:
        connection.execute(update(feeds).where(feeds.c.url == OTHER_FEED).values(next_poll_at=0))
        connection.execute(update(hosts).values(next_request_at=0))
    (claim,) = claim_feeds(store, owner=OWNER, limit=1)
    return lambda: record_poll(store, claim, polled(found(HIGH), found(LOW)), host_delay_s=0)


def take_out(store: Store) -> Callable[[], object]:
    with store.write() as connection:  # of which the other one is a duplicate
        mine = articles.c.id == id_of(LOW)
        connection.execute(update(articles).where(mine).values(duplicate_of=id_of(HIGH)))
    return lambda: remove(store, id_of(HIGH), reason="", erase=lambda position: None)


def replay_both(store: Store) -> Callable[[], object]:
    with store.write() as connection:
        connection.execute(update(articles).values(state="quarantined", reason="stage-crashed", stage=None))
    return lambda: replay(store, [id_of(HIGH), id_of(LOW)])


STEPS: Mapping[str, Callable[[Store], Callable[[], object]]] = {
    "release": give_back,
    "turn": end_turn,
    "duplicate": end_as_duplicate,
    "poll": see_elsewhere,
    "remove": take_out,
    "replay": replay_both,
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_that_waits_for_the_lowest_holds_no_higher_article(store: Store, name: str) -> None:
    step = STEPS[name](store)
    with ThreadPoolExecutor(1) as pool:
        with store.write() as blocker:
            blocker.execute(select(articles.c.id).where(articles.c.id == id_of(LOW)).with_for_update())
            waiting = pool.submit(step)
            await_waiter(store, waiting)
            with store.write() as other:  # fails at once when the step holds it
                query = select(articles.c.id).where(articles.c.id == id_of(HIGH))
                assert other.execute(query.with_for_update(nowait=True, key_share=True)).first()
        waiting.result()


def test_hosts_that_another_claimant_takes_at_the_same_moment_are_passed_over_for_the_next(
    store: Store,
) -> None:
    urls = [f"https://{letter}.example/feed" for letter in "abcdef"]
    names = [host_of(url) for url in urls]
    for url in urls:
        add_feed(store, url)
    with store.write() as connection:
        connection.execute(update(feeds).values(next_poll_at=math.inf))
        for number, name in enumerate(names):
            connection.execute(update(feeds).where(feeds.c.host == name).values(next_poll_at=number))
    with store.write() as other:
        other.execute(select(hosts.c.host).where(hosts.c.host.in_(names[:3])).with_for_update())
        claimed = claim_feeds(store, owner=OWNER, limit=3)
    assert sorted(claim.host for claim in claimed) == names[3:]


def await_waiter(store: Store, step: "Future[object]") -> None:
    """Look until a step waits for a lock."""
    while not step.done():
        with store.write() as connection:
            name = connection.execute(select(func.current_database())).scalar_one()
            if connection.execute(WAITING, {"name": name}).scalar_one():
                return


def test_the_sweep_passes_over_what_is_being_finished(store: Store) -> None:
    fetch_all(store)
    claim_articles(store, Stage.ENRICH, owner=OWNER, limit=9)
    with store.write() as connection:
        connection.execute(update(articles).values(lease_until=1.0))
    with store.write() as finishing:
        finishing.execute(update(articles).where(articles.c.id == id_of(LOW)).values(detail="finishing"))
        assert sweep(store) == 1


def test_of_what_a_person_removes_while_a_poll_waits_no_word_is_written(store: Store) -> None:
    see_again = see_elsewhere(store)
    with ThreadPoolExecutor(1) as pool:
        with store.write() as blocker:
            blocker.execute(select(articles.c.id).where(articles.c.id == id_of(LOW)).with_for_update())
            waiting = pool.submit(see_again)
            await_waiter(store, waiting)
            remove(store, id_of(HIGH), reason="asked for", erase=lambda position: None)
        waiting.result()
    with store.read() as connection:
        query = select(sightings.c.entry).where(sightings.c.article_id == id_of(HIGH))
        shown = [unpack_entry(packed) for packed in connection.execute(query).scalars()]
    assert [(entry.title, entry.summary, entry.guid) for entry in shown] == [("", "", None)] * 2


def test_what_a_person_removes_while_a_replay_waits_stays_removed(store: Store) -> None:
    step = replay_both(store)
    with ThreadPoolExecutor(1) as pool:
        with store.write() as blocker:
            blocker.execute(select(articles.c.id).where(articles.c.id == id_of(LOW)).with_for_update())
            waiting = pool.submit(step)
            await_waiter(store, waiting)
            remove(store, id_of(HIGH), reason="asked for", erase=lambda position: None)
        assert waiting.result() == (id_of(LOW),)
    with store.read() as connection:
        removed = select(articles.c.state, articles.c.reason).where(articles.c.id == id_of(HIGH))
        assert connection.execute(removed).one() == ("dropped", "removed")


def test_what_becomes_a_duplicate_while_a_removal_waits_goes_too(store: Store) -> None:
    with ThreadPoolExecutor(1) as pool:
        with store.write() as blocker:
            blocker.execute(select(articles.c.id).where(articles.c.id == id_of(LOW)).with_for_update())
            waiting = pool.submit(remove, store, id_of(LOW), reason="", erase=lambda position: None)
            await_waiter(store, waiting)
            joins = update(articles).where(articles.c.id == id_of(HIGH))
            blocker.execute(joins.values(duplicate_of=id_of(LOW)))
        assert waiting.result().articles == 2
