"""The servers that tests run on are real ones."""

import psycopg
import redis


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
