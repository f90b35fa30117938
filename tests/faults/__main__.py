"""Give the product faults while news come in, and count what was lost.

    python -m tests.faults --fault F2 --topology embedded        the whole dose of one fault
    python -m tests.faults --fault F2 --dose 5 -n 60             a small one
    python -m tests.faults --dose 10 -n 200                      all faults on both topologies

Each run prints one line; at the end all of them make a table in Markdown. The exit code is 1 when an article
was lost, doubled or stale, a lease was left, or a run did not come to rest.
"""

import argparse
import sys
from collections.abc import Sequence
from textwrap import dedent, indent

from tests.faults.every_fault import CATALOGUE
from tests.faults.report import line, table
from tests.faults.topology import EMBEDDED, PRODUCTION
from tests.faults.trial import STALLED_S, Outcome, run

TOPOLOGIES = (EMBEDDED, PRODUCTION)
STALLED_PROOF_S = 30.0


def main() -> None:
    """Run what was chosen."""
    arguments = read_arguments(sys.argv[1:])
    outcomes: list[Outcome] = []
    for id in arguments.fault or CATALOGUE:
        for topology in arguments.topology or TOPOLOGIES:
            if topology in CATALOGUE[id].rounds:
                outcomes.append(_run(id, topology, arguments))
                print(line(outcomes[-1]), flush=True)
    if not outcomes:
        sys.exit("no fault was chosen that is tried on that topology")
    print(f"\n{table(outcomes)}")
    sys.exit(0 if all(each.ok for each in outcomes) else 1)


def _run(id: str, topology: str, arguments: argparse.Namespace) -> Outcome:
    fault = CATALOGUE[id]
    return run(
        fault,
        topology,
        seed=arguments.seed,
        rounds=fault.rounds[topology] if arguments.dose is None else arguments.dose,
        articles=arguments.number or fault.articles[topology],
        lasts_s=arguments.seconds,
        keep_leases=arguments.keep_leases,
        stalled_s=STALLED_PROOF_S if arguments.keep_leases else STALLED_S,
    )


def read_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    faults = "\n".join(f"{each.id:<4} {each.what} ({_doses(each.id)})" for each in CATALOGUE.values())
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=dedent(__doc__),
        epilog=f"faults, with their whole doses (rounds/articles):\n{indent(faults, '  ')}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--fault", action="append", choices=list(CATALOGUE), help="which (again for more; all)"
    )
    parser.add_argument(
        "--topology", action="append", choices=TOPOLOGIES, help="where (again for more; both)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of all chance (1)")
    parser.add_argument("--dose", type=int, help="how many rounds, each with its fault (the whole dose)")
    parser.add_argument("--seconds", type=float, help="how long a fault lasts that is not over at once")
    parser.add_argument("-n", dest="number", type=int, help="how many articles (the whole number)")
    parser.add_argument(
        "--keep-leases",
        action="store_true",
        help="proof that loss is seen: the harness takes away that leases end and are freed at a start",
    )
    return parser.parse_args(words)


def _doses(id: str) -> str:
    fault = CATALOGUE[id]
    return ", ".join(f"{name} {rounds}/{fault.articles[name]}" for name, rounds in fault.rounds.items())


if __name__ == "__main__":
    main()
