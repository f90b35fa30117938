"""A TCP proxy that does to connections what networks do: delay, cut, hold, half-close, lose replies."""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import Any

CHUNK = 65_536
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing sends a reset, not an end
HELD_S = 0.05


class Mode(StrEnum):
    """Say what the proxy does to what passes it."""

    PASS = "pass"
    REFUSE = "refuse"  # new connections are closed at once
    HOLD = "hold"  # nothing passes, either way, and nobody is told: a black hole; it passes when mended
    HALF_OPEN = "half-open"  # the server is let go, the client is never told; what it writes is swallowed
    LOSE_REPLIES = "lose-replies"  # requests pass; the first byte of an answer cuts the connection instead,
    # where the request held `losing`


class Proxy:
    """Stand before a server at `HOST:PORT`. Its methods may be called from any thread."""

    def __init__(self, target: str) -> None:
        """Hold the target; `open_proxy` opens it."""
        host, _, port = target.partition("/")[0].rpartition("@")[2].rpartition(":")
        self._target = (host, int(port))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._open: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._doomed: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self.mode = Mode.PASS
        self.delay_s = 0.0  # before each piece, both ways
        self.losing = b""
        self.lost_replies = 0
        self.connections = 0

    @property
    def address(self) -> str:
        """Return its own `HOST:PORT`."""
        assert self._server is not None
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> int:
        """Abort every connection that is open; return how many."""
        return self._run(self._cut())

    def mend(self) -> None:
        """Let everything pass; connections of which a part was swallowed are cut."""
        broken, self.mode, self.delay_s = self.mode is Mode.HALF_OPEN, Mode.PASS, 0.0
        if broken:
            self.cut()

    def half_open(self) -> None:
        """Let go of the server in every open connection, and leave the clients waiting."""
        self.mode = Mode.HALF_OPEN
        self._run(self._leave_server())

    def open(self) -> None:
        """Listen on a free loopback port."""
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))

    def close(self) -> None:
        """Cut all, and listen no more."""
        self.mode = Mode.REFUSE
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        waiting: Future[Any] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return waiting.result(10.0)

    async def _cut(self) -> int:
        pairs = list(self._open)
        for pair in pairs:
            for writer in pair:
                _reset(writer)
        return len(pairs)

    async def _end(self) -> None:
        await self._cut()
        assert self._server is not None
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _leave_server(self) -> None:
        for _, server in list(self._open):
            _reset(server)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode is Mode.REFUSE:
            _reset(writer)
            return
        self.connections += 1
        await self._while_held()
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(writer)
            return
        pair = (writer, back)
        self._open.add(pair)
        try:
            await asyncio.gather(
                self._pump(reader, back, pair, reply=False), self._pump(there, writer, pair, reply=True)
            )
        finally:
            self._open.discard(pair)
            self._doomed.discard(pair)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        *,
        reply: bool,
    ) -> None:
        with suppress(ConnectionError):
            while piece := await source.read(CHUNK):
                await self._while_held()
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if self.mode is Mode.HALF_OPEN:
                    continue
                if self.mode is Mode.LOSE_REPLIES and not reply and self.losing in piece:
                    self._doomed.add(pair)
                if self.mode is Mode.LOSE_REPLIES and reply and pair in self._doomed:
                    self.lost_replies += 1
                    break
                target.write(piece)
                await target.drain()
        if self.mode is Mode.HALF_OPEN:
            return
        for writer in pair:
            _reset(writer) if pair in self._doomed else writer.close()

    async def _while_held(self) -> None:
        while self.mode is Mode.HOLD:
            await asyncio.sleep(HELD_S)


def _reset(writer: asyncio.StreamWriter) -> None:
    if not writer.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


@contextmanager
def open_proxy(target: str) -> Iterator[Proxy]:
    """Stand before a server until the block ends."""
    proxy = Proxy(target)
    proxy.open()
    try:
        yield proxy
    finally:
        proxy.close()
