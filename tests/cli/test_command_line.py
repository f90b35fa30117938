"""What holds for every command: help, exit codes, one line for bad input, nothing that steers a terminal."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.store.subscriptions import NewFeed, add_feeds
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import FEED, Store, entry, new_store, poll

HELP_LIMIT_S = 0.4
HEAVY = {
    "aiohttp", "alembic", "celery", "feedparser", "lxml", "pydantic", "redis", "rich", "spacy", "sqlalchemy",
    "tantivy", "trafilatura",
}  # fmt: skip
COMMANDS = (
    "demo", "add", "up", "search", "show", "trace", "status", "remove", "setup", "doctor", "config show",
    "feeds list", "feeds show", "feeds set", "feeds poll", "feeds import", "feeds export", "feeds pause",
    "feeds resume", "feeds remove", "quarantine list", "quarantine show", "quarantine replay",
    "quarantine drop",
)  # fmt: skip


def wireroom_process(*arguments: str, home: Path) -> "subprocess.CompletedProcess[str]":
    environ = {**os.environ, "WIREROOM_HOME": str(home)}
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environ, check=False)


def test_help_comes_at_once(home: Path) -> None:
    def cpu_seconds() -> float:  # what it costs, however busy the machine is
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert wireroom_process("--help", home=home).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(cpu_seconds() for _ in range(3)) < HELP_LIMIT_S


def test_help_imports_nothing_heavy(home: Path) -> None:
    asked = "import sys; from pipeline.cli.running import run; run(['--help']); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert HEAVY & set(ran.stdout.splitlines()[-1].split()) == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(wireroom: Wireroom, command: str) -> None:
    ran = wireroom(*command.split(), "--help")
    assert ran.code == 0
    assert f"Usage: wireroom {command}" in ran.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("serch x", "no such command 'serch'. Did you mean 'search'?"),
        ("feeds set https://a.example/feed", "nothing to change"),
        ("feeds set https://a.example/feed --min-interval soon", "--min-interval soon: write a number"),
        ("feeds set https://a.example/feed --language english", "--language english: write a code"),
        ("feeds import nowhere.opml", "nowhere.opml cannot be read: No such file"),
        ("remove https://a.example/x", "missing option '--reason'"),
        ("search --sort best x", "invalid value for '--sort': 'best' is not one of"),
        ("search --size many x", "invalid value for '--size'"),
        ("search (a", "the query"),
        ("search *ing", "ing"),
        ("search colour:red", "colour"),
        ("up --timeout -1", "invalid value for '--timeout'"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(wireroom: Wireroom, arguments: str, said: str) -> None:
    ran = wireroom(*arguments.split())
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert said in ran.err


@pytest.mark.parametrize("query", ["flood election", "-flood", "flood -election"])
def test_a_query_without_quotes_is_told_how_to_be_written(wireroom: Wireroom, query: str) -> None:
    ran = wireroom("search", *query.split())
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.endswith(
        "; write the query in one pair of quotes, as 'storm -flood',"
        " and one that begins with a minus as 'NOT flood' or -- -flood\n"
    )


@pytest.mark.parametrize("arguments", ["search x --sise 3", "status x"])
def test_other_misuse_is_told_where_help_is(wireroom: Wireroom, arguments: str) -> None:
    command, *_ = arguments.split()
    assert wireroom(*arguments.split()).err.endswith(f"; `wireroom {command} --help` tells more\n")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WIREROOM_HOME", "/dev/null/home", "/dev/null/home"),
        ("WIREROOM_POLL_MAXIMUM", "1h", "did you mean WIREROOM_POLL_MAX?"),
        ("WIREROOM_STORE_URL", "mysql://x", "WIREROOM_STORE_URL"),
        ("WIREROOM_BROKER_URL", "amqp://x", "WIREROOM_BROKER_URL"),
        ("WIREROOM_POLL_MIN", "often", "WIREROOM_POLL_MIN"),
    ],
)
@pytest.mark.parametrize("command", ["up", "status", "add https://a.example", "setup"])
def test_a_bad_setting_is_named_before_anything_starts(
    wireroom: Wireroom, monkeypatch: pytest.MonkeyPatch, command: str, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    ran = wireroom(*command.split())
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert said in ran.err


def test_a_broken_settings_file_is_named(wireroom: Wireroom, home: Path) -> None:
    home.mkdir()
    (home / "wireroom.toml").write_text("poll_min = = 3")
    ran = wireroom("status")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "wireroom.toml" in ran.err


@pytest.mark.parametrize(
    "command", ["search x", "feeds list", "trace https://a.example/x", "quarantine list"]
)
def test_reading_before_the_first_feed_says_what_to_do(wireroom: Wireroom, home: Path, command: str) -> None:
    ran = wireroom(*command.split())
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "wireroom: nothing here yet: run `wireroom add URL`, then `wireroom up`\n"
    assert not home.exists()


def test_a_store_of_another_version_is_refused_by_name(wireroom: Wireroom, store: Store) -> None:
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    ran = wireroom("feeds", "list")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "9999" in ran.err
    assert wireroom("setup").code == 1


def test_setup_makes_a_home_for_its_owner_alone(wireroom: Wireroom, home: Path) -> None:
    assert "created or migrated" in wireroom("setup").out
    assert home.stat().st_mode & 0o777 == 0o700
    assert "up to date" in wireroom("setup").out


def test_what_nobody_foresaw_is_one_line_and_the_traceback_is_kept(
    wireroom: Wireroom, home: Path, store: Store
) -> None:
    poll(store, FEED)
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE feeds SET tags = 'no JSON'")
    ran = wireroom("feeds", "list")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert str(home / "last-error.txt") in ran.err
    assert "Traceback" in (home / "last-error.txt").read_text()


def test_nothing_from_a_feed_steers_the_terminal(wireroom: Wireroom, store: Store) -> None:
    evil = "\x1b]0;owned\x07\x9b31m red \u202e gnp.exe [bold]"
    poll(store, FEED, entry("https://courier.example/x"), title=evil)
    for command in (
        ("feeds", "list"),
        ("feeds", "show", FEED),
        ("feeds", "list", "--json"),
        ("feeds", "export"),
    ):
        said = wireroom(*command).out
        assert not set(said) & set("\x1b\x07\x9b\u202e"), command
        assert "[bold]" in said
    assert json.loads(wireroom("feeds", "list", "--json").out)["title"] == evil


@pytest.mark.parametrize(
    ("redirected", "code", "said"),
    [
        ("| head -1", 141, ""),  # as shells count it: the reader has what it wanted
        ("> /dev/full", 1, "wireroom: cannot write: No space left on device\n"),
        (">&-", 1, "wireroom: stdout is closed: there is no place for results\n"),
        (">&- 2>&-", 1, ""),
    ],
)
def test_results_that_nobody_takes_are_no_bug(tmp_path: Path, redirected: str, code: int, said: str) -> None:
    store = new_store(tmp_path)
    feeds = [
        NewFeed(url=f"https://courier.example/{number}") for number in range(2_000)
    ]  # more than a pipe holds
    add_feeds(store, feeds, interval_s=900.0)
    store.close()
    command = f"{sys.executable} -c 'from pipeline.cli import main; main()' feeds list --json {redirected}"
    ran = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        env={**os.environ, "WIREROOM_HOME": str(tmp_path)},
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (code, said)
    assert not (tmp_path / "last-error.txt").exists()
