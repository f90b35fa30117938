"""A loopback server that gives the answers of Elasticsearch that a real one can hardly be brought to."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

ROOT = {
    "version": {"number": "9.4.3", "lucene_version": "10.4.0"},
    "tagline": "You Know, for Search",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Hold one bulk request: the ids in it, in order, and all of it."""

    ids: tuple[str, ...]
    body: bytes = b""


Answer = tuple[int, Any] | None
"""A status and a body; None closes the connection without a word."""


@dataclass
class Scripted:
    """Hold a running server: what it says of itself, how it answers bulk requests, and what it was asked."""

    url: str = ""
    root: Any = field(default_factory=lambda: ROOT)
    answers: list[Callable[[Asked], Answer]] = field(default_factory=list)  # the last one stays
    asked: list[Asked] = field(default_factory=list)

    def bulk(self, body: bytes) -> Answer:
        actions = [json.loads(line) for line in body.splitlines() if b'"_index"' in line[:40]]
        asked = Asked(tuple(next(iter(action.values()))["_id"] for action in actions), body)
        self.asked.append(asked)
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        return answer(asked)


def items(status: int, kind: str | None = None, said: str = "no reason") -> Callable[[Asked], Answer]:
    """Answer every item alike."""
    return each(lambda _: (status, kind, said))


def each(choose: Callable[[str], tuple[int, str | None, str]]) -> Callable[[Asked], Answer]:
    """Answer each item by its id: status, type of error or None, reason."""

    def item(id: str) -> dict[str, Any]:
        status, kind, said = choose(id)
        error = {} if kind is None else {"error": {"type": kind, "reason": said}}
        return {"index": {"_id": id, "status": status, **error}}

    return lambda asked: (200, {"errors": True, "items": [item(id) for id in asked.ids]})


def whole(status: int, kind: str = "some_exception", said: str = "no reason") -> Callable[[Asked], Answer]:
    """Answer a whole request with an error."""
    return lambda _: (status, {"error": {"type": kind, "reason": said}, "status": status})


def silence(_: Asked) -> Answer:
    """Close the connection without an answer."""
    return None


@contextmanager
def scripted(answers: Sequence[Callable[[Asked], Answer]] = ()) -> Iterator[Scripted]:
    """Run such a server on loopback."""
    script = Scripted(answers=list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer((200, script.root))

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(script.bulk(body))

        do_POST = do_PUT

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, answer: Answer) -> None:
            if answer is None:
                self.close_connection = True
                return
            status, body = answer
            written = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Type", "application/vnd.elasticsearch+json;compatible-with=8")
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        script.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()
