"""Poll feeds as fast as it goes beside a bare loop of the same libraries, and rest with 10,000 feeds.

Each feed is at a loopback address of its own, as pace is not measured here. The product's side
are two processes of its poll stage, from the first claim to the last commit: SQLite, events, archive and
schedule. The bare loop's are two processes with aiohttp and feedparser and nothing else, which parse a body
that is new. Both ask 16 feeds at once each, in turn. A feed that changed shows one entry more.

    python -m bench.polling [--feeds 1000] [--rounds 3] [--latency 0.1] [--resting 10000] [--rest 60]

Prints feeds per second, CPU milliseconds a poll and the ratio, by kind of answer, with servers that take
`--latency` seconds as real ones do, then with servers that take none, where only processors count; then the
CPU of `wireroom up` with feeds that are not due. Exit 1 when a ratio of the first kind is below 0.7, or rest
costs 2 % of a core.
"""

import argparse
import asyncio
import hashlib
import io
import multiprocessing
import os
import resource
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import feedparser
from sqlalchemy import update

from bench.memory import family, read
from bench.product import fresh_home
from pipeline.concurrency import POLLS
from pipeline.services import open_services, set_up
from pipeline.settings import Settings, read_settings
from pipeline.stages.poll import poll
from pipeline.stages.shift import Shift
from pipeline.store.due import feeds_due
from pipeline.store.store import open_store
from pipeline.store.subscriptions import NewFeed, add_feeds
from pipeline.store.tables import feeds, hosts

PROCESSES = 2
KINDS = ("304", "unchanged", "changed")
ENTRIES = 20
SUMMARY = "What is known so far, in the words of a feed that tells it at some length. " * 8
LEAST_RATIO = 0.7
MOST_AT_REST = 0.02  # of a core
SETTLING_S = 60.0
LIBRARIES = ("aiohttp", "feedparser", "sqlalchemy")


@dataclass(frozen=True, slots=True)
class Round:
    """Hold one round's figures: wall and CPU seconds of all its processes, for so many polls."""

    polls: int
    wall_s: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        """Give the polls a second."""
        return self.polls / self.wall_s

    @property
    def cpu_ms(self) -> float:
        """Give the CPU milliseconds a poll."""
        return 1000 * self.cpu_s / self.polls


def document(asked: int) -> bytes:
    """Write a feed whose newest entry is as many as it was asked times before."""
    items = "".join(
        f"<item><title>Story {number}</title><link>http://news.example/{number}</link>"
        f"<guid>{number}</guid><description>{SUMMARY}</description></item>"
        for number in range(asked + ENTRIES, asked, -1)
    )
    channel = f"<title>Feed</title><link>http://news.example/</link><description/>{items}"
    return f'<?xml version="1.0"?><rss version="2.0"><channel>{channel}</channel></rss>'.encode()


class _Answering(asyncio.Protocol):
    """Answer every request by the kind that its path names."""

    def __init__(self, latency_s: float, asked: dict[bytes, int]) -> None:
        self._latency_s = latency_s
        self._asked = asked

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, request: bytes) -> None:
        asyncio.get_running_loop().call_later(self._latency_s, self._answer, request)

    def _answer(self, request: bytes) -> None:
        path = request.split(b" ", 2)[1]
        kind = path.split(b"/")[1]
        if kind == b"304" and b"if-none-match" in request.lower():
            self._transport.write(b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n')
            return
        count = self._asked[path] = self._asked.get(path, -1) + 1
        body = document(count if kind == b"changed" else 0)
        etag = b'ETag: "1"\r\n' if kind == b"304" else b""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\n%sContent-Length: %d\r\n\r\n"
        self._transport.write(head % (etag, len(body)) + body)


def answer(listener: socket.socket, latency_s: float) -> None:
    """Answer after a while, until terminated."""

    async def serve() -> None:
        answering = partial(_Answering, latency_s, {})
        server = await asyncio.get_running_loop().create_server(answering, sock=listener, backlog=1024)
        await server.serve_forever()

    asyncio.run(serve())


def product(settings: Settings, barrier: Barrier, results: Any) -> None:
    """Poll what is due until nothing is, as one process of the product."""
    with closing(open_services(settings)) as services:
        shift = Shift(
            ends_at=time.monotonic() + 600, ring=lambda stage: None, stopping=multiprocessing.Event()
        )
        _timed(lambda: poll(services, shift), barrier, results)


def bare(addresses: Sequence[str], hashes: dict[str, str], barrier: Barrier, results: Any) -> None:
    """Poll the addresses with the libraries alone."""
    _timed(lambda: asyncio.run(_bare_loop(addresses, hashes)), barrier, results)


async def _bare_loop(addresses: Sequence[str], hashes: dict[str, str]) -> None:
    connector = aiohttp.TCPConnector(limit=0, limit_per_host=1, force_close=True)
    left = list(addresses)

    async def ask() -> None:
        while left:
            url = left.pop()
            headers = {"If-None-Match": '"1"'} if "/304/" in url else {}
            async with session.get(url, headers=headers) as response:
                body = await response.read()
            if response.status == 304:
                continue
            digest = hashlib.sha256(body).hexdigest()
            if hashes.get(url) != digest:
                feedparser.parse(io.BytesIO(body), response_headers=dict(response.headers))
            hashes[url] = digest

    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(ask() for _ in range(POLLS)))


def _timed(work: Callable[[], object], barrier: Barrier, results: Any) -> None:
    barrier.wait()
    before = _cpu_s()
    work()
    results.put(_cpu_s() - before)


def _cpu_s() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = sum(process.cpu for pid in _children() if (process := read(pid)))
    return own.ru_utime + own.ru_stime + children


def _children() -> list[int]:
    with suppress(OSError):
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    return []


