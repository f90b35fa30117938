"""Answer HTTP/1.1 GET requests from memory, on many loopback ports in one event loop. For benchmarks only."""

import asyncio
import gzip
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial

Answer = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Hold a body in gzip with its media type; its entity tag is the CRC that gzip ends with."""

    compressed: bytes
    media_type: str

    @property
    def etag(self) -> str:
        """Return the strong validator (RFC 9110 §8.8.3)."""
        return f'"{self.compressed[-8:-4].hex()}"'


def answer(head: bytes, find: Callable[[str], Resource | None]) -> bytes:
    """Return the whole response to one request head: 200, 304 when the entity tag matches, 404 or 405."""
    method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if method != "GET":
        return _response("405 Method Not Allowed", b"", Allow="GET")
    resource = find(path)
    if resource is None:
        return _response("404 Not Found", b"not here\n", Content_Type="text/plain")
    lowered = head.lower()
    if f"\r\nif-none-match: {resource.etag}".encode() in lowered:
        return _response("304 Not Modified", b"", ETag=resource.etag)
    fields = {"Content_Type": resource.media_type, "ETag": resource.etag, "Vary": "Accept-Encoding"}
    if b"gzip" in lowered:
        return _response("200 OK", resource.compressed, Content_Encoding="gzip", **fields)
    return _response("200 OK", gzip.decompress(resource.compressed), **fields)


async def serve(
    sockets: Sequence[socket.socket], find: Callable[[str], Resource | None], *, latency: float
) -> None:
    """Answer on all sockets until cancelled, each request after `latency` seconds."""
    loop = asyncio.get_running_loop()
    connection = partial(_Connection, partial(answer, find=find), latency)
    servers = [await loop.create_server(connection, sock=each, backlog=128) for each in sockets]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def loopback_sockets(count: int, *, first_port: int) -> list[socket.socket]:
    """Bind `count` loopback sockets, to ports from `first_port` on, or to free ones when that is 0."""
    ports = range(first_port, first_port + count) if first_port else [0] * count
    return [socket.create_server(("127.0.0.1", port)) for port in ports]


class _Connection(asyncio.Protocol):
    """Cut requests out of a connection's bytes and write the answers in order."""

    def __init__(self, respond: Answer, latency: float) -> None:
        self._respond = respond
        self._latency = latency
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, self._received = (self._received + data).split(b"\r\n\r\n")
        for head in heads:
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._write, self._respond(head))
            else:
                self._write(self._respond(head))

    def _write(self, response: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(response)


def _response(status: str, body: bytes, **fields: str) -> bytes:
    """Write a response; underscores in field names stand for hyphens."""
    lines = [f"HTTP/1.1 {status}", f"Date: {formatdate(usegmt=True)}"]
    if not status.startswith("304"):
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
