"""Measure articles per second of `wireroom up --until-idle` beside the bare loop over the same links.

Host speed drifts, so both run in turn, and each round's ratio is of neighbours.

    python -m bench.throughput [--distinct 5430] [--rounds 2] [--json FILE]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from bench.corpus_web import Web, corpus_web
from bench.memory import Usage, recorded
from bench.product import fresh_home

DISTINCT = 5430  # thirty times the 181 pages: below that, start and tail weigh


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Hold one turn of both. `up_s` is the whole command, start and stop included."""

    articles: int
    indexed: int
    up_s: float
    usage: Usage
    bare: Mapping[str, Any]

    @property
    def ratio(self) -> float:
        """Return the whole command's articles per second to the bare loop's at work, its start left out."""
        return float(self.indexed / self.up_s / self.bare["articles_per_s"])

    @property
    def ratio_of_commands(self) -> float:
        """Return the same with the bare loop's own start (imports, models) counted in."""
        bare_s = self.bare["start_s"] + self.bare["work_s"]
        return float(self.indexed / self.up_s / (self.bare["articles"] / bare_s))


def measure(web: Web) -> Round:
    """Run the product and then the bare loop over a web."""
    with fresh_home(web.feeds) as home:
        began = time.monotonic()
        with recorded(home.mark) as recorder:
            home.up()
        up_s = time.monotonic() - began
        articles = home.status()["articles"]
    return Round(
        articles=articles["total"],
        indexed=articles["indexed"],
        up_s=up_s,
        usage=recorder.usage(),
        bare=bare_loop(web.links),
    )


def bare_loop(links: Sequence[str]) -> Mapping[str, Any]:
    """Run the bare loop in processes of its own; return its figures."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{link}\n" for link in links)
        file.flush()
        command = [sys.executable, "-m", "bench.bare_loop", file.name]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def table(rounds: Sequence[Round]) -> str:
    """Lay the rounds out for a person; CPU and memory are the last round's."""
    lines = ["round  wireroom/s  bare/s  ratio  of commands  peak MiB"]
    for number, each in enumerate(rounds, start=1):
        lines.append(
            f"{number:5}  {each.indexed / each.up_s:10.1f}  {each.bare['articles_per_s']:6.1f}"
            f"  {each.ratio:5.2f}  {each.ratio_of_commands:11.2f}  {each.usage.peak:8.0f}"
        )
    lines += [f" mean  {'':10}  {'':6}  {fmean(each.ratio for each in rounds):5.2f}", ""]
    last = rounds[-1]
    lines.append("CPU, ms an article    PSS at the peak, MiB    part")
    for part, seconds in sorted(last.usage.cpu_by_part.items(), key=lambda item: -item[1]):
        pss = last.usage.peak_by_part.get(part, 0.0)
        lines.append(f"{1000 * seconds / last.indexed:18.2f}    {pss:20.0f}    {part}")
    bare = 1000 * last.bare["cpu_s"] / last.bare["articles"]
    lines.append(f"{bare:18.2f}    {'':20}    the bare loop: the libraries and its own fetching")
    return "\n".join(lines)


def main() -> None:
    """Measure, and print a table; with `--json`, write the figures too."""
    parser = argparse.ArgumentParser(prog="python -m bench.throughput", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--distinct", type=int, default=DISTINCT, help=f"how many links (default: {DISTINCT})"
    )
    parser.add_argument("--rounds", type=int, default=2, help="turns of both (default: 2)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    with corpus_web("--distinct", str(arguments.distinct)) as web:
        rounds = [measure(web) for _ in range(arguments.rounds)]
    if arguments.json:
        figures = [asdict(each) | {"ratio": each.ratio} for each in rounds]
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    print(table(rounds))


if __name__ == "__main__":
    main()
