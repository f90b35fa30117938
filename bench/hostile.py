"""Set a thousand hostile answers on the real workers, as feeds, pages and robots.txt, beside polite sites.

`wireroom up` follows thirty polite sites, first alone, then while hostile hosts come in at a steady rate:
each an address of its own that drips, floods, bombs, lies about lengths, breaks TLS, redirects for ever.

    python -m bench.hostile [--hosts 1100] [--rate 4] [--alone 60]

Ends with 1 when an answer took longer than 30 s or ended without a slug, when the process that polls and
fetches and the one that parses took 300 MiB or more, or when the p95 of the polite stories, from publication
to the request for their page, is above 1.2 times what it was without hostile hosts.
"""

import argparse
import json
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from sqlalchemy import select

from bench.hostile_web import (
    HOP_S,
    KINDS,
    PERIOD_S,
    PLACES,
    POLITE_HOSTS,
    HostileHost,
    hostile_hosts,
    loopback,
)
from bench.memory import PROC, family, part_of, read
from bench.product import Home, fresh_home
from pipeline.fetching.classify import HOPS
from pipeline.fetching.pacing import LONGEST_FOR_SLOW_S
from pipeline.identity import article_id, url_key
from pipeline.outcomes import FetchSlug
from pipeline.store.store import Store, open_store
from pipeline.store.subscriptions import NewFeed, add_feeds, list_feeds
from pipeline.store.tables import articles, events
from tests.servers import free_port

SLOWEST_S = 30.0
SLACK_S = 1.0  # of the server's clock: a busy machine closes a connection a little late
MEMORY_MIB = 300
LATENCY_RATIO = 1.2
ANSWERS = 1_000
STARTING_S = 300.0  # until the workers ask for a first story, on a busy machine
SETTLING_S = 20.0  # polls that find their rhythm
STARTS = "starts"  # the file that tells the webs when the hostile hosts come in
QUEUED_S = 90.0  # after the last hostile host came in: its answer, and what is left of a queue
TAIL_S = QUEUED_S + (HOPS + 1) * (HOP_S + LONGEST_FOR_SLOW_S)  # until a chain of slow redirects is at its end
SETTINGS = {"WIREROOM_POLL_MIN": "5s", "WIREROOM_POLL_MAX": "1h", "WIREROOM_RETRY_DELAY": "1d"}
HOSTILE_INTERVAL_S = 3_600.0  # so that each hostile feed is asked once


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Hold what the webs told: hostile connections, and when and how late polite stories were asked for."""

    hostile: Sequence[Mapping[str, Any]]
    polite: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Hold what came of a run: slugs by host, peaks in MiB by part, the moments at which its phases began."""

    served: Served
    slugs: Mapping[str, str]
    peaks: Mapping[str, float]
    alone_at: float
    hostile_at: float
    quiet_at: float


@contextmanager
def webs(folder: Path, port: int, hosts: int, rate: float) -> Iterator[None]:
    """Serve the hostile and the polite web, each in a process of its own, so that neither slows the other."""
    roles = (("hostile", ()), ("polite", (str(folder / STARTS), str(rate))))
    commands = [
        [sys.executable, "-m", "bench.hostile_web", role, str(port), str(folder / role), str(hosts), *more]
        for role, more in roles
    ]
    processes = [subprocess.Popen(command) for command in commands]
    try:
        for address in (loopback(31, 0), loopback(30, POLITE_HOSTS - 1)):
            await_listening(address, port)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def await_listening(address: str, port: int) -> None:
    """Wait until a web listens: a feed that was refused is asked again only minutes later."""
    ends_at = time.monotonic() + STARTING_S
    while time.monotonic() < ends_at:
        with suppress(OSError), socket.create_connection((address, port), timeout=1):
            return
        time.sleep(0.1)
    raise SystemExit(f"nothing listens at {address}")


def await_first_story(log: Path) -> None:
    """Wait until the workers are at work. Raises SystemExit when they do not come to it."""
    ends_at = time.monotonic() + STARTING_S
    while not (log.exists() and log.read_text()):
        if time.monotonic() > ends_at:
            raise SystemExit(f"no polite story was asked for within {STARTING_S:.0f} s")
        time.sleep(0.5)


