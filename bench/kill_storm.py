"""Kill the whole process tree at random moments, run once more, and count what was lost or doubled.

    python -m bench.kill_storm [--kills 30] [--seed 1] [--feeds 200]

Exit 1 when an article was lost or a document doubled.
"""

import argparse
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from bench.corpus_web import Web, corpus_web, oracle, real_feeds
from bench.product import Home, fresh_home
from bench.real_feeds import RESTING

SHORTEST_S, LONGEST_S = 0.2, 12.0  # from before the store is open to the middle of full work


@dataclass(frozen=True, slots=True, kw_only=True)
class Toll:
    """Hold what a storm cost: links without a resting article, documents beyond one an article."""

    kills: int
    articles: int
    lost: int
    doubled: int


def storm(home: Home, moments: Sequence[float]) -> int:
    """Start `up` and kill its tree at each moment (seconds after its start); return how many kills it took.

    Ends early when a run becomes idle before its moment.
    """
    for kills, moment in enumerate(moments):
        process = home.start("up", "--until-idle")
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            home.kill()
            process.wait()
        else:
            return kills
    return len(moments)


def count(home: Home, links: Sequence[str], kills: int) -> Toll:
    """Compare the store and the index with the links that feedparser finds."""
    status = home.status()
    known = {trace["url"] for trace in home.traces(links) if trace["state"] in RESTING}
    articles = status["articles"]
    return Toll(
        kills=kills,
        articles=articles["total"],
        lost=len(set(links) - known) + max(0, articles["indexed"] - status["index"]["documents"]),
        doubled=max(0, articles["total"] - len(links))
        + max(0, status["index"]["documents"] - articles["indexed"]),
    )


def survive(web: Web, links: Sequence[str], moments: Sequence[float]) -> Toll:
    """Send a storm over a fresh home, let one more run finish, and count."""
    with fresh_home(web.feeds) as home:
        kills = storm(home, moments)
        home.up()
        return count(home, links, kills)


def main() -> None:
    """Kill as often as asked, on as many fresh homes as that takes; print one line."""
    parser = argparse.ArgumentParser(prog="python -m bench.kill_storm", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30, help="how often (default: 30)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default: 1)")
    parser.add_argument(
        "--feeds", type=int, default=200, help="how many of the cached feeds (default: all 200)"
    )
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    moments = [chance.uniform(SHORTEST_S, LONGEST_S) for _ in range(arguments.kills)]
    tolls: list[Toll] = []
    with corpus_web("--feeds", str(arguments.feeds)) as web:
        links = oracle(real_feeds(web.hosts, feeds=arguments.feeds, articles=sys.maxsize)).links
        while moments:
            tolls.append(survive(web, links, moments))
            moments = moments[tolls[-1].kills or 1 :]
    lost, doubled = sum(toll.lost for toll in tolls), sum(toll.doubled for toll in tolls)
    print(
        f"{sum(toll.kills for toll in tolls)} kills over {sum(toll.articles for toll in tolls)} articles"
        f" (seed {arguments.seed}): {lost} lost, {doubled} doubled"
    )
    sys.exit(1 if lost or doubled else 0)


if __name__ == "__main__":
    main()
