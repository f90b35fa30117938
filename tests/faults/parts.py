"""The servers beside the product: killed, frozen, stopped, started again on their folders and ports."""

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from signal import Signals

from redis import Redis

from tests import servers

Send = Callable[[str], None]
"""Send a server a signal by its short name: KILL, STOP …"""

Begin = Callable[[Mapping[str, str]], AbstractContextManager[Send]]
"""Run a server with some settings of its own beside the usual ones."""

DURABLE: Mapping[str, str] = {"synchronous_commit": "on"}
"""What PostgreSQL has said is committed must survive its death, if not the machine's."""

FAULTS_USER = "faults"
EVERYTHING = f"user {FAULTS_USER} on nopass ~* &* +@all"
"""In Redis' list of users: the product's own may not administer it."""


class Server:
    """Keep one server, whether it runs or not; `address` is its HOST:PORT."""

    def __init__(self, begin: Begin, address: str, folder: Path) -> None:
        """Start nothing yet."""
        self.address, self.folder = address, folder
        self._begin = begin
        self._stack = ExitStack()
        self._send: Send | None = None

    @property
    def is_running(self) -> bool:
        """Tell whether it was started and not ended since."""
        return self._send is not None

    def start(self, settings: Mapping[str, str] | None = None) -> None:
        """Start it, unless it runs, and wait until it is ready."""
        if self._send is None:
            self._send = self._stack.enter_context(self._begin(settings or {}))

    def send(self, name: str) -> None:
        """Send it a signal; one that does not run gets none."""
        if self._send is not None:
            self._send(name)

    def end(self, name: str = "TERM") -> None:
        """Send it the signal that ends it, and wait until it has."""
        self.send(name)
        self.send("CONT")
        self._send = None
        self._stack.close()


@contextmanager
def open_postgresql() -> Iterator[Server]:
    """Start a PostgreSQL; it goes away with the block."""
    with servers.server_folder("postgresql") as folder:
        port = servers.free_port()

        @contextmanager
        def begin(settings: Mapping[str, str]) -> Iterator[Send]:
            with servers.postgresql_at(folder, port, {**DURABLE, **settings}) as process:
                yield _sending(process)

        with _kept(Server(begin, f"127.0.0.1:{port}", folder)) as server:
            yield server


@contextmanager
def open_redis(config: Path, aclfile: Path) -> Iterator[Server]:
    """Start a Redis by the product's configuration; it goes away with the block."""
    with servers.server_folder("redis") as folder:
        port = servers.free_port()

        @contextmanager
        def begin(_: Mapping[str, str]) -> Iterator[Send]:
            with servers.redis_at(folder, port, servers.redis_binary(), config, aclfile) as process:
                yield _sending(process)

        with _kept(Server(begin, f"127.0.0.1:{port}", folder)) as server:
            yield server


@contextmanager
def open_elasticsearch() -> Iterator[Server]:
    """Start an Elasticsearch 9; it goes away with the block."""
    with servers.server_folder("elasticsearch") as folder:
        port = servers.free_port()

        @contextmanager
        def begin(settings: Mapping[str, str]) -> Iterator[Send]:
            with servers.elasticsearch(9, settings, folder=folder, port=port) as server:
                yield server.send

        with _kept(Server(begin, f"127.0.0.1:{port}", folder)) as server:
            yield server


def administer(server: Server) -> Redis:
    """Open a Redis server as somebody who may do everything."""
    return Redis.from_url(f"redis://{FAULTS_USER}:any@{server.address}/0")


@contextmanager
def _kept(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.end()


def _sending(process: "subprocess.Popen[bytes]") -> Send:
    return lambda name: process.send_signal(Signals[f"SIG{name}"])
