"""Fixtures that every room may use: real servers and the test corpora.

What is missing skips its tests with a word on how to get it; in CI it fails them.
"""

import os
from collections.abc import Iterator
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
