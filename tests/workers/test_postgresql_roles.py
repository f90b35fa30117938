"""The compose file's PostgreSQL: backed up and restored, and as a version that had one user left it."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from alembic import command

from pipeline.services import open_services
from pipeline.settings import read_settings
from pipeline.store.migrations import alembic_config
from pipeline.store.store import open_store
from pipeline.store.subscriptions import list_feeds
from tests import servers
from tests.conftest import missing
from tests.test_docs import OPERATING, shown_commands
from tests.workers.topology import (
    MAKE_SECRETS,
    Host,
    choose_embedded_index,
    give_roles,
    make_host,
    move_secret,
    run_roles,
)

CHOSEN = {"WIREROOM_USER_AGENT_URL": "https://news.example/bot"}
FEED = "https://a.example/feed"
FEED_ROW = (
    "INSERT INTO feeds (url, host, tags, state, added_at, state_since, next_poll_at, interval_s)"
    f" VALUES ('{FEED}', 'a.example:443', '[]', 'active', 0, 0, 0, 900)"
)
LAST_WITH_ONE_USER = "0008"
OWNERS = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
USERS = "SELECT rolname, rolsuper FROM pg_roles WHERE rolname !~ '^pg_'"


@contextmanager
def cluster(first_user: str, secrets: Path) -> Iterator[str]:
    """Run PostgreSQL as its image makes it: a user, a password, an empty `wireroom`; give HOST:PORT."""
    try:
        with servers.server_folder("postgresql") as folder:
            password, port = folder / "password", servers.free_port()
            shutil.copyfile(secrets / "postgres_password", password)
            access = ("-U", first_user, "-A", "scram-sha-256", "--pwfile", str(password))
            with servers.postgresql_at(folder, port, access=access):
                run(f"createdb -U {first_user} wireroom", f"127.0.0.1:{port}", secrets)
                yield f"127.0.0.1:{port}"
    except servers.ServerMissing as error:
        missing(str(error))


def run(line: str, address: str, secrets: Path) -> None:
    """Run a line of shell as in the service `postgres`."""
    server, _, port = address.partition(":")
    password = (secrets / "postgres_password").read_text().strip()
    places = {"PGHOST": server, "PGPORT": port, "PGPASSWORD": password}
    ran = subprocess.run(
        ["/bin/sh", "-c", line], env={**os.environ, **places}, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def administrators_url(user: str, address: str, secrets: Path) -> str:
    return f"postgresql://{user}:{(secrets / 'postgres_password').read_text().strip()}@{address}/wireroom"


def take_back_to_one_user(secrets: Path) -> Mapping[str, str]:
    """Leave the passwords that were made when PostgreSQL had one user; return what then was there."""
    for name in ("owner_password", "store_password", "owner_url", "store_url"):
        (secrets / name).unlink()
    url = administrators_url("wireroom", "postgres:5432", secrets)
    (secrets / "store_url").write_text(f"{url}\n")
    return {path.name: path.read_text() for path in secrets.iterdir()}


def fill(url: str, revision: str) -> None:
    """Make the tables of a version, and a feed."""
    config = alembic_config()
    store = open_store(url.replace("postgresql:", "postgresql+psycopg:"))
    with closing(store), store.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.exec_driver_sql(FEED_ROW)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Make a host with the compose file's passwords."""
    host = make_host(tmp_path / "host", CHOSEN, "")
    choose_embedded_index(host)
    return host


def use(host: Host, address: str) -> None:
    for name in ("owner_url", "store_url"):
        move_secret(host, name, "postgres:5432", address)


