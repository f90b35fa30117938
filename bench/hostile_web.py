"""Serve the worst servers of the web, and polite ones, on loopback addresses: for `bench.hostile`.

Every host is an address of its own. Hostile ones give what their path says, in one of three places: the feed,
the page, the robots.txt. Polite ones publish a story every few seconds. What was served is told in a log.

    python -m bench.hostile_web hostile PORT LOG HOSTS                  from 127.20.0.1 on
    python -m bench.hostile_web polite PORT LOG HOSTS STARTS RATE    from 127.30.0.1 on
"""

import asyncio
import json
import math
import ssl
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import TextIO

from tests.misbehaving_server import ANSWERS, self_signed

HARMLESS = frozenset(
    {"/robots.txt", "/page", "/page-in-gzip", "/echo", "/odd-headers", "/redirect", "/redirect-inside"}
)
TLS_KINDS = ("/tls-self-signed", "/tls-plain-text", "/tls-silence", "/tls-garbage")
SLOW_HOPS = "/slow-redirects"
HOP_S = 25.0
"""How long a slow redirect takes: each hop ends in time, a chain of them would not."""

KINDS = (*sorted(ANSWERS.keys() - HARMLESS), *TLS_KINDS, SLOW_HOPS)
PLACES = ("feed", "page", "robots")
HOSTS = 1_100
"""More than 1,000 answers even where a robots.txt spares its host the page."""

POLITE_HOSTS = 30
PERIOD_S = 10.0
"""Between two stories of a polite host."""

STORY = b"<!doctype html><title>Story</title><article><h1>Story</h1>" + b"<p>A ship has come in.</p>" * 60
TLS_HANDSHAKE = b"\x16"  # RFC 8446 §5.1


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileHost:
    """Hold one hostile host: where it is, what it does, and in which place."""

    address: str
    kind: str
    place: str

    def url(self, port: int) -> str:
        """Return the address of the feed or page that is to be asked for; TLS is on the next port."""
        scheme, port = ("https", port + 1) if self.kind in TLS_KINDS else ("http", port)
        return f"{scheme}://{self.address}:{port}{self.kind if self.place != 'robots' else '/story'}"


def hostile_hosts(count: int = HOSTS) -> list[HostileHost]:
    """List the hosts: every kind in every place, over and over, so that any part is a fair mixture."""
    mixed = sorted(product(KINDS, PLACES), key=lambda each: zlib.crc32("".join(each).encode()))
    rounds = (each for _ in range(count) for each in mixed)
    return [
        HostileHost(address=loopback(20, number), kind=kind, place=place)
        for number, (kind, place) in enumerate(islice(rounds, count))
    ]


def loopback(block: int, number: int) -> str:
    """Return the address of host `number` in a block: 127.BLOCK.x.y."""
    return f"127.{block}.{number // 250}.{number % 250 + 1}"


@dataclass(slots=True)
class Log:
    """Write what was served, one line of JSON an answer."""

    file: TextIO

    def add(self, **told: object) -> None:
        """Write one line."""
        self.file.write(json.dumps(told) + "\n")
        self.file.flush()


async def serve_hostile(port: int, log: Log, folder: Path, hosts: Sequence[HostileHost]) -> None:
    """Serve all hostile hosts, in plain text on `port` and by TLS on the next one, until cancelled."""
    tls = self_signed(folder)
    for host in hosts:
        secured = tls if host.kind == "/tls-self-signed" else None
        handle = partial(_hostile, host, log)
        await asyncio.start_server(handle, host.address, port, limit=1 << 16)
        if host.kind in TLS_KINDS:
            await asyncio.start_server(handle, host.address, port + 1, ssl=secured)
    await asyncio.Event().wait()


