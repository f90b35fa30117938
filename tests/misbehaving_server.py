"""A real HTTP server on loopback that answers as the worst servers do: one path, one misdeed.

It runs in a thread of its own and speaks bare sockets, since no HTTP library would send such answers.
"""

import asyncio
import socket
import ssl
import struct
import subprocess
import threading
import zlib
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import brotli

BOMB_SIZE = 512 * 1024 * 1024  # bytes of zeros
_MEBIBYTE = bytes(1024 * 1024)
_DRIP_INTERVAL = 0.05  # seconds between two bytes of a slow answer
_TLS_HANDSHAKE = b"\x16"  # RFC 8446 §5.1
_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_OK = b"HTTP/1.1 200 OK\r\n"
_HTML = _OK + b"Content-Type: text/html; charset=utf-8\r\n"
_REDIRECT = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %b\r\n\r\n"
_CHUNKED = _HTML + b"Transfer-Encoding: chunked\r\n\r\n"

Answer = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]


@dataclass
class MisbehavingServer:
    """Hold where the server listens and the head of each request it was sent."""

    port: int
    scheme: str = "http"
    requests: list[bytes] = field(default_factory=list)

    def url(self, path: str) -> str:
        """Return the address of a misdeed."""
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"


@contextmanager
def misbehaving_server(tls: ssl.SSLContext | None = None) -> Iterator[MisbehavingServer]:
    """Serve until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = MisbehavingServer(listener.getsockname()[1], "https" if tls else "http")
    loop: Future[asyncio.AbstractEventLoop] = Future()
    stop = asyncio.Event()
    thread = threading.Thread(
        target=lambda: asyncio.run(_listen(server, listener, tls, loop, stop)), daemon=True
    )
    thread.start()
    try:
        yield server
    finally:
        loop.result().call_soon_threadsafe(stop.set)
        thread.join()


def self_signed(folder: Path) -> ssl.SSLContext:
    """Make a certificate that nobody vouches for. Raises FileNotFoundError without the openssl command."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost"
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def _listen(
    server: MisbehavingServer,
    listener: socket.socket,
    tls: ssl.SSLContext | None,
    loop: Future[asyncio.AbstractEventLoop],
    stop: asyncio.Event,
) -> None:
    listening = await asyncio.start_server(partial(_serve, server), sock=listener, ssl=tls)
    loop.set_result(asyncio.get_running_loop())
    await stop.wait()
    listening.close()  # not waited for: endless answers end when the loop cancels them


