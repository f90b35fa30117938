"""Read the public corpora of feeds, lists, JSON and hostile XML, and compare with what their authors expect.

    python -m bench.corpora [--corpora ../shared/corpora] [--exceptions]

Prints a table: inputs, crashes, inputs that took over five seconds of processor time, files or sockets opened
while reading (by an audit hook), expectations and those not met. `--exceptions` names each that is not met;
docs/corpora.md judges them. Ends with 1 when there is a crash, a hang or something opened.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.corpus_cases import Case, all_cases

HANG_S = 5.0
"""Processor time; the largest of the real feeds takes 1.2 s."""

WATCHED = ("socket.", "urllib.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "ftplib.", "http.")


@dataclass(slots=True)
class Score:
    """Count what became of a suite's cases."""

    inputs: int = 0
    expectations: int = 0
    crashed: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    unmet: list[str] = field(default_factory=list)


class Watch:
    """List what is opened while cases are read; an audit hook cannot be taken away, so it can be switched."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.is_on = False
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.is_on:
            return
        if event.startswith(WATCHED):
            self.opened.append(event)
        # Python's own modules: codecs are imported when the first document asks for them.
        elif event == "open" and not str(arguments[0]).endswith((".py", ".pyc")):
            self.opened.append(f"open {arguments[0]!s}")


def score(cases: Iterable[Case], watch: Watch) -> dict[str, Score]:
    """Read all cases, one after the other."""
    scores: dict[str, Score] = {}
    for case in cases:
        mine = scores.setdefault(case.suite, Score())
        mine.inputs += 1
        mine.expectations += case.expectations
        watch.opened, watch.is_on = [], True
        began = time.process_time()
        try:
            mine.unmet += [f"{case.name}: {unmet}" for unmet in case.read()]
        except Exception as error:
            mine.crashed.append(f"{case.name}: {type(error).__name__}: {error}")
        watch.is_on = False
        if time.process_time() - began > HANG_S:
            mine.hung.append(case.name)
        mine.opened += [f"{case.name}: {event}" for event in watch.opened]
    return scores


def table(scores: dict[str, Score]) -> str:
    """Lay out a line a suite, and a sum."""
    heads = ("suite", "inputs", "crashes", "hangs", "opened", "expectations", "met", "not met")
    rows = [_row(suite, each) for suite, each in scores.items()]
    sums: Counter[int] = Counter()
    for _, *numbers in rows:
        sums.update(dict(enumerate(numbers)))
    lines = [heads, *rows, ("all", *(sums[place] for place in range(len(heads) - 1)))]
    return "\n".join(f"{line[0]:16}" + "".join(f"{number:>13}" for number in line[1:]) for line in lines)


def _row(suite: str, each: Score) -> tuple[str, int, int, int, int, int, int, int]:
    bad = (len(each.crashed), len(each.hung), len(each.opened))
    return (suite, each.inputs, *bad, each.expectations, each.expectations - len(each.unmet), len(each.unmet))


def main(arguments: Sequence[str] | None = None) -> int:
    default = Path(__file__).parents[2] / "shared" / "corpora"
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpora", type=Path, default=default)
    parser.add_argument("--exceptions", action="store_true")
    options = parser.parse_args(arguments)
    began = time.process_time()
    cases = all_cases(options.corpora)
    scores = score(cases, Watch())
    print(table(scores))
    print(f"\n{time.process_time() - began:.0f} s of processor time")
    listed: Callable[[Score], list[str]] = lambda each: each.crashed + each.hung + each.opened  # noqa: E731
    for suite, each in scores.items():
        for line in listed(each) + (each.unmet if options.exceptions else []):
            print(f"{suite}: {line}")
    return int(any(listed(each) for each in scores.values()))


if __name__ == "__main__":
    sys.exit(main())
