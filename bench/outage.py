"""Take Elasticsearch away in the middle of a run, in four ways; count what was lost, doubled or done twice.

It is killed and started again, frozen, made read-only, and made to reject what it gets (429), each for some
seconds while `wireroom up` reads a web of real pages.

    python -m bench.outage [--distinct 2000] [--seconds 15] [--major 9]

Ends with 1 when an article was lost, a document doubled or missing, or an article enriched twice.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.corpus_web import corpus_web
from bench.product import Home, fresh_home
from bench.real_feeds import RESTING
from tests.servers import Elasticsearch, elasticsearch, free_port

FAULTS = ("killed", "frozen", "read-only", "rejecting")
REJECTING = {"indexing_pressure.memory.limit": "256kb"}
"""The memory for writes under way: less than a batch of documents, so that most requests get a 429."""

LOOK_S = 1.0


class Server:
    """Hold an Elasticsearch that is started again on its own folder and port."""

    def __init__(self, major: int, folder: Path) -> None:
        """Start nothing yet."""
        self.major, self.folder, self.port = major, folder, free_port()
        self._stack = ExitStack()
        self._running: Elasticsearch | None = None

    @property
    def url(self) -> str:
        """Return its address, whether it runs or not."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, settings: Mapping[str, str] | None = None) -> None:
        """Start it and wait until it answers."""
        server = elasticsearch(self.major, settings, folder=self.folder, port=self.port)
        self._running = self._stack.enter_context(server)

    def end(self, name: str) -> None:
        """Send it the signal that ends it, and wait."""
        if self._running is not None:
            self._running.send(name)
        self._stack.close()
        self._running = None

    def send(self, name: str) -> None:
        """Send it a signal."""
        if self._running is not None:
            self._running.send(name)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask it something."""
        request = urllib.request.Request(
            f"{self.url}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())


def inflict(server: Server, fault: str, seconds: float) -> None:
    """Give the server one fault for some seconds, and mend it."""
    if fault == "killed":
        server.end("KILL")
        time.sleep(seconds)
        server.start()
    elif fault == "frozen":
        server.send("STOP")
        time.sleep(seconds)
        server.send("CONT")
    elif fault == "read-only":
        server.ask("PUT", "wireroom-articles/_settings", {"index.blocks.write": True})
        time.sleep(seconds)
        server.ask("PUT", "wireroom-articles/_settings", {"index.blocks.write": None})
    else:
        server.end("TERM")
        server.start(REJECTING)
        time.sleep(seconds)
        server.end("TERM")
        server.start()


def wait_for(server: Server, run: "subprocess.Popen[bytes]", documents: int) -> bool:
    """Wait until so many documents are indexed; False when the run ends before."""
    while run.poll() is None:
        try:
            if server.ask("GET", "wireroom-articles/_count")["count"] >= documents:
                return True
        except OSError:
            pass  # the alias is not there yet
        time.sleep(LOOK_S)
    return False


def verdict(home: Home, server: Server, links: Sequence[str]) -> dict[str, int]:
    """Compare links, store and index."""
    status, traces = home.status(), home.traces(links)
    known = {trace["url"] for trace in traces if trace["state"] in RESTING}
    indexed = status["articles"]["indexed"]
    held = server.ask("GET", "wireroom-articles/_count")["count"]
    twice = [trace for trace in traces if sum(step["outcome"] == "enriched" for step in trace["steps"]) > 1]
    return {
        "articles": status["articles"]["total"],
        "indexed": indexed,
        "quarantined": status["articles"]["quarantined"],
        "lost": len(set(links) - known) + max(0, indexed - held),
        "doubled": max(0, held - indexed) + max(0, status["articles"]["total"] - len(links)),
        "enriched twice": len(twice),
    }


@contextmanager
def fresh_server(major: int) -> Iterator[Server]:
    """Start a server on a folder that goes away with the block."""
    with tempfile.TemporaryDirectory(prefix="wireroom-outage-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)  # it runs as another user
        server = Server(major, Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.send("CONT")
            server.end("TERM")


def main() -> None:
    """Run once with all faults, one after the other, and print one line."""
    parser = argparse.ArgumentParser(prog="python -m bench.outage", description=__doc__.splitlines()[0])
    parser.add_argument("--distinct", type=int, default=2000, help="how many links (default: 2000)")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long each fault lasts (default: 15)")
    parser.add_argument("--major", type=int, default=9, choices=(8, 9), help="of Elasticsearch (default: 9)")
    arguments = parser.parse_args()
    given = []
    with (
        corpus_web("--distinct", str(arguments.distinct)) as web,
        fresh_server(arguments.major) as server,
        fresh_home(web.feeds, {"WIREROOM_INDEX_URL": server.url}) as home,
    ):
        home.run("setup")
        run = home.start("up", "--until-idle")
        for number, fault in enumerate(FAULTS, start=1):
            if wait_for(server, run, arguments.distinct * number // (len(FAULTS) + 2)):
                inflict(server, fault, arguments.seconds)
                given.append(fault)
        ended = run.wait()
        server.ask("POST", "wireroom-articles/_refresh")
        found = verdict(home, server, web.links)
    print(f"Elasticsearch {', '.join(given)}; up ended with {ended}; {found}")
    wrong = found["lost"] or found["doubled"] or found["enriched twice"] or len(given) < len(FAULTS)
    sys.exit(1 if wrong or ended else 0)


if __name__ == "__main__":
    main()
