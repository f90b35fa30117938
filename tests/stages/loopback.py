"""A news site on loopback whose every answer a test writes itself, byte for byte if it likes."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Site:
    """Hold a site's address, what it answers, and what it was asked."""

    origin: str
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def url(self, path: str) -> str:
        return self.origin + path


@contextmanager
def open_site() -> Iterator[Site]:
    """Serve until the block ends; a path without an answer gets 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            site.requests.append(path)
            with suppress(ConnectionError):
                site.answers.get(path, whole(b"", status=404))(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site = Site(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def whole(
    body: bytes, *, status: int = 200, kind: str = "text/html", headers: Mapping[str, str] | None = None
) -> Answer:
    """Answer as a well-behaved server does."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def endless(piece: bytes, *, kind: str, coding: str | None = None, start: bytes = b"") -> Answer:
    """Answer with a start and then the same piece for ever, or until the client has had enough."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        if coding:
            handler.send_header("Content-Encoding", coding)
        handler.end_headers()
        handler.wfile.write(start)
        while True:
            handler.wfile.write(piece)

    return answer


def redirect(location: str, *, status: int = 302) -> Answer:
    return whole(b"", status=status, headers={"Location": location})


def cut_short(body: bytes, *, promised: int, kind: str = "text/html") -> Answer:
    """Promise more bytes than are sent."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(promised))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def rss(*links: str) -> bytes:
    """Write a feed with one item a link; each has a title and a summary of its own."""
    items = "".join(
        f"<item><title>Story {number} of the harbour</title><link>{link}</link><guid>{link}</guid>"
        f"<description>What is known of story {number}, in one sentence of the feed.</description></item>"
        for number, link in enumerate(links)
    )
    channel = f"<title>Sample</title><link>http://example.org/</link><description/>{items}"
    return f'<?xml version="1.0"?><rss version="2.0"><channel>{channel}</channel></rss>'.encode()
