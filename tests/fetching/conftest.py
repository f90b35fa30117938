"""A server that misbehaves, and a client that may reach it."""

import ipaddress
from collections.abc import AsyncIterator, Iterator

import pytest

from pipeline.fetching.http import Http, HttpOptions, open_http
from tests.misbehaving_server import MisbehavingServer, misbehaving_server

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.fixture(scope="session")
def shared_server() -> Iterator[MisbehavingServer]:
    with misbehaving_server() as running:
        yield running


@pytest.fixture
def server(shared_server: MisbehavingServer) -> MisbehavingServer:
    shared_server.requests.clear()
    return shared_server


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    options = HttpOptions(user_agent="Wireroom/0 (+https://wireroom.example/)", allowed=LOOPBACK, timeout=1.0)
    async with open_http(options) as client:
        yield client
