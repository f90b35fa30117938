"""Serve /metrics, /healthz and /readyz. Whoever asks slowly, often or not at all harms nobody but himself."""

import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from pipeline.errors import WireroomError

AT_ONCE = 8
"""Requests that are answered at the same time; more are hung up on."""

LONGEST_S = 15.0
"""From the connection to its end: a scrape takes some milliseconds, or a few seconds while a part hangs."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """Hold what is answered."""

    status: int
    content_type: str
    body: bytes


Replies = Mapping[str, Callable[[], Reply]]
"""What answers at each path."""


class MonitoringServer(ThreadingHTTPServer):
    """Answer in threads, few at once, none for long."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], replies: Replies, longest_s: float) -> None:
        """Listen. Raises OSError when the address is not to be had."""
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.replies = replies
        self._longest_s = longest_s
        self._open: dict[socket.socket, float] = {}
        self._opening = Lock()
        super().__init__(address, _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Let in as many as there are places."""
        with self._opening:
            if len(self._open) >= AT_ONCE:
                return False
            self._open[request] = time.monotonic()
            return True

    def shutdown_request(self, request: Any) -> None:
        """Give a place free."""
        with self._opening:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """End what lasts too long (called twice a second)."""
        before = time.monotonic() - self._longest_s
        with self._opening:
            late = [request for request, began in self._open.items() if began < before]
        for request in late:
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)  # its thread notices, and closes it

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over those who left before they were answered."""


class _Handler(BaseHTTPRequestHandler):
    server: MonitoringServer
    timeout = LONGEST_S

    def do_GET(self) -> None:
        reply = self._reply()
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def _reply(self) -> Reply:
        answer = self.server.replies.get(self.path.partition("?")[0])
        if answer is None:
            return Reply(404, "text/plain", f"here are {', '.join(self.server.replies)}\n".encode())
        try:
            return answer()
        except Exception:
            log.exception("monitoring failed", extra={"path": self.path})
            return Reply(500, "text/plain", b"it failed; the log says why\n")

    def version_string(self) -> str:
        return "wireroom"

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(address: tuple[str, int], replies: Replies, *, longest_s: float = LONGEST_S) -> Iterator[None]:
    """Serve while the block lasts. Raises WireroomError when the address is not to be had."""
    try:
        server = MonitoringServer(address, replies, longest_s)
    except OSError as error:
        place = f"{address[0]}, port {address[1]}"
        raise WireroomError(f"metrics cannot be served on {place}: {error.strerror}") from None
    Thread(target=server.serve_forever, daemon=True, name="monitoring").start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
