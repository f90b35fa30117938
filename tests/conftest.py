"""Fixtures that every room may use: real servers and the test corpora.

What is missing skips its tests with a word on how to get it; in CI it fails them.
"""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import psycopg
import pytest
import redis
from psycopg import sql

from tests import servers

CORPORA = Path(__file__).parents[2] / "shared" / "corpora"


def missing(what: str) -> NoReturn:
    """Skip the test, or fail it in CI, where everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> Iterator[None]:
    """Give the tests of one Elasticsearch to one process of pytest-xdist (`--dist loadgroup`), so that each
    server starts once a run, and no test empties it under another. A wrapper comes before xdist's own."""
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {}).values()
        named = {*getattr(item, "fixturenames", ()), *(str(each) for each in parameters)}
        for server in ("elasticsearch8", "elasticsearch9"):
            if any(name.startswith(server) for name in named):
                item.add_marker(pytest.mark.xdist_group(server))
    return (yield)


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Return the folder of the public test corpora."""
    if not CORPORA.is_dir():
        missing(f"the test corpora are not here ({CORPORA.name} beside the repository); see CONTRIBUTING.md")
    return CORPORA


@pytest.fixture(scope="session")
def postgresql_address() -> Iterator[str]:
    """Run one PostgreSQL for the session; give `HOST:PORT`."""
    try:
        with servers.postgresql() as address:
            yield address
    except servers.ServerMissing as error:
        missing(str(error))


@pytest.fixture
def postgresql_url(postgresql_address: str) -> Iterator[str]:
    """Give the SQLAlchemy URL of an empty PostgreSQL database, which goes away after the test."""
    name = f"test_{uuid4().hex}"
    server = f"postgresql://postgres@{postgresql_address}/postgres"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield f"postgresql+psycopg://postgres@{postgresql_address}/{name}"
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """Run one Redis for the session; give its address."""
    try:
        with servers.redis(servers.redis_binary()) as url:
            yield url
    except servers.ServerMissing as error:
        missing(str(error))


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[str]:
    """Run one bundled Valkey for the session; give its address."""
    try:
        with servers.redis(servers.valkey_binary()) as url:
            yield url
    except servers.ServerMissing as error:
        missing(str(error))


@pytest.fixture(scope="session")
def elasticsearch8_server() -> Iterator[servers.Elasticsearch]:
    """Run one Elasticsearch 8.16.6 for the session."""
    try:
        with servers.elasticsearch(8) as server:
            yield server
    except servers.ServerMissing as error:
        missing(str(error))


@pytest.fixture(scope="session")
def elasticsearch9_server() -> Iterator[servers.Elasticsearch]:
    """Run one Elasticsearch 9.4.3 for the session."""
    try:
        with servers.elasticsearch(9) as server:
            yield server
    except servers.ServerMissing as error:
        missing(str(error))


@pytest.fixture
def elasticsearch8_url(elasticsearch8_server: servers.Elasticsearch) -> str:
    """Give the address of an Elasticsearch 8.16.6 that holds nothing of ours."""
    return _emptied_of_ours(elasticsearch8_server.url)


@pytest.fixture
def elasticsearch9_url(elasticsearch9_server: servers.Elasticsearch) -> str:
    """Give the address of an Elasticsearch 9.4.3 that holds nothing of ours."""
    return _emptied_of_ours(elasticsearch9_server.url)


@pytest.fixture(params=["elasticsearch8", "elasticsearch9"])
def elasticsearch_server(request: pytest.FixtureRequest) -> servers.Elasticsearch:
    """Give each Elasticsearch in turn; it holds nothing of ours."""
    server: servers.Elasticsearch = request.getfixturevalue(f"{request.param}_server")
    _emptied_of_ours(server.url)
    return server


@pytest.fixture
def elasticsearch_url(elasticsearch_server: servers.Elasticsearch) -> str:
    """Give the address of each Elasticsearch in turn; it holds nothing of ours."""
    return elasticsearch_server.url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """Give the address of a Redis 7 that holds nothing."""
    return _emptied(redis_server)


@pytest.fixture
def valkey_url(valkey_server: str) -> str:
    """Give the address of a Valkey that holds nothing."""
    return _emptied(valkey_server)


def _emptied(url: str) -> str:
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


def _emptied_of_ours(url: str) -> str:
    """Delete what a test left, and take back the settings that it made. These servers cannot delete a data
    stream, nor therefore its template: the documents in it are deleted."""
    for path in ("wireroom-*", "_index_template/wireroom-articles*", "_component_template/wireroom-*"):
        _asked(url, "DELETE", path)
    everything = {"query": {"match_all": {}}}
    _asked(url, "POST", "wireroom-events/_delete_by_query?refresh=true&conflicts=proceed", everything)
    _asked(url, "PUT", "_cluster/settings", {"persistent": {"*": None}, "transient": {"*": None}})
    return url


def _asked(url: str, method: str, path: str, body: object = None) -> None:
    request = urllib.request.Request(
        f"{url}/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            response.read()
    except urllib.error.HTTPError as error:
        if error.code != 404:  # a pattern that nothing matches
            raise
