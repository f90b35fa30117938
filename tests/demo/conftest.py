"""Fixtures of the sample news web's tests: the web, on free ports, and a client that follows nothing."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from pipeline.demo.site import SampleWeb, open_sample_web


@dataclass(frozen=True)
class Reply:
    """Hold an answer as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def request(url: str, method: str = "GET", **headers: str) -> Reply:
    """Send one request without following redirects; `If_None_Match="x"` becomes a header."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=10)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.request(method, target, headers={name.replace("_", "-"): headers[name] for name in headers})
    answer = connection.getresponse()
    reply = Reply(answer.status, dict(answer.getheaders()), answer.read())
    connection.close()
    return reply


@pytest.fixture
def get() -> Callable[..., Reply]:
    return request


@pytest.fixture(scope="module")
def web() -> Iterator[SampleWeb]:
    with open_sample_web(ports=()) as sample_web:
        yield sample_web
