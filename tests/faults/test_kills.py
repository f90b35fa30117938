"""A short slice of each kill, on embedded parts. `make faults` gives whole doses."""

from collections.abc import Mapping
from dataclasses import asdict, replace

import pytest

from pipeline.model import Stage
from pipeline.points import Point
from tests.faults.every_fault import CATALOGUE
from tests.faults.kills import die_at
from tests.faults.topology import EMBEDDED
from tests.faults.trial import Trial, run

ARTICLES = 24
ROUNDS: Mapping[str, int] = {"F1": 2, "F2": 2, "F3": 4, "F5": 1}
"""F4 is missing: a page that always kills its child is given up after a minute of back-off."""

WRONG = ("partial", "dropped", "quarantined", "lost", "doubled", "stale", "leases", "waiting", "differing")


@pytest.mark.parametrize("fault", ROUNDS)
def test_nothing_is_lost_doubled_or_stale(fault: str) -> None:
    outcome = run(CATALOGUE[fault], EMBEDDED, seed=1, rounds=ROUNDS[fault], articles=ARTICLES)
    counts = asdict(outcome.verdict)
    assert {name: counts[name] for name in WRONG} == dict.fromkeys(WRONG, 0)
    assert (outcome.verdict.served, outcome.verdict.indexed) == (ARTICLES, ARTICLES)
    assert outcome.given == ROUNDS[fault]
    assert outcome.ok


def test_loss_is_seen_when_no_lease_of_the_dead_ends() -> None:
    fault = replace(CATALOGUE["F1"], inflict=kill_with_pages_in_hand)
    outcome = run(fault, EMBEDDED, seed=1, rounds=1, articles=ARTICLES, keep_leases=True, stalled_s=5.0)
    assert outcome.given == 1
    assert outcome.verdict.lost > 0
    assert outcome.recovery_s is None
    assert not outcome.ok


def kill_with_pages_in_hand(trial: Trial) -> int:
    return die_at(trial, Stage.FETCH, Point.CLAIMED)