async def _serve(
    server: MisbehavingServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
        first = await reader.readexactly(1)
        if first == _TLS_HANDSHAKE:
            writer.write(b"HTTP/1.1 400 The plain HTTP request was sent to HTTPS port\r\n\r\n")
        else:
            head = first + await reader.readuntil(b"\r\n\r\n")
            server.requests.append(head)
            await ANSWERS[_path(head)](writer, head)
        await writer.drain()
    writer.close()
    with suppress(ConnectionError, asyncio.CancelledError):
        await writer.wait_closed()


def _path(head: bytes) -> str:
    target = head.split(b" ", 2)[1].decode()
    if "://" in target:  # asked as a proxy
        target = "/" + target.split("://", 1)[1].partition("/")[2]
    return target.partition("?")[0]


def _exactly(answer: bytes) -> Answer:
    async def answer_exactly(writer: asyncio.StreamWriter, _: bytes) -> None:
        writer.write(answer)

    return answer_exactly


def _whole(head: bytes, body: bytes) -> Answer:
    return _exactly(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def _repeating(start: bytes, again: bytes, *, pause: float = 0.0) -> Answer:
    async def answer_for_ever(writer: asyncio.StreamWriter, _: bytes) -> None:
        writer.write(start)
        while True:
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(pause)

    return answer_for_ever


async def _echo(writer: asyncio.StreamWriter, head: bytes) -> None:
    writer.write(_HTML + b"Set-Cookie: tracker=1; Path=/\r\nContent-Length: %d\r\n\r\n" % len(head) + head)


async def _million_headers(writer: asyncio.StreamWriter, _: bytes) -> None:
    writer.write(_OK)
    for _ in range(1_000):
        writer.write(b"X-More: more\r\n" * 1_000)
        await writer.drain()
    writer.write(b"Content-Length: 5\r\n\r\nhello")


async def _one_further(writer: asyncio.StreamWriter, head: bytes) -> None:
    query = head.split(b" ", 2)[1].partition(b"?n=")[2]
    writer.write(_REDIRECT % b"/redirects-for-ever?n=%d" % (int(query or 0) + 1))


async def _silence(_: asyncio.StreamWriter, __: bytes) -> None:
    await asyncio.sleep(3600)


async def _reset_at_once(writer: asyncio.StreamWriter, _: bytes) -> None:
    _close_with_a_reset(writer)


async def _reset(writer: asyncio.StreamWriter, _: bytes) -> None:
    writer.write(_HTML + b"Content-Length: 1000\r\n\r\nhello")
    await writer.drain()
    _close_with_a_reset(writer)


def _close_with_a_reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _bomb(
    coding: bytes, pieces: Callable[[], list[bytes]], writer: asyncio.StreamWriter, _: bytes
) -> None:
    writer.write(_HTML + b"Content-Encoding: " + coding + b"\r\nConnection: close\r\n\r\n")
    for piece in pieces():
        writer.write(piece)
        await writer.drain()


@cache
def _zeros_in_gzip_twice() -> list[bytes]:
    return [zlib.compress(b"".join(_deflated_zeros(_GZIP_HEADER)), 9, 31)]


@cache
def _brotli_zeros() -> list[bytes]:
    compressor = brotli.Compressor(quality=5)
    pieces = [compressor.process(_MEBIBYTE) for _ in range(BOMB_SIZE // len(_MEBIBYTE))]
    return [b"".join(pieces) + compressor.finish()]


@cache
def _deflated_zeros(header: bytes) -> list[bytes]:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    mebibyte = compressor.compress(_MEBIBYTE) + compressor.flush(zlib.Z_FULL_FLUSH)
    return [header] + [mebibyte] * (BOMB_SIZE // len(_MEBIBYTE))


ANSWERS: dict[str, Answer] = {
    "/page": _whole(_HTML, b"<title>Bonjour</title>"),
    "/page-in-gzip": _whole(_HTML + b"Content-Encoding: gzip\r\n", zlib.compress(b"<p>hello</p>", 9, 31)),
    "/echo": _echo,
    "/robots.txt": _whole(b"HTTP/1.1 404 Not Found\r\n", b""),
    "/not-found": _whole(b"HTTP/1.1 404 Not Found\r\n", b"no"),
    "/odd-headers": _whole(
        _OK + b"x-CASE: Kept\r\nX-Utf8: caf\xc3\xa9\r\nX-Latin: caf\xe9\r\nX-Twice: 1\r\nX-Twice: 2\r\n", b""
    ),
    "/redirect": _whole(b"HTTP/1.1 302 Found\r\nLocation: /page?a=1#part\r\n", b""),
    "/redirect-inside": _whole(
        b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/meta-data\r\n", b""
    ),
    "/gzip-bomb": partial(_bomb, b"gzip", partial(_deflated_zeros, _GZIP_HEADER)),
    "/gzip-bomb-in-gzip": partial(_bomb, b"gzip, gzip", _zeros_in_gzip_twice),
    "/deflate-bomb": partial(_bomb, b"deflate", partial(_deflated_zeros, b"\x78\x9c")),
    "/brotli-bomb": partial(_bomb, b"br", _brotli_zeros),
    "/endless-body": _repeating(_CHUNKED, b"10000\r\n" + bytes(0x10000) + b"\r\n"),
    "/endless-headers": _repeating(_OK, b"X-More: more\r\n" * 1000),
    "/a-million-headers": _million_headers,
    "/endless-header-line": _repeating(_OK + b"X-Long: ", b"x" * 65536),
    "/endless-continue": _repeating(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "/endless-status-line": _repeating(b"HTTP/1.1 200 ", b"O" * 65536),
    "/endless-chunk-extension": _repeating(_CHUNKED + b"5;", b"x" * 65536),
    "/endless-trailers": _repeating(_CHUNKED + b"5\r\nhello\r\n0\r\n", b"X-More: more\r\n" * 1000),
    "/declares-a-terabyte": _exactly(_HTML + b"Content-Length: 1000000000000\r\n\r\nhello"),
    "/dripping-body": _repeating(_HTML + b"Content-Length: 100000\r\n\r\n", b"x", pause=_DRIP_INTERVAL),
    "/dripping-headers": _repeating(_OK + b"X-Slow: ", b"x", pause=_DRIP_INTERVAL),
    "/dripping-status-line": _repeating(b"HTTP/1.1 200 O", b"K", pause=_DRIP_INTERVAL),
    "/endless-tiny-chunks": _repeating(_CHUNKED, b"1\r\nx\r\n" * 10_000),
    "/dripping-chunks": _repeating(_CHUNKED, b"1\r\nx\r\n", pause=_DRIP_INTERVAL),
    "/dripping-continue": _repeating(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=_DRIP_INTERVAL),
    "/silence": _silence,
    "/closes-at-once": _exactly(b""),
    "/closes-in-the-headers": _exactly(_OK + b"Content-Ty"),
    "/closes-in-the-body": _exactly(_HTML + b"Content-Length: 1000\r\n\r\nhello"),
    "/closes-in-a-chunk": _exactly(_CHUNKED + b"100\r\nhello"),
    "/closes-before-the-last-chunk": _exactly(_CHUNKED + b"5\r\nhello\r\n"),
    "/resets": _reset,
    "/resets-at-once": _reset_at_once,
    "/redirects-to-itself": _exactly(_REDIRECT % b"/redirects-to-itself"),
    "/redirects-for-ever": _one_further,
    "/broken-chunks": _exactly(_CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n"),
    "/chunk-of-an-exabyte": _exactly(_CHUNKED + b"fffffffffffffff\r\nhello"),
    "/length-and-chunks": _exactly(
        _HTML + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    ),
    "/two-lengths": _exactly(_HTML + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    "/negative-length": _exactly(_HTML + b"Content-Length: -5\r\n\r\nhello"),
    "/says-gzip-sends-text": _whole(_HTML + b"Content-Encoding: gzip\r\n", b"hello"),
    "/says-brotli-sends-text": _whole(_HTML + b"Content-Encoding: br\r\n", b"\xff" * 64),
    "/switches-protocols": _exactly(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    ),
    "/nul-in-a-header": _exactly(_OK + b"X-Nul: a\0b\r\nContent-Length: 5\r\n\r\nhello"),
    "/status-of-a-million": _exactly(b"HTTP/1.1 1000000 OK\r\nContent-Length: 5\r\n\r\nhello"),
    "/speaks-ssh": _exactly(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "/speaks-nothing": _exactly(bytes(range(256))),
}

MISDEEDS: dict[str, str] = {  # with the slug of outcomes.FetchSlug in which a request for each ends
    "/endless-body": "too-large",
    "/declares-a-terabyte": "too-large",
    "/endless-headers": "bad-answer",
    "/a-million-headers": "bad-answer",
    "/endless-header-line": "bad-answer",
    "/endless-status-line": "bad-answer",
    "/endless-continue": "bad-answer",
    "/endless-chunk-extension": "bad-answer",
    "/endless-tiny-chunks": "bad-answer",
    "/endless-trailers": "bad-answer",
    "/dripping-status-line": "timeout",
    "/dripping-chunks": "timeout",
    "/dripping-continue": "bad-answer",
    "/dripping-body": "timeout",
    "/dripping-headers": "timeout",
    "/silence": "timeout",
    "/closes-at-once": "bad-answer",
    "/closes-in-the-headers": "bad-answer",
    "/closes-in-the-body": "bad-answer",
    "/closes-in-a-chunk": "bad-answer",
    "/closes-before-the-last-chunk": "bad-answer",
    "/resets": "bad-answer",
    "/resets-at-once": "bad-answer",
    "/broken-chunks": "bad-answer",
    "/chunk-of-an-exabyte": "bad-answer",
    "/length-and-chunks": "bad-answer",
    "/two-lengths": "bad-answer",
    "/negative-length": "bad-answer",
    "/says-gzip-sends-text": "bad-answer",
    "/says-brotli-sends-text": "bad-answer",
    "/switches-protocols": "bad-answer",
    "/nul-in-a-header": "bad-answer",
    "/status-of-a-million": "bad-answer",
    "/speaks-ssh": "bad-answer",
    "/speaks-nothing": "bad-answer",
}
