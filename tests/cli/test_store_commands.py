"""`wireroom store copy` as a person runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select

from pipeline.store.store import Store, open_store
from pipeline.store.tables import events
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import publish
from workers.home_lock import hold_home

WIREROOM = str(Path(sys.executable).parent / "wireroom")


def plain(url: str) -> str:
    return url.replace("+psycopg", "")


def test_the_proof_is_printed(wireroom: Wireroom, store: Store, home: Path, postgresql_url: str) -> None:
    publish(store, home)
    ran = wireroom("store", "copy", "--to", plain(postgresql_url), "--json")
    assert ran.code == 0
    proof = {line["table"]: line for line in ran.lines}
    assert all(line["equal"] for line in proof.values())
    assert proof["articles"]["source"]["rows"] == proof["articles"]["target"]["rows"] == 2
    assert f"copy the folder {home / 'archive'}" in ran.err
    again = wireroom("store", "copy", "--to", plain(postgresql_url))
    assert again.code == 0
    assert "articles: 0 rows written" in again.err
    assert again.out.count("equal") == len(proof)


def test_a_copy_that_is_killed_goes_on(
    wireroom: Wireroom, store: Store, home: Path, postgresql_url: str
) -> None:
    publish(store, home)
    with store.write() as connection:
        told = {"at": 0.0, "stage": "poll", "outcome": "found"}
        connection.execute(insert(events), [told] * 20_000)
    command = [WIREROOM, "store", "copy", "--to", plain(postgresql_url)]
    process = subprocess.Popen(command, env=os.environ, stderr=subprocess.DEVNULL)
    target = open_store(postgresql_url)
    while count_events(target) < 1_000:
        assert process.poll() is None, "the copy ended first"
    process.kill()
    process.wait()
    copied = count_events(target)
    assert 0 < copied < count_events(store)
    ran = wireroom("store", "copy", "--to", plain(postgresql_url))
    assert ran.code == 0
    assert f"events: {count_events(store) - copied:,} rows written" in ran.err
    target.close()


def count_events(store: Store) -> int:
    from sqlalchemy.exc import ProgrammingError

    try:
        with store.read() as connection:
            return connection.execute(select(func.count()).select_from(events)).scalar_one()
    except ProgrammingError:  # the tables are not there yet
        return 0


def test_it_is_refused_while_up_holds_the_home(wireroom: Wireroom, store: Store, home: Path) -> None:
    with hold_home(home):
        ran = wireroom("store", "copy", "--to", f"sqlite:///{home / 'copy.db'}")
    assert ran.code == 1
    assert "another `wireroom up` or `restore` has" in ran.err


@pytest.mark.parametrize(
    ("to", "code", "said"),
    [
        ("embedded", 2, "--to: name a server or a file"),
        ("mysql://h/d", 2, "--to mysql://h/d: scheme 'mysql' is not known here"),
        ("postgresql://h:port/d", 2, "--to postgresql://h:port/d: in a password write / "),
        ("postgresql://u:p@127.0.0.1:1/d", 2, "everybody on the machine can read a command line: "),
        (
            "postgresql://127.0.0.1:1/d?user=u&password=p",
            2,
            "everybody on the machine can read a command line: ",
        ),
        ("sqlite:///{home}/wireroom.db", 2, "--to names the store that would be copied"),
        ("sqlite:////nowhere/there.db", 1, "the target cannot be opened: unable to open database file"),
        ("postgresql://u@127.0.0.1:1/d", 1, "the target cannot be opened: connection"),
    ],
)
def test_a_wrong_target_is_one_line(
    wireroom: Wireroom, store: Store, home: Path, to: str, code: int, said: str
) -> None:
    ran = wireroom("store", "copy", "--to", to.format(home=home))
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith(f"wireroom: {said}")
    assert ran.err.count("\n") == 1


def test_without_a_store_there_is_nothing_to_copy(wireroom: Wireroom, home: Path) -> None:
    ran = wireroom("store", "copy", "--to", "sqlite:////tmp/never-made.db")
    assert (ran.code, ran.err) == (1, f"wireroom: there is no store in {home} to copy\n")
    assert not home.exists()
