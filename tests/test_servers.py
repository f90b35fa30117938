"""The servers that tests run on are real ones."""

import json
import urllib.request

import psycopg
import pytest
import redis

from tests import servers


def test_a_postgresql_database_starts_empty(postgresql_url: str) -> None:
    with psycopg.connect(postgresql_url.replace("+psycopg", "")) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables == (0,)


def test_redis_is_version_7_and_appends_to_its_file(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.info()["redis_version"].startswith("7.")
        assert client.info()["aof_enabled"] == 1


def test_valkey_is_the_bundled_one(valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url) as client:
        assert client.info()["server_name"] == "valkey"


@pytest.mark.parametrize(("server", "version"), [("elasticsearch8", "8.16.6"), ("elasticsearch9", "9.4.3")])
def test_elasticsearch_is_of_the_version_asked_for(
    request: pytest.FixtureRequest, server: str, version: str
) -> None:
    url = request.getfixturevalue(f"{server}_url")
    with urllib.request.urlopen(url, timeout=30) as response:
        assert json.load(response)["version"]["number"] == version


def test_a_frozen_elasticsearch_goes_on_where_it_was(elasticsearch9_server: servers.Elasticsearch) -> None:
    elasticsearch9_server.send("STOP")
    with pytest.raises(TimeoutError):
        urllib.request.urlopen(elasticsearch9_server.url, timeout=0.5)
    elasticsearch9_server.send("CONT")
    with urllib.request.urlopen(elasticsearch9_server.url, timeout=30) as response:
        assert response.status == 200
