"""A short slice of what is taken away from it, on embedded parts. `make faults` gives whole doses."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

import pytest

from tests.faults import broker, clocks, disks
from tests.faults.every_fault import CATALOGUE
from tests.faults.topology import EMBEDDED
from tests.faults.trial import Fault, Outcome, Trial, nothing, run
from tests.servers import ServerMissing

ARTICLES = 20
LASTS_S = 2.0
WRONG = ("partial", "dropped", "quarantined", "lost", "doubled", "stale", "leases", "waiting", "differing")


def give(
    what: str, faults: Sequence[Callable[[Trial], int]], prepare: Callable[[Trial], None] = nothing
) -> Outcome:
    def in_turn(trial: Trial) -> int:
        return faults[trial.round](trial)

    rounds, articles = {EMBEDDED: len(faults)}, {EMBEDDED: ARTICLES}
    fault = Fault(id=what, what=what, inflict=in_turn, prepare=prepare, rounds=rounds, articles=articles)
    try:
        return run(fault, EMBEDDED, seed=1, rounds=len(faults), articles=ARTICLES, lasts_s=LASTS_S)
    except ServerMissing as error:
        pytest.skip(str(error))


def assert_nothing_is_wrong(outcome: Outcome, *, given: int) -> None:
    counts = asdict(outcome.verdict)
    assert {name: counts[name] for name in WRONG} == dict.fromkeys(WRONG, 0)
    assert (outcome.verdict.served, outcome.verdict.indexed) == (ARTICLES, ARTICLES)
    assert outcome.given == given
    assert outcome.ok


def test_a_broker_that_is_frozen_killed_full_and_emptied_loses_nothing() -> None:
    faults = (broker.take_away, broker.kill, broker.fill_or_empty, broker.fill_or_empty)
    assert_nothing_is_wrong(give("broker", faults), given=len(faults))


def test_a_clock_that_jumps_an_hour_ahead_and_comes_back_holds_nothing_up() -> None:
    outcome = give("clock", (clocks.jump, clocks.jump), clocks.wind)
    assert_nothing_is_wrong(outcome, given=2)


def test_a_full_disk_loses_nothing_and_goes_on_when_there_is_room() -> None:
    assert_nothing_is_wrong(give("disk", (disks.fill,) * 4, disks.make_small), given=4)


def test_every_fault_says_how_it_is_tried() -> None:
    assert all(each.rounds.keys() == each.articles.keys() for each in CATALOGUE.values())
