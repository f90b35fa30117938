"""Bound what a server may send for one request, whatever it calls it.

aiohttp bounds lines, fields and decompression. It follows interim answers, chunk extensions and chunks of one
byte without end: a server that floods with them keeps the event loop busy, and all other hosts waiting.
"""

import asyncio
from functools import partial
from typing import Any

import aiohttp
from aiohttp import StreamReader
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage

HEADS_LIMIT = 16
"""Interim answers (1xx) before the final one; servers send one or two (103, RFC 8297)."""

WIRE_LIMIT = 12 * 1024 * 1024
"""Bytes of one answer as sent, head and framing included: the largest body that is read, and a fifth more."""


FRAMING_FACTOR = 4
"""How many times its body's bytes an answer may take as sent, once that is over FRAMING_FREE: a chunk of one
byte takes six."""

FRAMING_FREE = 1024 * 1024


class FloodError(aiohttp.ClientError):
    """Say what a server sent too much of."""


class BoundedAnswers(ResponseHandler):
    """Break a connection off when one answer on it is a flood."""

    _heads = _received = 0
    _body: StreamReader | None = None

    def set_response_params(self, **parameters: Any) -> None:
        """Begin an answer."""
        self._heads = self._received = 0
        self._body = None
        super().set_response_params(**parameters)

    def data_received(self, data: bytes) -> None:
        """Count bytes."""
        self._received += len(data)
        held = self._body.total_bytes if self._body else 0
        if self._received > WIRE_LIMIT:
            self._break_off(f"over {WIRE_LIMIT} bytes as sent")
        elif self._received > max(FRAMING_FREE, FRAMING_FACTOR * held):
            self._break_off(f"{self._received} bytes as sent hold a body of {held}")
        else:
            super().data_received(data)

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Count heads."""
        self._heads += 1
        self._body = data[1]
        if self._heads <= HEADS_LIMIT:
            super().feed_data(data, size)
        elif self.exception() is None:
            self._break_off(f"over {HEADS_LIMIT} answers to one request")

    def _break_off(self, why: str) -> None:
        self.set_exception(FloodError(why))
        if self.transport is not None:
            self.transport.abort()


class BoundedConnector(aiohttp.TCPConnector):
    """Open connections whose answers are bounded."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # aiohttp has no public place for a protocol of one's own; tests with floods hold this to its version.
        self._factory = partial(BoundedAnswers, loop=asyncio.get_running_loop())  # type: ignore[assignment]