async def _hostile(
    host: HostileHost, log: Log, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    began = time.monotonic()
    target = ""
    try:
        first = await reader.readexactly(1)
        if first == TLS_HANDSHAKE:
            target = host.kind
            await _break_handshake(host.kind, reader, writer)
        else:
            head = first + await reader.readuntil(b"\r\n\r\n")
            target = head.split(b" ", 2)[1].decode("latin-1")
            answer = _answer(host, target.partition("?")[0], writer, head)
            both = (asyncio.ensure_future(answer), asyncio.ensure_future(reader.read()))
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)  # the second: the client leaves
            for each in both:
                each.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
        pass
    finally:
        log.add(host=host.address, target=target, lasted_s=time.monotonic() - began)
        with suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
            writer.close()


async def _break_handshake(kind: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if kind == "/tls-silence":
        await reader.read()  # until the client leaves
    writer.write(
        b"HTTP/1.1 400 Bad Request\r\n\r\n" if kind == "/tls-plain-text" else b"\x16\x03\x01" + bytes(99)
    )


async def _answer(host: HostileHost, path: str, writer: asyncio.StreamWriter, head: bytes) -> None:
    if path == "/robots.txt" and host.place != "robots":
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    elif host.kind == SLOW_HOPS:
        await asyncio.sleep(HOP_S)
        writer.write(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %b\r\n\r\n" % path.encode())
    elif answer := ANSWERS.get(host.kind):
        await answer(writer, head)


async def serve_polite(port: int, log: Log, hostile: Sequence[str], mark: Path, rate: float) -> None:
    """Serve all polite hosts until cancelled. One more lists `hostile` links, so many a second from the
    moment on that a file tells, by the monotonic clock."""
    begins_at = time.monotonic()
    hub = partial(_hub, hostile, mark, rate)
    await asyncio.start_server(partial(_polite, hub), loopback(31, 0), port)
    for number in range(POLITE_HOSTS):
        find = partial(_polite_site, number, begins_at, log, port)
        await asyncio.start_server(partial(_polite, find), loopback(30, number), port)
    await asyncio.Event().wait()


async def _polite(
    find: Callable[[str], bytes | None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            body = find(head.split(b" ", 2)[1].decode("latin-1"))
            status = b"404 Not Found" if body is None else b"200 OK"
            kind = b"application/rss+xml" if body and body.startswith(b"<?xml") else b"text/html"
            writer.write(
                b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b"
                % (status, kind, len(body or b""), body or b"")
            )
            await writer.drain()
    writer.close()


def _polite_site(number: int, begins_at: float, log: Log, port: int, path: str) -> bytes | None:
    """Answer for one polite host; the first request for a story tells how long it had been published."""
    now = time.monotonic()
    first_at = begins_at + PERIOD_S * number / POLITE_HOSTS
    published = int(max(0.0, now - first_at) // PERIOD_S)
    origin = f"http://{loopback(30, number)}:{port}"
    if path == "/feed":
        return rss([f"{origin}/story/{story}" for story in range(max(0, published - 20), published)])
    if path.startswith("/story/"):
        story = int(path.removeprefix("/story/"))
        log.add(host=number, story=story, at=now, waited_s=now - (first_at + (story + 1) * PERIOD_S))
        return STORY
    return None


def _hub(hostile: Sequence[str], mark: Path, rate: float, path: str) -> bytes | None:
    since = float(mark.read_text()) if mark.exists() else math.inf
    shown = int(max(0.0, time.monotonic() - since) * rate)
    return rss(hostile[:shown]) if path == "/feed" else None


def rss(links: Sequence[str]) -> bytes:
    """Write a feed with an item a link."""
    items = "".join(f"<item><title>Story of {link}</title><link>{link}</link></item>" for link in links)
    return (
        f'<?xml version="1.0"?><rss version="2.0"><channel><title>S</title>{items}</channel></rss>'.encode()
    )


def main() -> None:
    """Serve until ended."""
    role, port, path, count, *rest = sys.argv[1:]
    hosts = hostile_hosts(int(count))
    with Path(path).open("a") as file:
        if role == "hostile":
            asyncio.run(serve_hostile(int(port), Log(file), Path(path).parent, hosts))
        else:
            links = [host.url(int(port)) for host in hosts if host.place != "feed"]
            asyncio.run(serve_polite(int(port), Log(file), links, Path(rest[0]), float(rest[1])))


if __name__ == "__main__":
    main()
