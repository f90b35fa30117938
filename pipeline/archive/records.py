"""Exchanges as WARC 1.1 records: bytes for the archive, decided without touching a disk.

Specification: https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/
"""

import base64
import hashlib
import io
import json
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from urllib.parse import urlsplit
from uuid import uuid4

from fastwarc.stream_io import GzipWriter
from fastwarc.warc import WarcRecord, WarcRecordType

from pipeline.model import Exchange, header

MAGIC = b"\x1f\x8b\x08"  # of gzip, and that it is deflated (RFC 1952 §2.3.1)

_GZIP_LEVEL = (
    4  # a page of 174 kB: level 1 0.5 ms and 49 kB, level 4 1.5 ms and 35 kB, level 9 2.8 ms and 34 kB
)
_STORED_BLOCK = 0xFFFF  # bytes at most in one stored block (RFC 1951 §3.2.4)
_STORED_BLOCK_OVERHEAD = 5  # bytes
_GZIP_OVERHEAD = 18  # bytes of header and trailer (RFC 1952 §2.3)
_LINE_BREAKS = re.compile(r"[\r\n\0]+")
_CODING_HEADERS = frozenset({"content-encoding", "transfer-encoding"})
_ERASED = b"This record was removed."


@dataclass(frozen=True, slots=True)
class EncodedExchange:
    """Hold one exchange as two gzip members, to be written one after the other, and its CDX facts."""

    request: bytes
    response: bytes
    digest: str  # sha1:BASE32 of the body
    exchange: Exchange


def encode(exchange: Exchange) -> EncodedExchange:
    """Make the request and response records of an exchange."""
    digest = payload_digest(exchange.body)
    response = _record(WarcRecordType.response, exchange, _response_head(exchange) + exchange.body)
    response.headers.append("WARC-Payload-Digest", digest)
    request = _record(WarcRecordType.request, exchange, _request_head(exchange))
    request.headers.append("WARC-Concurrent-To", str(response.headers["WARC-Record-ID"]))
    return EncodedExchange(_member(request), _member(response), digest, exchange)


def warcinfo(file_name: str) -> bytes:
    """Make the record with which a file begins."""
    record = WarcRecord()
    record.init_headers(WarcRecordType.warcinfo)
    record.headers.append("WARC-Filename", file_name)
    record.headers.append("Content-Type", "application/warc-fields")
    record.set_bytes_content(
        f"software: Wireroom/{version('wireroom')}\r\nformat: WARC File Format 1.1\r\n"
        "conformsTo: https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/\r\n"
        "robots: classic\r\n".encode()
    )
    return _member(record)


