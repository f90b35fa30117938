"""Generations in the store: who builds, when index rests, and what is due for whom."""

import subprocess
import sys
from collections.abc import Callable

import pytest
from sqlalchemy import insert, select, update

from pipeline.errors import GenerationMovedError, RebuildBusyError
from pipeline.model import Stage, State
from pipeline.outcomes import Partial
from pipeline.store.claimed import HostTurn
from pipeline.store.claims import BACKLOG, article_claim, claim_articles
from pipeline.store.due import due_stages
from pipeline.store.fetched import NoPage, record_turn
from pipeline.store.generations import (
    adopt_generation,
    check_hold,
    clear,
    hold_building,
    keep_hold,
    let_go,
    live_generation,
    pause,
    read_generations,
    swap,
)
from pipeline.store.indexed import LASTS_S, put_off
from pipeline.store.leases import new_owner
from pipeline.store.projections import begin_putting, count_due, list_due, list_gone, record_put
from pipeline.store.reruns import record_kept
from pipeline.store.store import Store
from pipeline.store.tables import articles, events, generations, projections
from tests.indexing.desk import new_document, take_away, write

ME, OTHER = "elsewhere:1:reindex:0", "elsewhere:2:reindex:0"
WORKER = "elsewhere:3:index:0"


def many(store: Store, number: int, **values: object) -> None:
    row = {
        "url": "https://news.example/", "host": "news.example:443", "due_at": 0.0, "news_at": 0.0,
        "first_seen_at": 0.0, "month": "1970-01", **values,
    }  # fmt: skip
    with store.write() as connection:
        connection.execute(insert(articles), [{**row, "id": f"{values['state']}{n}"} for n in range(number)])


def claimed(store: Store, stage: Stage) -> int:
    return len(claim_articles(store, stage, owner=WORKER, limit=1))


def indexed(store: Store, *ids: str) -> None:
    """Bring articles to rest in the live generation."""
    write(store, [new_document(id) for id in ids])
    with store.write() as connection:
        rests = {"state": State.INDEXED, "stage": None, "due_at": None}
        connection.execute(update(articles).where(articles.c.id.in_(ids)).values(rests))


# Back-pressure and the pause


@pytest.mark.parametrize(
    ("waiting", "stage", "due"),
    [(State.ENRICHED, Stage.ENRICH, State.FETCHED)],
)
def test_a_stage_rests_while_too_many_new_articles_wait_for_the_next(
    store: Store, waiting: State, stage: Stage, due: State
) -> None:
    many(store, 1, state=due, stage=stage)
    many(store, BACKLOG + 1, state=waiting, stage=Stage.INDEX)
    assert (claimed(store, stage), due_stages(store)) == (0, (Stage.INDEX,))
    with store.write() as connection:
        one_less = articles.c.id == f"{waiting}0"
        connection.execute(update(articles).where(one_less).values(state=State.INDEXED))
    assert stage in due_stages(store)
    assert claimed(store, stage) == 1


def test_re_runs_and_refills_hold_nobody_up(store: Store) -> None:
    many(store, 1, state=State.FETCHED, stage=Stage.ENRICH)
    many(store, BACKLOG + 1, state=State.INDEXED, stage=Stage.INDEX)
    assert claimed(store, Stage.ENRICH) == 1


def test_index_rests_in_a_pause_and_goes_on_by_the_stores_clock(store: Store) -> None:
    write(store, [new_document("a")])
    hold_building(store, "g2", owner=ME, mapping=1)
    pause(store, "g2", ME, seconds=3_600.0)
    assert (claimed(store, Stage.INDEX), due_stages(store)) == (0, ())
    with store.write() as connection:
        connection.execute(update(generations).values(paused_until=store.now() - 0.001))
    assert due_stages(store) == (Stage.INDEX,)
    assert claimed(store, Stage.INDEX) == 1


@pytest.mark.parametrize(
    "end", [lambda store: pause(store, "g2", ME, seconds=0), lambda store: let_go(store, "g2", ME)]
)
def test_a_pause_that_is_ended_is_over(store: Store, end: Callable[[Store], None]) -> None:
    write(store, [new_document("a")])
    hold_building(store, "g2", owner=ME, mapping=1)
    pause(store, "g2", ME, seconds=3_600.0)
    end(store)
    assert claimed(store, Stage.INDEX) == 1


def test_what_the_index_puts_off_is_given_back_untried_and_told_of_when_it_lasts(store: Store) -> None:
    write(store, [new_document("a")])
    told = select(events.c.detail).where(events.c.outcome == "deferred")
    with store.write() as connection:
        enriched = {"at": store.read_clock(connection), "stage": "enrich", "outcome": "enriched"}
        connection.execute(insert(events).values(article_id="a", **enriched))
    for age_s, lines in ((0.0, 0), (LASTS_S + 1, 1), (0.0, 1)):
        with store.write() as connection:
            connection.execute(update(events).values(at=events.c.at - age_s))
        claims = claim_articles(store, Stage.INDEX, owner=WORKER, limit=9)
        assert [claim.attempts for claim in claims] == [1]
        put_off(store, claims, delay_s=0.0, detail="429")
        with store.read() as connection:
            assert connection.execute(told).scalars().all() == ["429"] * lines
    with store.read() as connection:
        assert connection.execute(select(articles.c.attempts)).scalar_one() == 0


# Who builds


