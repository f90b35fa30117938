"""Let the strictest publishers score the product's poll stage: 200 feeds, 10,000 polls, four processes.

The store's clock and the publishers' go faster than ours, both alike, so that the polls of some days take
some minutes; host delay, hints and intervals are the product's defaults.

    python -m bench.good_citizen [--feeds 200] [--polls 10000] [--processes 4] [--factor 500] [--store URL]

Exit 1 when anything is counted that must not be: see the lines that it prints.
"""

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from multiprocessing.synchronize import Event
from pathlib import Path

from bench.strict_publishers import Publishers, offence_names
from pipeline.model import Stage
from pipeline.services import Services, set_up
from pipeline.settings import Settings, read_settings
from pipeline.stages.poll import poll
from pipeline.stages.shift import begin_shift
from pipeline.store.store import Clock, open_store
from pipeline.store.subscriptions import NewFeed, add_feeds

HOSTS = 50
REST_S = 0.02  # a worker's rest when nothing is due
LIMIT_S = 1_800.0
PROGRESS_S = 30.0


def work(settings: Settings, clock: Clock, stopping: Event) -> None:
    """Poll until asked to stop, as a worker of the product does."""
    with closing(Services(settings, open_store(settings.sql_url, clock))) as services:
        while not stopping.is_set():
            poll(services, begin_shift(_ring, stopping))
            stopping.wait(REST_S)


def _ring(stage: Stage) -> None:
    """Ring for nobody: only polling is scored."""


async def score(publishers: Publishers, *, polls: int) -> None:
    """Answer until so many polls were made."""
    serving = asyncio.create_task(publishers.serve())
    began = said = time.monotonic()
    while publishers.polls < polls:
        await asyncio.sleep(0.2)
        if time.monotonic() - began > LIMIT_S:
            raise SystemExit(f"only {publishers.polls:,} polls in {LIMIT_S:.0f} s")
        if time.monotonic() - said > PROGRESS_S:
            said = time.monotonic()
            print(f"{publishers.polls:8,} polls after {said - began:.0f} s", file=sys.stderr)
    serving.cancel()


def report(publishers: Publishers) -> bool:
    """Print each count; True when all are as they must be."""
    unconditional = publishers.unconditional()
    lines = [(name, publishers.offences[name], 0) for name in offence_names()]
    lines.append(("most unconditional requests of a feed", max(unconditional, default=0), 1))
    lines.append(("most connections to one host at once", publishers.peak, 1))
    for name, counted, most in lines:
        print(f"{counted:8,} {name}" + ("" if counted <= most else f": must be {most}"))
    by_manner = ", ".join(f"{name} {count:,}" for name, count in sorted(publishers.asked.items()))
    print(f"requests by kind of feed: {by_manner}")
    return all(counted <= most for _, counted, most in lines)


def main() -> None:
    """Run and score."""
    parser = argparse.ArgumentParser(prog="python -m bench.good_citizen", description=__doc__.splitlines()[0])
    parser.add_argument("--feeds", type=int, default=200)
    parser.add_argument("--polls", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--factor", type=float, default=500.0, help="how much faster time goes by")
    parser.add_argument("--store", default="embedded", help="an empty store (default: SQLite, one file)")
    arguments = parser.parse_args()
    clock = Clock(start=time.time(), factor=arguments.factor)
    publishers = Publishers(arguments.feeds, HOSTS, lambda: float(clock.scaled(time.time())))
    with tempfile.TemporaryDirectory(prefix="wireroom-bench-") as folder:
        settings = _settings(Path(folder), arguments.store)
        _watch(settings, clock, publishers.addresses)
        began = time.monotonic()
        _run(settings, clock, publishers, processes=arguments.processes, polls=arguments.polls)
        seconds = time.monotonic() - began
    days = seconds * arguments.factor / 86_400
    print(
        f"{publishers.polls:8,} polls of {arguments.feeds} feeds on {HOSTS} hosts by {arguments.processes} "
        f"processes in {seconds:.0f} s, which were {days:.1f} days"
    )
    sys.exit(0 if report(publishers) else 1)


def _settings(home: Path, store: str) -> Settings:
    return read_settings(
        {
            "WIREROOM_HOME": str(home),
            "WIREROOM_STORE_URL": store,
            "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
        }
    )


def _watch(settings: Settings, clock: Clock, addresses: Sequence[str]) -> None:
    set_up(settings)
    store = open_store(settings.sql_url, clock)
    add_feeds(store, [NewFeed(url=address) for address in addresses], interval_s=settings.poll_min)
    store.close()


def _run(settings: Settings, clock: Clock, publishers: Publishers, *, processes: int, polls: int) -> None:
    spawn = multiprocessing.get_context("spawn")
    stopping = spawn.Event()
    workers = [spawn.Process(target=work, args=(settings, clock, stopping)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    try:
        asyncio.run(score(publishers, polls=polls))
    finally:
        stopping.set()
        for worker in workers:
            worker.join(60)


if __name__ == "__main__":
    main()
