"""What the attempts of `bench.ssrf` work with: a watched process, names, canaries, stages and commands."""

import io
import ipaddress
import os
import socket
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from bench.ssrf_targets import WEB, Target, address_targets, canary_targets
from pipeline.cli.running import run as run_command
from pipeline.flow import run_stage
from pipeline.identity import url_key
from pipeline.model import Stage
from pipeline.services import Services, open_services, set_up
from pipeline.settings import read_settings
from pipeline.stages.shift import begin_shift
from pipeline.store.subscriptions import NewFeed, add_feeds
from tests.stages.loopback import Answer, Site, open_site, whole

CANARIES = {"metadata": "127.0.0.2", "broker": "127.0.0.3", "index": "127.0.0.4"}
RSS = "application/rss+xml"


@dataclass(slots=True)
class Watch:
    """See the connections of this process; count and stop those that do not lead to the web."""

    allowed: frozenset[tuple[str, int]] = frozenset()
    on: bool = False
    connections: Counter[str] = field(default_factory=Counter)
    place: str = ""

    def see(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Count and stop what must not be; audit hooks stay for the whole process."""
        if event != "socket.connect" or not self.on or not isinstance(arguments[1], tuple):
            return
        if (_unmapped(arguments[1][0]), arguments[1][1]) not in self.allowed:
            self.connections[f"{self.place}: {arguments[1][0]} port {arguments[1][1]}"] += 1
            raise ConnectionRefusedError("stopped by the benchmark")


def _unmapped(address: str) -> str:
    parsed = ipaddress.ip_address(address)
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


@dataclass(slots=True)
class Names:
    """Answer names from tables: `rebinding` ones are public when first asked for, private from then on."""

    plain: dict[str, Sequence[str]] = field(default_factory=dict)
    rebinding: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def getaddrinfo(self, host: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
        """Do what socket.getaddrinfo does, for these names, address literals and what inet_aton takes."""
        name = (host.decode() if isinstance(host, bytes) else str(host)).lower().rstrip(".")
        self.asked[name] += 1
        if name in self.rebinding:
            addresses: Sequence[str] = [WEB if self.asked[name] == 1 else self.rebinding[name]]
        else:
            addresses = self.plain.get(name) or [WEB if name.endswith(".allowed.test") else _literal(name)]
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in addresses
        ]


def _literal(name: str) -> str:
    try:
        return name if ":" in name else socket.inet_ntoa(socket.inet_aton(name))
    except (OSError, UnicodeError) as error:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from error


@dataclass(slots=True, kw_only=True)
class Trial:
    """Hold what the attempts work with, and a number for what is to be told apart."""

    site: Site
    services: Services
    environ: Mapping[str, str]
    names: Names
    targets: Sequence[Target]
    watch: Watch
    number: int = 0

    @property
    def port(self) -> int:
        """Return the web's port."""
        return int(self.site.origin.rpartition(":")[2])

    def host(self) -> str:
        """Name a host of the web that was not asked before: hosts are asked one after the other."""
        self.number += 1
        return f"http://h{self.number}.allowed.test:{self.port}"

    def serve(self, path: str, answer: Answer) -> str:
        """Serve an answer under a path of its own on a host of its own; return its address."""
        self.number += 1
        self.site.answers[f"/{self.number}{path}"] = answer
        return f"{self.host()}/{self.number - 1}{path}"

    def poll(self, urls: Sequence[str]) -> None:
        """Follow feeds and poll until none is due; the store takes nothing that is no http(s) URL."""
        wanted = [NewFeed(url=url) for url in urls if url_key(url)]
        add_feeds(self.services.store, wanted, interval_s=3_600.0)
        self.work(Stage.POLL)

    def fetch(self, links: Sequence[str]) -> None:
        """Let a feed list links, poll it, and run the fetch stage until no page is due."""
        self.poll([self.serve("/feed", whole(feed(links), kind=RSS))])
        self.work(Stage.FETCH)

    def command(self, *arguments: str) -> str:
        """Run a command of Wireroom in this process; return what it printed."""
        before = dict(os.environ)
        os.environ.update(self.environ)
        try:
            with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
                run_command(arguments)
        finally:
            os.environ.clear()
            os.environ.update(before)
        return out.getvalue() + err.getvalue()

    def work(self, stage: Stage) -> None:
        """Run a stage until nothing is due for it."""
        run_stage(stage, self.services, begin_shift(lambda _: None, threading.Event(), budget_s=120.0))


def feed(links: Sequence[str]) -> bytes:
    """Write an RSS feed whose items name the links in every element that holds an address."""
    items = "".join(
        f"<item><title>{number}</title><link>{escape(link)}</link><guid>{escape(link)}</guid>"
        f"<comments>{escape(link)}</comments><enclosure url={quoteattr(link)} type='audio/mpeg' length='1'/>"
        f"<media:content xmlns:media='http://search.yahoo.com/mrss/' url={quoteattr(link)}/>"
        "<description>What is known of it.</description></item>"
        for number, link in enumerate(map(printable, links))
    )
    return f"<rss version='2.0'><channel><title>Feed</title>{items}</channel></rss>".encode()


def printable(url: str) -> str:
    """Leave out what XML cannot hold."""
    return "".join(character for character in url if character >= " " or character in "\t\n")


@contextmanager
def canaries(watch: Watch, port: int) -> Iterator[list[tuple[str, int]]]:
    """Listen on other loopback addresses, on the web's own port; count connections that get through."""
    with ExitStack() as stack:
        listeners = {
            name: stack.enter_context(socket.create_server((address, port)))
            for name, address in CANARIES.items()
        }
        for name, listener in listeners.items():
            threading.Thread(target=_count, args=(watch, name, listener), daemon=True).start()
        yield [listener.getsockname()[:2] for listener in listeners.values()]


def _count(watch: Watch, name: str, listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # closed
        connection.close()
        watch.connections[f"{watch.place}: the {name} canary was reached"] += 1


@contextmanager
def trials(every: int, *, is_open: bool) -> Iterator[Trial]:
    """Open all that the attempts need; `is_open` lets every address through the guard."""
    watch, names = Watch(), Names()
    real = socket.getaddrinfo
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="wireroom-bench-"))
        site = stack.enter_context(open_site())
        port = int(site.origin.rpartition(":")[2])
        listening = stack.enter_context(canaries(watch, port))
        targets = [*canary_targets(listening, f"{WEB}:{port}"), *address_targets()][::every]
        environ = {
            "WIREROOM_HOME": home,
            "WIREROOM_ALLOW_ADDRESSES": "0.0.0.0/0,::/0" if is_open else f"{WEB}/32",
            "WIREROOM_HOST_DELAY": "0",
            "WIREROOM_RETRY_DELAY": "1d",
        }
        settings = read_settings(environ)
        set_up(settings)
        services = stack.enter_context(closing(open_services(settings)))
        watch.allowed = frozenset({(WEB, port)})
        sys.addaudithook(watch.see)
        socket.getaddrinfo = names.getaddrinfo
        try:
            yield Trial(
                site=site, services=services, environ=environ, names=names, targets=targets, watch=watch
            )
        finally:
            watch.on, socket.getaddrinfo = False, real