def erased(length: int) -> bytes:
    """Make a gzip member of exactly `length` bytes whose record says that something was removed here.

    Stored blocks, which do not compress, make any length possible from some 230 bytes on.
    """
    blocks = max(1, -(-(length - _GZIP_OVERHEAD) // (_STORED_BLOCK + _STORED_BLOCK_OVERHEAD)))
    size = length - _GZIP_OVERHEAD - blocks * _STORED_BLOCK_OVERHEAD
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    head = (
        f"WARC/1.1\r\nWARC-Type: metadata\r\nWARC-Record-ID: <urn:uuid:{uuid4()}>\r\nWARC-Date: {now}\r\n"
        "Content-Type: text/plain\r\nContent-Length: {:010d}\r\n\r\n"
    )
    room = size - len(head.format(0)) - len("\r\n\r\n")
    if room < len(_ERASED):
        raise ValueError(f"{length} bytes are too few for a record")
    content = head.format(room).encode() + _ERASED.ljust(room) + b"\r\n\r\n"
    trailer = struct.pack("<II", zlib.crc32(content), len(content))
    return MAGIC + b"\x00\x00\x00\x00\x00\x00\xff" + b"".join(_stored_blocks(content, blocks)) + trailer


def payload_digest(body: bytes) -> str:
    """Return the digest of a body as WARC writes it."""
    return "sha1:" + base64.b32encode(hashlib.sha1(body, usedforsecurity=False).digest()).decode()


def mime_of(headers: Sequence[tuple[str, str]]) -> str:
    """Return an answer's type without its parameters, or what CDXJ writes where there is none."""
    return (header(headers, "Content-Type") or "").partition(";")[0].strip() or "unk"


def cdxj_line(encoded: EncodedExchange, *, file_name: str, offset: int) -> bytes:
    """Make the line of a CDXJ index that points at a response record."""
    exchange = encoded.exchange
    fields = {
        "url": exchange.url,
        "mime": mime_of(exchange.headers),
        "status": str(exchange.status),
        "digest": encoded.digest,
        "length": str(len(encoded.response)),
        "offset": str(offset),
        "filename": file_name,
    }
    timestamp = datetime.fromtimestamp(exchange.fetched_at, UTC).strftime("%Y%m%d%H%M%S")
    return f"{_surt(exchange.url)} {timestamp} {json.dumps(fields)}\n".encode()


def _surt(url: str) -> str:
    """Return the key by which CDX files are sorted (SURT): the host's labels reversed, then the path."""
    parts = urlsplit(url)
    host = ",".join(reversed((parts.hostname or "").removeprefix("www.").split(".")))
    port = f":{parts.port}" if parts.port else ""
    return f"{host}{port}){parts.path or '/'}{parts.query and '?' + parts.query}".lower().replace(" ", "%20")


def _record(kind: WarcRecordType, exchange: Exchange, block: bytes) -> WarcRecord:
    record = WarcRecord()
    record.init_headers(kind)
    fetched_at = datetime.fromtimestamp(exchange.fetched_at, UTC)
    record.headers["WARC-Date"] = fetched_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    record.headers.append("WARC-Target-URI", _line(exchange.url))
    if exchange.remote_address:
        record.headers.append("WARC-IP-Address", exchange.remote_address)
    record.headers.append("Content-Type", f"application/http; msgtype={kind!s}")
    record.set_bytes_content(block)
    return record


def _member(record: WarcRecord) -> bytes:
    buffer = io.BytesIO()
    writer = GzipWriter(buffer, compression_level=_GZIP_LEVEL)
    record.write(writer)
    writer.finish()
    return buffer.getvalue()


def _request_head(exchange: Exchange) -> bytes:
    parts = urlsplit(exchange.url)
    target = f"{parts.path or '/'}{parts.query and '?' + parts.query}"
    return _head(f"{exchange.method} {target} HTTP/1.1", exchange.request_headers)


def _response_head(exchange: Exchange) -> bytes:
    length = str(len(exchange.body))
    headers = [*_decoded_headers(exchange.headers, length), ("Content-Length", length)]
    return _head(f"HTTP/1.1 {exchange.status} {exchange.reason}", headers)


def _decoded_headers(headers: Sequence[tuple[str, str]], length: str) -> Iterator[tuple[str, str]]:
    """Keep what the server said of the encoded body under names that no player acts upon."""
    for name, value in headers:
        lowered = name.lower()
        if lowered in _CODING_HEADERS or (lowered == "content-length" and value.strip() != length):
            yield f"X-Archive-Orig-{name}", value
        elif lowered != "content-length":
            yield name, value


def _head(start: str, headers: Sequence[tuple[str, str]]) -> bytes:
    lines = [_line(start), *(f"{_line(name)}: {_line(value)}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")


def _line(text: str) -> str:
    return _LINE_BREAKS.sub(" ", text)


def _stored_blocks(content: bytes, count: int) -> Iterator[bytes]:
    for number in range(count):  # the last may be empty
        block = content[number * _STORED_BLOCK : (number + 1) * _STORED_BLOCK]
        yield struct.pack("<BHH", number == count - 1, len(block), len(block) ^ 0xFFFF) + block
