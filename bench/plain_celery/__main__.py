"""Kill a plain Celery + Redis pipeline at random moments, let it finish, and count what was lost or doubled.

    python -m bench.plain_celery [--kills 100] [-n 5000] [--seed 1]

The worker's whole process group gets SIGKILL in the middle of its work and is started again. At the end the
count waits until neither the queue nor `unacked` holds a message: what is missing then never comes back. The
configuration, and why it is so: `bench/plain_celery/tasks.py`.
"""

import argparse
import asyncio
import gzip
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from bench.plain_celery.tasks import BROKER, INDEX, VISIBILITY_S, WRITES, app, ingest
from bench.serving import Resource, loopback_sockets, serve
from tests.servers import redis, redis_binary

ROOT = Path(__file__).parents[2]
CHILDREN = "4"
LONGEST_S = 0.25
"""A kill comes so long, at most, after a number of articles that chance chose: some ten of them."""

LOOK_S = 0.05
QUIET_LOOKS = 40
"""Two seconds: a message that is neither queued nor `unacked` is on its way for some milliseconds."""

PATIENCE_S = 20 * VISIBILITY_S
QUEUES = ("celery", "unacked", "unacked_index")
PAGE = """<html><head><title>Item {number}</title></head><body><article><h1>Item {number}</h1>
<p>The council of district {number} met on Tuesday and agreed to mend the bridge before winter comes.</p>
<p>Work on it begins in a week, and the road is closed for {number} days, as the mayor told residents.</p>
</article></body></html>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toll:
    """Hold what the kills cost: articles that were never written, and writes beyond one an article."""

    served: int
    kills: int
    lost: int
    doubled: int


def main() -> None:
    """Serve, kill, wait and count; print one line."""
    parser = argparse.ArgumentParser(prog="python -m bench.plain_celery", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="how often (default: 100)")
    parser.add_argument("-n", type=int, default=5000, help="articles, more than kills (default: 5000)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default: 1)")
    arguments = parser.parse_args()
    if arguments.n <= arguments.kills:
        parser.error("-n: more articles than kills are needed")
    toll = measure(arguments.n, arguments.kills, random.Random(arguments.seed))
    rate = 100 * toll.lost / max(1, toll.kills)
    print(
        f"plain Celery + Redis: served {toll.served}, {toll.kills} kills (seed {arguments.seed}):"
        f" {toll.lost} lost, {toll.doubled} doubled; {rate:.1f} lost per 100 kills"
    )


def measure(articles: int, kills: int, chance: random.Random) -> Toll:
    """Run the pipeline on a Redis of its own, kill its workers so often, and count."""
    with redis(redis_binary()) as url, pages() as site, Redis.from_url(f"{url[:-1]}1") as index:
        environ = {BROKER: url, INDEX: f"{url[:-1]}1"}
        app.conf.update(broker_url=url)
        links = [f"{site}/{number}" for number in range(articles)]
        with Redis.from_url(url) as broker:
            kill_at_random(links, kills, chance, index, environ)
            with worker(environ) as process:
                wait_until_empty(broker, process)
            writes = [int(count) for count in index.hgetall(WRITES).values()]
    lost, doubled = len(links) - len(writes), sum(writes) - len(writes)
    return Toll(served=len(links), kills=kills, lost=lost, doubled=doubled)


def kill_at_random(
    links: Sequence[str], kills: int, chance: random.Random, index: "Redis", environ: Mapping[str, str]
) -> None:
    """Hand the links over a share at a time, one share ahead of the workers, and kill those within each."""
    share = max(1, len(links) // (kills + 1))
    handed = 0
    for kill in range(kills):
        for link in links[handed : (kill + 2) * share]:
            ingest(link)
        handed = max(handed, (kill + 2) * share)
        with worker(environ) as process:
            await_writes(index, kill * share + chance.randrange(share), process)
            time.sleep(chance.uniform(0, LONGEST_S))
    for link in links[handed:]:
        ingest(link)


@contextmanager
def worker(environ: Mapping[str, str]) -> "Iterator[subprocess.Popen[bytes]]":
    """Run the workers until the block ends, which kills all of them at once."""
    options = ["worker", "-c", CHILDREN, "--loglevel", "ERROR", "--without-gossip", "--without-mingle"]
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "bench.plain_celery.tasks", *options],
        env={**os.environ, "PYTHONWARNINGS": "ignore", **environ},  # as root, Celery says so each time
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def await_writes(index: "Redis", count: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until more than so many articles are written. Raises SystemExit when that takes too long."""
    ends_at = time.monotonic() + PATIENCE_S
    while index.hlen(WRITES) <= count:
        if process.poll() is not None or time.monotonic() > ends_at:
            raise SystemExit(f"the workers came to {index.hlen(WRITES)} articles only, of {count + 1}")
        time.sleep(LOOK_S)


def wait_until_empty(broker: "Redis", process: "subprocess.Popen[bytes]") -> None:
    """Wait until no message is queued or unacknowledged. Raises SystemExit when that takes too long."""
    ends_at, quiet = time.monotonic() + PATIENCE_S, 0
    while quiet < QUIET_LOOKS:
        if process.poll() is not None or time.monotonic() > ends_at:
            raise SystemExit("the workers did not finish; messages are left")
        quiet = 0 if broker.exists(*QUEUES) else quiet + 1
        time.sleep(LOOK_S)


@contextmanager
def pages() -> Iterator[str]:
    """Serve short pages, one a number, from a thread that ends with the process; yield their address."""
    (listening,) = loopback_sockets(1, first_port=0)
    serving = threading.Thread(target=lambda: asyncio.run(serve([listening], page, latency=0)), daemon=True)
    serving.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def page(path: str) -> Resource:
    """Make the page of a number."""
    html = PAGE.format(number=path.strip("/"))
    return Resource(compressed=gzip.compress(html.encode(), 1), media_type="text/html; charset=utf-8")


if __name__ == "__main__":
    main()