def test_one_builder_at_a_time_until_it_shows_no_sign_of_life(store: Store) -> None:
    assert hold_building(store, "g1", owner=ME, mapping=1) == "g1"
    with pytest.raises(RebuildBusyError, match="g1 is being built by process 1 on elsewhere"):
        hold_building(store, "g2", owner=OTHER, mapping=1)
    with store.write() as connection:
        connection.execute(update(generations).values(owned_until=store.now() - 0.001))
    assert hold_building(store, "g2", owner=OTHER, mapping=1) == "g1"
    with pytest.raises(GenerationMovedError):
        keep_hold(store, "g1", ME)
    let_go(store, "g1", ME)  # another one's hold is left alone
    keep_hold(store, "g1", OTHER, progress={"phase": "building"})
    (found,) = read_generations(store)
    assert (found.is_held, found.progress) == (True, {"phase": "building"})


def test_the_hold_of_a_process_of_this_machine_that_died_is_taken_at_once(store: Store) -> None:
    made = [sys.executable, "-c", "from pipeline.store.leases import new_owner; print(new_owner('reindex'))"]
    owner = subprocess.run(made, capture_output=True, text=True, check=True).stdout.strip()
    hold_building(store, "g1", owner=owner, mapping=1)
    assert hold_building(store, "g2", owner=new_owner("reindex"), mapping=1) == "g1"
    with pytest.raises(RebuildBusyError):
        hold_building(store, "g3", owner=ME, mapping=1)


# What is due


def test_a_generation_lacks_what_it_does_not_hold_or_holds_older(store: Store) -> None:
    indexed(store, "a", "b", "c")
    write(store, [new_document("new")])  # not indexed yet: index puts it into the live generation
    hold_building(store, "g1", owner=ME, mapping=1)
    assert list_due(store, "g1", limit=9) == ["a", "b", "c"]
    assert list_due(store, "g1", after="a", limit=1) == ["b"]
    begin_putting(store, "g1", ME, ["a", "b", "new"])
    record_put(store, "g1", ME, {"a": 1, "b": 0})
    assert (list_due(store, "g1", limit=9), count_due(store, "g1")) == (["b", "c"], 2)


def test_what_was_removed_while_it_was_put_is_known_to_be_held(store: Store) -> None:
    indexed(store, "a")
    hold_building(store, "g1", owner=ME, mapping=1)
    begin_putting(store, "g1", ME, ["a"])
    take_away(store, "a")
    (gone,) = list_gone(store, "g1")
    assert (gone.id, gone.version) == ("a", 2)
    assert (list_due(store, "g1", limit=9), count_due(store, "g1")) == ([], 1)


def test_another_builders_generation_is_not_written(store: Store) -> None:
    indexed(store, "a")
    hold_building(store, "g1", owner=ME, mapping=1)
    with pytest.raises(GenerationMovedError):
        begin_putting(store, "g1", OTHER, ["a"])
    with pytest.raises(GenerationMovedError):
        swap(store, "g1", OTHER, proof={})
    with store.write() as connection, pytest.raises(GenerationMovedError):
        check_hold(connection, "g1", OTHER)


def test_an_exchange_makes_due_what_the_new_generation_lacks_and_what_it_should_not_hold(
    store: Store,
) -> None:
    adopt_generation(store, "g1", instead_of=None)
    indexed(store, "a", "b", "gone")
    hold_building(store, "g2", owner=ME, mapping=1)
    begin_putting(store, "g2", ME, ["a", "gone"])
    record_put(store, "g2", ME, {"a": 1, "gone": 1})
    with store.write() as connection:
        forgotten = {"state": State.DROPPED, "reason": "removed", "version": 2}
        connection.execute(update(articles).where(articles.c.id == "gone").values(forgotten))
    swap(store, "g2", ME, proof={"ok": True})
    assert live_generation(store) == "g2"
    assert {each.name: each.state for each in read_generations(store)} == {"g1": "kept", "g2": "live"}
    claims = claim_articles(store, Stage.INDEX, owner=WORKER, limit=9)
    assert sorted(claim.id for claim in claims) == ["b", "gone"]


@pytest.mark.parametrize("end", ["unchanged", "no page"])
def test_what_is_under_way_when_the_index_is_lost_comes_to_index_afterwards(store: Store, end: str) -> None:
    adopt_generation(store, "g1", instead_of=None)
    indexed(store, "a")
    stage = Stage.ENRICH if end == "unchanged" else Stage.FETCH
    with store.write() as connection:
        held = {"stage": stage, "due_at": 0.0, "lease_owner": WORKER, "lease_until": store.now() + 60.0}
        rerun = {"attempts": 1, "rerun": end == "unchanged"}
        connection.execute(update(articles).values(**held, **rerun))
        (row,) = connection.execute(select(articles)).all()
    claim = article_claim(row, WORKER)
    adopt_generation(store, "g2", instead_of="g1")
    if end == "unchanged":
        assert record_kept(store, claim, slug=None, detail="read again: the same as before")
    else:
        turn = HostTurn(
            host=claim.host, robots_status=None, robots_body=None, robots_age_s=None, claims=(), owner=WORKER
        )
        none = NoPage(claim=claim, partial=Partial.GONE, detail="404", retry_in_s=None)
        assert record_turn(store, turn, [none], delay_s=0.0, robots=None) == 1
    assert claimed(store, Stage.INDEX) == 1


def test_what_a_generation_held_is_forgotten_with_it_alone(store: Store) -> None:
    indexed(store, "a", "b")
    for name in ("g1", "g2"):
        hold_building(store, name, owner=ME, mapping=1)
        begin_putting(store, name, ME, ["a", "b"])
        swap(store, name, ME, proof={})
    clear(store, "g1")
    with store.read() as connection:
        left = connection.execute(select(projections.c.generation).distinct()).scalars().all()
    assert left == ["g2"]
