"""A short slice of each kill, on embedded parts. `make faults` gives whole doses."""

from collections.abc import Mapping
from dataclasses import asdict

import pytest

from tests.faults.every_fault import CATALOGUE
from tests.faults.topology import EMBEDDED
from tests.faults.trial import Outcome, run

ARTICLES = 24
ROUNDS: Mapping[str, int] = {"F1": 2, "F2": 2, "F3": 4, "F5": 1}
"""F4 is missing: a page that always kills its child is given up after a minute of back-off."""

WRONG = ("partial", "dropped", "quarantined", "lost", "doubled", "stale", "leases", "waiting", "differing")


def give(fault: str, *, keep_leases: bool = False, stalled_s: float = 300.0) -> Outcome:
    return run(
        CATALOGUE[fault],
        EMBEDDED,
        seed=1,
        rounds=ROUNDS[fault],
        articles=ARTICLES,
        keep_leases=keep_leases,
        stalled_s=stalled_s,
    )


@pytest.mark.parametrize("fault", ROUNDS)
def test_nothing_is_lost_doubled_or_stale(fault: str) -> None:
    outcome = give(fault)
    counts = asdict(outcome.verdict)
    assert {name: counts[name] for name in WRONG} == dict.fromkeys(WRONG, 0)
    assert (outcome.verdict.served, outcome.verdict.indexed) == (ARTICLES, ARTICLES)
    assert outcome.given == ROUNDS[fault]
    assert outcome.ok


def test_loss_is_seen_when_no_lease_of_the_dead_ends() -> None:
    outcome = give("F2", keep_leases=True, stalled_s=5.0)
    assert outcome.verdict.lost > 0
    assert outcome.recovery_s is None
    assert not outcome.ok