def release(store: Store, hosts: Sequence[HostileHost], port: int, starts_at: float, rate: float) -> None:
    """Follow the hostile feeds, so many a second from a moment on, in step with the hub's links."""
    feeds = [host.url(port) for host in hosts if host.place == "feed"]
    share = rate * len(feeds) / len(hosts)
    added = 0
    while added < len(feeds):
        due = int(max(0.0, time.monotonic() - starts_at) * share)
        add_feeds(store, [NewFeed(url=url) for url in feeds[added:due]], interval_s=HOSTILE_INTERVAL_S)
        added = max(added, min(due, len(feeds)))
        time.sleep(1)


def slugs(store: Store, hosts: Sequence[HostileHost], port: int) -> dict[str, str]:
    """Tell by host how its feed or page ended; a host that is missing has not ended."""
    ended = {feed.url: feed.last_error for feed in list_feeds(store) if feed.last_polled_at}
    query = select(articles.c.id, events.c.slug, events.c.detail).join(
        events, events.c.article_id == articles.c.id
    )
    with store.read() as connection:
        rows = connection.execute(query.where(events.c.stage == "fetch").order_by(events.c.id)).all()
    pages = {row.id: _slug(row.slug, row.detail) for row in rows if row.slug}
    found = {}
    for host in hosts:
        url = host.url(port)
        slug = ended.get(url) if host.place == "feed" else pages.get(article_id(url_key(url) or ""))
        if slug or url in ended:
            found[host.address] = slug or "no slug"
    return found


def _slug(slug: str | None, detail: str | None) -> str:
    first = (detail or "").partition(":")[0]
    return f"{slug}, {first}" if first in set(FetchSlug) else slug or "no slug"


def peaks(home: Home) -> dict[str, float]:
    """Read the highest resident memory of each part's largest process, in MiB."""
    processes = [process for pid in family(home.mark) if (process := read(pid))]
    highest: defaultdict[str, float] = defaultdict(float)
    for process in processes:
        status = (PROC / str(process.pid) / "status").read_text()
        kib = int(status.partition("VmHWM:")[2].split()[0])
        part = part_of(process, processes)
        highest[part] = max(highest[part], kib / 1024)
    return dict(highest)


def run(hosts: Sequence[HostileHost], *, rate: float, alone_s: float) -> Run:
    """Run both phases on a fresh home."""
    port = free_port()
    feeds = [f"http://{loopback(30, number)}:{port}/feed" for number in range(POLITE_HOSTS)]
    feeds.append(f"http://{loopback(31, 0)}:{port}/feed")
    paged = rate * sum(host.place != "feed" for host in hosts) / len(hosts)
    with fresh_home(feeds, SETTINGS) as home, webs(home.folder, port, len(hosts), paged):
        home.run("feeds", "set", *feeds, "--max-interval", "5s")  # none has shown a rhythm yet
        process = home.start("up")
        with closing(open_store(f"sqlite:///{home.folder / 'wireroom.db'}")) as store:
            await_first_story(home.folder / "polite")
            alone_at = time.monotonic() + SETTLING_S
            hostile_at = alone_at + alone_s
            (home.folder / STARTS).write_text(str(hostile_at))
            release(store, hosts, port, hostile_at, rate)
            quiet_at = time.monotonic() + QUEUED_S
            ends_at = time.monotonic() + TAIL_S
            while len(slugs(store, hosts, port)) < len(hosts) and time.monotonic() < ends_at:
                time.sleep(2)
            quiet_at, highest = min(quiet_at, time.monotonic()), peaks(home)
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            ended = slugs(store, hosts, port)
        served = Served(hostile=_lines(home.folder / "hostile"), polite=_lines(home.folder / "polite"))
    return Run(
        served=served, slugs=ended, peaks=highest, alone_at=alone_at, hostile_at=hostile_at, quiet_at=quiet_at
    )