def check_that_it_serves(host: Host, address: str) -> None:
    """Migrate as the owner, read as a worker, which can make nothing, and look at who owns what."""
    ended = host.run("setup")
    assert (ended.returncode, ended.stderr) == (0, "")
    with closing(open_services(read_settings(host.environ("cli")))) as services:
        assert [feed.url for feed in list_feeds(services.store)] == [FEED]
    secrets = host.folder / "secrets"
    with psycopg.connect((secrets / "store_url").read_text().strip(), autocommit=True) as worker:
        worker.execute("UPDATE feeds SET title = 'A'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            worker.execute("ALTER TABLE feeds ADD COLUMN more text")
    with psycopg.connect(administrators_url("postgres", address, secrets)) as administrator:
        assert administrator.execute(OWNERS).fetchall() == [("wireroom_owner",)]
        users = dict(administrator.execute(USERS).fetchall())
    assert users == {"postgres": True, "wireroom": False, "wireroom_owner": False}


def as_documented(folder: Path) -> Mapping[str, str]:
    """Read what the page runs in the service `postgres`, by program in its order, the backup in a folder."""
    shown = [words for words in shown_commands(OPERATING, "docker") if "postgres" in words]
    lines = [words[words.index("postgres") + 1 :] for words in shown]
    return {words[0]: " ".join(words).replace("/backup/", f"{folder}/") for words in lines if words}


@pytest.mark.parametrize("first_user", ["postgres", "wireroom"])
def test_a_backup_is_restored_as_the_documentation_says(host: Host, tmp_path: Path, first_user: str) -> None:
    secrets, lines = host.folder / "secrets", as_documented(tmp_path)
    assert list(lines) == ["pg_dump", "pg_restore"]
    with cluster(first_user, secrets) as address:
        if first_user == "postgres":
            give_roles(secrets, address, "wireroom")
        fill(administrators_url(first_user, address, secrets), LAST_WITH_ONE_USER)
        run(lines["pg_dump"].replace("-U postgres", f"-U {first_user}"), address, secrets)
    with cluster("postgres", secrets) as address:
        run(lines["pg_restore"], address, secrets)
        give_roles(secrets, address, "wireroom")
        use(host, address)
        check_that_it_serves(host, address)


def test_the_roles_are_given_after_a_restore_and_before_the_rest_is_started() -> None:
    shown = [words[1:] for words in shown_commands(OPERATING, "docker")]
    (restore,) = (at for at, words in enumerate(shown) if "pg_restore" in words)
    assert shown[restore + 1] == ["run", "--rm", "postgres-roles"]
    assert ["up", "-d"] in shown[restore + 2 :]


def test_what_was_made_with_one_user_is_brought_up_to_date(host: Host) -> None:
    secrets = host.folder / "secrets"
    before = take_back_to_one_user(secrets)
    with cluster("wireroom", secrets) as address:
        fill(administrators_url("wireroom", address, secrets), LAST_WITH_ONE_USER)
        subprocess.run([MAKE_SECRETS, secrets], check=True, capture_output=True)
        check = f"({host.services['postgres']['healthcheck']['test'][1]}) 2>&1"
        run(check, address, secrets)  # the service is waited for before it has its roles
        give_roles(secrets, address, "wireroom")
        run(check, address, secrets)
        use(host, address)
        check_that_it_serves(host, address)
    after = {path.name: path.read_text() for path in secrets.iterdir()}
    assert after.keys() - before.keys() == {"owner_password", "store_password", "owner_url"}
    assert {name for name in before if before[name] != after[name]} == {"store_url"}


def test_a_wrong_password_of_the_administrator_changes_nothing_and_is_told(host: Host) -> None:
    secrets = host.folder / "secrets"
    with cluster("wireroom", secrets) as address:
        kept = (secrets / "postgres_password").read_text()
        (secrets / "postgres_password").chmod(0o600)
        (secrets / "postgres_password").write_text("another")
        ran = run_roles(secrets, address, "wireroom")
        assert (ran.returncode, ran.stdout) == (2, "")
        assert 'password authentication failed for user "postgres"' in ran.stderr
        (secrets / "postgres_password").write_text(kept)
        with psycopg.connect(administrators_url("wireroom", address, secrets)) as administrator:
            assert administrator.execute(USERS).fetchall() == [("wireroom", True)]
