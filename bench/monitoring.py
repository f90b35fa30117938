"""Measure what it costs to be seen: `wireroom up --until-idle` with metrics that are read and every step
logged as JSON, beside the same without, in turn over the same links.

    python -m bench.monitoring [--distinct 1810] [--rounds 3]

Prints articles per second of both and the ratio, by round; exit 1 when the median ratio is below 0.95.
"""

import argparse
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from statistics import median

from bench.corpus_web import Web, corpus_web
from bench.product import fresh_home
from tests.servers import free_port

DISTINCT = 1_810  # ten times the 181 pages
READ_EVERY_S = 5.0  # three times as often as Prometheus does by default
LEAST_RATIO = 0.95


@dataclass(frozen=True, slots=True)
class Run:
    """Hold one run: articles indexed, seconds of the whole command, and how often its metrics were read."""

    indexed: int
    seconds: float
    readings: int

    @property
    def per_s(self) -> float:
        """Give the articles a second."""
        return self.indexed / self.seconds


def run(web: Web, port: int | None) -> Run:
    """Run until idle, seen at a port or by nobody."""
    with fresh_home(web.feeds, seen_at(port) if port else {}) as home:
        readings = list[int]()
        with reading(port, readings) if port else nullcontext():
            began = time.monotonic()
            home.up()
            seconds = time.monotonic() - began
        return Run(home.status()["articles"]["indexed"], seconds, len(readings))


def seen_at(port: int) -> Mapping[str, str]:
    """Give the settings by which all is told."""
    return {
        "WIREROOM_METRICS_ADDRESS": str(port),
        "WIREROOM_LOG_FORMAT": "json",
        "WIREROOM_LOG_STEPS": "true",
    }


@contextmanager
def reading(port: int, readings: list[int]) -> Iterator[None]:
    """Read the metrics now and then, as Prometheus does; note the length of each answer."""
    stop = threading.Event()

    def read() -> None:
        while not stop.wait(READ_EVERY_S):
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                readings.append(len(answer.read()))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        stop.set()
        reader.join()


def main() -> None:
    """Measure, print, and exit 1 when it costs too much."""
    parser = argparse.ArgumentParser(prog="python -m bench.monitoring", description=__doc__.splitlines()[0])
    parser.add_argument("--distinct", type=int, default=DISTINCT, help=f"how many links ({DISTINCT})")
    parser.add_argument("--rounds", type=int, default=3, help="turns of both (3)")
    arguments = parser.parse_args()
    ratios = list[float]()
    print("round   seen/s  unseen/s  ratio  readings")
    with corpus_web("--distinct", str(arguments.distinct)) as web:
        for number in range(1, arguments.rounds + 1):
            # Who begins changes each round: the machine's speed drifts.
            order = (free_port(), None) if number % 2 else (None, free_port())
            runs = {port is not None: run(web, port) for port in order}
            ratios.append(runs[True].per_s / runs[False].per_s)
            print(
                f"{number:5}  {runs[True].per_s:7.1f}  {runs[False].per_s:8.1f}  {ratios[-1]:5.2f}"
                f"  {runs[True].readings:8}",
                flush=True,
            )
    print(f"median ratio {median(ratios):.2f}")
    sys.exit(0 if median(ratios) >= LEAST_RATIO else 1)


if __name__ == "__main__":
    main()
