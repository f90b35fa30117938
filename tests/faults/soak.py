"""F24: an hour near the limit, with faults of all kinds at a low dose.

    python -m tests.faults.soak                          an hour on production parts
    python -m tests.faults.soak --minutes 5 --topology embedded

Keeps a backlog of articles waiting, gives one fault a minute, and samples every process. Prints what each
used and grew by an hour, and the line of a fault run. The exit code is 1 when anything was lost, doubled or
stale, or when a process that lived for half an hour grows.
"""

import argparse
import sys
from collections.abc import Sequence
from textwrap import dedent

from tests.faults import broker, clocks, database, index, kills
from tests.faults.report import line
from tests.faults.sampling import Growth, Sampler
from tests.faults.topology import EMBEDDED, PRODUCTION
from tests.faults.trial import Fault, Trial, run
from tests.faults.verdict import under_way

MINUTES = 60
MINUTE_S = 60.0
BACKLOG, BATCH, LOOK_S = 200, 20, 1.0
"""So many articles wait at any time; more appear, some at a time, when fewer do."""

EDITED = 2  # beside each batch
LASTS_S = 10.0
GIVEN = (
    *(each for each in kills.FAULTS if each.id != "F5"),
    *broker.FAULTS,
    *(each for each in index.FAULTS if each.id in ("F9", "F11", "F12")),
    *clocks.FAULTS,
    *database.FAULTS,
)
LONG_S, GROWS = 1800.0, 20.0
"""A process that lived for so long and grows by more (MiB of RSS an hour) leaks."""


def main() -> None:
    """Soak, and print what came of it."""
    arguments = read_arguments(sys.argv[1:])
    sampler = Sampler()
    outcome = run(
        soak(sampler, arguments.topology),
        arguments.topology,
        seed=arguments.seed,
        rounds=arguments.minutes,
        articles=BATCH * arguments.minutes,
    )
    growths = sampler.growths()
    print(f"{table(growths)}\n\n{line(outcome)}")
    sys.exit(0 if outcome.ok and not any(map(is_leaking, growths)) else 1)


def soak(sampler: Sampler, topology: str) -> Fault:
    """Make the fault of all faults, whose rounds are minutes."""
    given = [each for each in GIVEN if topology in each.rounds]

    def prepare(trial: Trial) -> None:
        clocks.wind(trial)
        sampler.begin(trial.system.crew.mark)
        trial.ending.callback(sampler.end)

    def inflict(trial: Trial) -> int:
        trial.wait(MINUTE_S, lambda: _publish(trial))
        return trial.chance.choice(given).inflict(trial)

    return Fault(
        id="F24",
        what="an hour near the limit, with faults of all kinds at a low dose",
        prepare=prepare,
        inflict=inflict,
        through=sorted({part for each in given for part in each.through}),
        lasts_s=LASTS_S,
        rounds={EMBEDDED: MINUTES, PRODUCTION: MINUTES},
        articles={EMBEDDED: BATCH * MINUTES, PRODUCTION: BATCH * MINUTES},
    )


def _publish(trial: Trial) -> bool:
    """Let articles appear while few wait; never done with it."""
    if under_way(trial.store, since=0.0).articles < BACKLOG:
        trial.web.publish(BATCH)
        trial.web.edit(EDITED, trial.chance)
    return False


def is_leaking(grown: Growth) -> bool:
    """Tell whether a process lived for long, and grows."""
    return grown.lived_s >= LONG_S and grown.rss_an_hour > GROWS


def table(growths: Sequence[Growth]) -> str:
    """Lay out what each process used in Markdown."""
    head = (
        "process | pid | seen s | PSS MiB | RSS MiB/h | PSS MiB/h | open files | connections",
        "--- | ---: | ---: | ---: | ---: | ---: | ---: | ---:",
    )
    rows = [
        f"{each.part} | {each.pid} | {each.lived_s:.0f} | {each.pss:.0f} | {each.rss_an_hour:+.1f} | "
        f"{each.pss_an_hour:+.1f} | {each.files[0]}-{each.files[1]} | "
        f"{each.connections[0]}-{each.connections[1]}"
        for each in growths
    ]
    return "\n".join(f"| {each} |" for each in (*head, *rows))


def read_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.soak",
        description=dedent(__doc__),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=int, default=MINUTES, help=f"how long ({MINUTES})")
    parser.add_argument("--topology", choices=(EMBEDDED, PRODUCTION), default=PRODUCTION, help="where")
    parser.add_argument("--seed", type=int, default=1, help="of all chance (1)")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