def _lines(path: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def table(hosts: Sequence[HostileHost], ended: Run) -> Iterator[str]:
    """Write a line a kind: its slugs in each place, and how long its longest answer took."""
    longest: defaultdict[str, float] = defaultdict(float)
    for line in ended.served.hostile:
        longest[line["host"]] = max(longest[line["host"]], line["lasted_s"])
    yield f"| kind | hosts | {' | '.join(PLACES)} | longest, s |\n|---|---|---|---|---|---|"
    for kind in KINDS:
        mine = [host for host in hosts if host.kind == kind]
        cells = []
        for place in PLACES:
            found = {ended.slugs.get(host.address, "not ended") for host in mine if host.place == place}
            cells.append("; ".join(sorted(found)) or "–")
        slowest = max((longest[host.address] for host in mine), default=0.0)
        yield f"| {kind[1:]} | {len(mine)} | {' | '.join(cells)} | {slowest:.1f} |"


def waits(served: Served, since: float, until: float) -> list[float]:
    """List how long the stories that were asked for in a phase had been published, once a story."""
    first: dict[tuple[int, int], float] = {}
    for line in served.polite:
        if since <= line["at"] < until:
            first.setdefault((line["host"], line["story"]), line["waited_s"])
    return sorted(first.values())


def p95(times: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return quantiles(times, n=20)[-1]


def verdict(hosts: Sequence[HostileHost], ended: Run) -> Iterator[tuple[bool, str]]:
    """Judge the run, a line a demand."""
    places = {host.address: host.place for host in hosts}
    answers = [
        line
        for line in ended.served.hostile
        if places[line["host"]] == "robots" or line["target"] != "/robots.txt"
    ]
    yield (
        len(answers) >= ANSWERS,
        f"{len(answers):,} hostile answers of {len(KINDS)} kinds from {len(hosts):,} hosts",
    )
    slowest = max((line["lasted_s"] for line in answers), default=0.0)
    yield slowest <= SLOWEST_S + SLACK_S, f"the longest took {slowest:.1f} s (limit {SLOWEST_S:.0f})"
    without = len(hosts) - sum(slug != "no slug" for slug in ended.slugs.values())
    yield without == 0, f"{without} ended without a slug"
    fetching = sum(
        mib for part, mib in ended.peaks.items() if part.startswith(("poll", "pipeline.feeds.child"))
    )
    shown = ", ".join(f"{part} {mib:.0f}" for part, mib in sorted(ended.peaks.items()))
    yield (
        0 < fetching < MEMORY_MIB,
        f"{fetching:.0f} MiB at most to poll, fetch and parse (limit {MEMORY_MIB}); all: {shown}",
    )
    alone = waits(ended.served, ended.alone_at, ended.hostile_at)
    beside = waits(ended.served, ended.hostile_at, ended.quiet_at)
    ratio = p95(beside) / p95(alone)
    yield (
        ratio <= LATENCY_RATIO,
        (
            f"polite stories, from publication to the request: p95 {p95(alone):.2f} s alone ({len(alone)}), "
            f"{p95(beside):.2f} s beside hostile hosts ({len(beside)}): {ratio:.2f} times "
            f"(limit {LATENCY_RATIO}); medians {median(alone):.2f} and {median(beside):.2f} s"
        ),
    )
    due = (ended.quiet_at - ended.hostile_at) / PERIOD_S * POLITE_HOSTS
    yield (
        len(beside) >= due * 0.95,
        f"{len(beside)} of some {due:.0f} polite stories were asked for beside them",
    )


def main() -> None:
    """Run, print the table and the verdict."""
    parser = argparse.ArgumentParser(prog="python -m bench.hostile", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--hosts", type=int, default=len(hostile_hosts()), help="hostile hosts (default: 1100)"
    )
    parser.add_argument("--rate", type=float, default=4.0, help="hostile hosts a second (default: 4)")
    parser.add_argument("--alone", type=float, default=60.0, help="seconds without them (default: 60)")
    arguments = parser.parse_args()
    hosts = hostile_hosts(arguments.hosts)
    ended = run(hosts, rate=arguments.rate, alone_s=arguments.alone)
    print("\n".join(table(hosts, ended)), end="\n\n")
    judged = list(verdict(hosts, ended))
    for is_kept, line in judged:
        print("ok  " if is_kept else "FAIL", line)
    sys.exit(not all(is_kept for is_kept, _ in judged))


if __name__ == "__main__":
    main()
