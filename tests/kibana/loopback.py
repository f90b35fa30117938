"""A Kibana of the tests' own: it keeps what it is asked, and answers what it is told to."""

import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


Answering = Callable[[Asked], Reply]

STATUS = Reply(200, {"version": {"number": "9.4.3"}, "status": {"overall": {"level": "available"}}})


@dataclass
class LoopbackKibana:
    """Hold what was asked; `answer` may be replaced by a test."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answer: Answering = lambda asked: STATUS if asked.path.endswith("/api/status") else imported(asked)


def imported(asked: Asked) -> Reply:
    """Answer as Kibana does when it took everything."""
    objects = [line for line in uploaded(asked)[1].splitlines() if b'"exportedCount"' not in line]
    results = [{key: json.loads(line)[key] for key in ("type", "id")} for line in objects]
    return Reply(
        200, {"successCount": len(objects), "success": True, "warnings": [], "successResults": results}
    )


def uploaded(asked: Asked) -> tuple[Mapping[str, str], bytes]:
    """Read the one part of a multipart body: its disposition and what it holds (RFC 7578)."""
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    (part,) = BytesParser(policy=HTTP).parsebytes(head + asked.body).iter_parts()
    disposition = part["content-disposition"]
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return {"type": part.get_content_type(), **disposition.params}, payload


@contextmanager
def loopback_kibana(tls: ssl.SSLContext | None = None) -> Iterator[LoopbackKibana]:
    """Run one on a free port, behind TLS when a context is given."""
    kibana = LoopbackKibana()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or _chunks(
                self.rfile, self.headers
            )
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            kibana.asked.append(asked)
            reply = kibana.answer(asked)
            written = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(written)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(written)

        do_GET = do_POST = _answer

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    kibana.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.01,))  # s between looks at a shutdown
    thread.start()
    try:
        yield kibana
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _chunks(stream: Any, headers: Any) -> bytes:
    if headers.get("Transfer-Encoding") != "chunked":
        return b""
    body = b""
    while size := int(stream.readline().split(b";")[0], 16):
        body += stream.read(size)
        stream.readline()
    stream.readline()
    return body