def run(target: Callable[..., None], arguments: Sequence[tuple[Any, ...]], polls: int) -> Round:
    """Run one process for each tuple of arguments, from the same moment on."""
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(len(arguments) + 1), spawn.SimpleQueue()
    processes = [spawn.Process(target=target, args=(*each, barrier, results)) for each in arguments]
    for process in processes:
        process.start()
    barrier.wait()
    began = time.monotonic()
    cpu_s = sum(results.get() for _ in processes)
    wall_s = time.monotonic() - began
    for process in processes:
        process.join()
    return Round(polls, wall_s, cpu_s)


def compare(kind: str, port: int, *, count: int, rounds: int) -> float:
    """Let both poll the same feeds in turn; print and return the ratio of their medians."""
    addresses = [
        f"http://127.{1 + n // 62_500}.{n // 250 % 250}.{1 + n % 250}:{port}/{kind}/{n}" for n in range(count)
    ]
    hashes = {url: hashlib.sha256(document(0)).hexdigest() for url in addresses if kind == "unchanged"}
    ours, theirs = list[Round](), list[Round]()
    with tempfile.TemporaryDirectory(prefix="wireroom-bench-") as folder:
        settings = _settings(Path(folder))
        set_up(settings)
        store = open_store(settings.sql_url)
        add_feeds(store, [NewFeed(url=url) for url in addresses], interval_s=settings.poll_min)
        for number in range(rounds + 1):
            with store.write() as connection:
                connection.execute(update(feeds).values(next_poll_at=time.time()))
                connection.execute(update(hosts).values(next_request_at=0))
            ours.append(run(product, [(settings,)] * PROCESSES, count))
            if left := feeds_due(store):
                raise SystemExit(f"{left} feeds were not polled")
            if number:  # the first round brings the validators
                shares = [(addresses[part::PROCESSES], hashes) for part in range(PROCESSES)]
                theirs.append(run(bare, shares, count))
        store.close()
    return _told(kind, ours[1:], theirs)


def compare_all(latency_s: float, *, count: int, rounds: int) -> list[float]:
    """Compare each kind of answer on a server of its own; return the ratios."""
    listener = socket.create_server(("0.0.0.0", 0), backlog=1024)
    spawn = multiprocessing.get_context("fork")
    server = spawn.Process(target=answer, args=(listener, latency_s), daemon=True)
    server.start()
    print(f"answers after {1000 * latency_s:.0f} ms:")
    print(f"{'answer':>10} {'feeds/s':>9} {'bare':>9} {'ratio':>7} {'CPU ms':>9} {'bare':>9}")
    port = listener.getsockname()[1]
    ratios = [compare(kind, port, count=count, rounds=rounds) for kind in KINDS]
    server.terminate()
    server.join()
    listener.close()
    return ratios


def _told(kind: str, ours: Sequence[Round], theirs: Sequence[Round]) -> float:
    per_s = [median(each.per_s for each in rounds) for rounds in (ours, theirs)]
    cpu_ms = [median(each.cpu_ms for each in rounds) for rounds in (ours, theirs)]
    ratio = per_s[0] / per_s[1]
    print(
        f"{kind:>10} {per_s[0]:9.0f} {per_s[1]:9.0f} {ratio:7.2f} {cpu_ms[0]:9.2f} {cpu_ms[1]:9.2f}",
        flush=True,
    )
    return ratio


def rest(count: int, seconds: float) -> float:
    """Measure `wireroom up` with feeds that are not due; return the share of a core that it takes."""
    addresses = [
        f"http://127.{1 + n // 62_500}.{n // 250 % 250}.{1 + n % 250}:8080/feed" for n in range(count)
    ]
    with fresh_home(addresses) as home:
        store = open_store(_settings(home.folder).sql_url)
        with store.write() as connection:
            connection.execute(update(feeds).values(next_poll_at=feeds.c.next_poll_at + 86_400))
        store.close()
        home.start("up")
        time.sleep(SETTLING_S)
        before = _family_cpu_s(home.mark)
        time.sleep(seconds)
        return (_family_cpu_s(home.mark) - before) / seconds


def _family_cpu_s(mark: str) -> float:
    return sum(process.cpu for pid in family(mark) if (process := read(pid)))


def _settings(home: Path) -> Settings:
    environ = {"WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8", "WIREROOM_HOST_DELAY": "0"}
    return read_settings({"WIREROOM_HOME": str(home), **environ})


def main() -> None:
    """Measure, print, and exit 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.polling", description=__doc__.splitlines()[0])
    parser.add_argument("--feeds", type=int, default=1_000, help="feeds a round (default: 1000)")
    parser.add_argument("--rounds", type=int, default=3, help="of each side, in turn (default: 3)")
    parser.add_argument("--latency", type=float, default=0.1, help="seconds for an answer (default: 0.1)")
    parser.add_argument("--resting", type=int, default=10_000, help="feeds that are not due; 0: not measured")
    parser.add_argument("--rest", type=float, default=60.0, help="seconds of rest (default: 60)")
    arguments = parser.parse_args()
    print(", ".join(f"{library} {version(library)}" for library in LIBRARIES), f"on {os.cpu_count()} cores")
    ratios = compare_all(arguments.latency, count=arguments.feeds, rounds=arguments.rounds)
    compare_all(0.0, count=arguments.feeds, rounds=arguments.rounds)
    share = rest(arguments.resting, arguments.rest) if arguments.resting else 0.0
    if arguments.resting:
        print(f"{arguments.resting:,} feeds at rest: {share:.2%} of a core")
    sys.exit(0 if min(ratios) >= LEAST_RATIO and share < MOST_AT_REST else 1)


if __name__ == "__main__":
    main()
