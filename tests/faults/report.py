"""One line a run, and a table over all."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.trial import Outcome


@dataclass(frozen=True, slots=True)
class Column:
    """Hold a column of the table: its heading and what it shows of an outcome."""

    heading: str
    value: str


def line(outcome: Outcome) -> str:
    """Tell a run in one line."""
    cells = {each.heading: each.value for each in columns(outcome)}
    counts = ", ".join(f"{name} {cells[name]}" for name in list(cells)[3:])
    mark = "" if outcome.ok else f"  ← not as it should be: build/faults/{outcome.name}"
    return f"{outcome.fault.id} {outcome.topology} seed {outcome.seed}: {counts}{mark}"


def table(outcomes: Sequence[Outcome]) -> str:
    """Lay out all runs in Markdown."""
    rows = [[each.value for each in columns(outcome)] for outcome in outcomes]
    head = [each.heading for each in columns(outcomes[0])]
    lines = [head, ["---"] * 2 + ["---:"] * (len(head) - 2), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def columns(outcome: Outcome) -> list[Column]:
    """Give an outcome's columns, in their order."""
    verdict = outcome.verdict
    recovered = "never" if outcome.recovery_s is None else f"{outcome.recovery_s:.0f}"
    counted = ("served", "indexed", "partial", "dropped", "quarantined", "lost", "doubled", "stale")
    shown = {
        "fault": outcome.fault.id,
        "topology": outcome.topology,
        "seed": outcome.seed,
        **{name: getattr(verdict, name) for name in counted},
        "leases left": verdict.leases,
        "waiting": verdict.waiting,
        "differing": verdict.differing,
        "faults given": outcome.given,
        "restarts": outcome.restarts,
        "stops forced": outcome.forced,
        "polled early": outcome.polled_early,
        "recovery s": recovered,
        "whole run s": f"{outcome.took_s:.0f}",
    }
    return [Column(name, str(value)) for name, value in shown.items()]
