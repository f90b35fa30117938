"""`search --follow`: each new hit at least once, across restarts, as a process that others read from."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.store.store import Store
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import enrich, entry, fetch, id_of, index, poll

PATIENCE_S = 60.0
STORIES = 40


def bring(store: Store, home: Path, *numbers: int) -> list[str]:
    """Bring articles into the index; give their ids."""
    links = [f"https://courier.example/{number}" for number in numbers]
    feed = f"https://feeds.example/{numbers[0]}"  # a feed of its own, as others are not due yet
    poll(store, feed, *(entry(link, title=f"Story {link}") for link in links))
    for _ in links[::10]:
        fetch(store, home)
    enrich(store)
    index(store, home)
    return [id_of(link) for link in links]


@contextmanager
def following(home: Path, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Follow in a process of its own."""
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "search", *options]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # what select sees is all there is
        pipesize=4_096,
        env={**os.environ, "WIREROOM_HOME": str(home)},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


FOLLOW = ("bridge", "--follow", "--cursor", "desk", "--json")


def next_id(process: "subprocess.Popen[bytes]") -> str:
    """Read the next line that a follower prints."""
    assert process.stdout
    assert select.select([process.stdout], [], [], PATIENCE_S)[0], "nothing came"
    return str(json.loads(process.stdout.readline())["id"])


def stop(process: "subprocess.Popen[bytes]") -> tuple[int, bytes, bytes]:
    """Press Ctrl-C; give how it ended and what else it said."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err


def test_each_new_hit_is_printed_once_and_not_again_after_a_restart(home: Path, store: Store) -> None:
    ids = bring(store, home, 1, 2)
    with following(home, *FOLLOW, "--since", "1d") as process:
        assert {next_id(process), next_id(process)} == set(ids)
        [third] = bring(store, home, 3)
        assert next_id(process) == third
        assert stop(process) == (0, b"", b"")
    [fourth] = bring(store, home, 4)
    with following(home, *FOLLOW, "--since", "1d") as process:
        assert next_id(process) == fourth
        assert stop(process) == (0, b"", b"")


def test_only_what_the_search_finds_is_printed(home: Path, store: Store) -> None:
    ids = bring(store, home, 1, 2)
    with following(home, "url:courier.example/2", *FOLLOW[1:], "--since", "1d") as process:
        assert next_id(process) == ids[1]
        assert stop(process) == (0, b"", b"")


def test_a_follower_may_begin_before_the_first_article(home: Path, store: Store) -> None:
    with following(home, *FOLLOW, "--since", "1d") as process:
        [first] = bring(store, home, 1)
        assert next_id(process) == first
        assert stop(process) == (0, b"", b"")


@pytest.mark.parametrize("read_before", [(1,), (30,), (1, 7, 30)])
def test_killed_in_the_middle_of_its_lines_it_misses_nothing(
    home: Path, store: Store, read_before: tuple[int, ...]
) -> None:
    ids = bring(store, home, *range(STORIES))
    printed: set[str] = set()
    for lines in read_before:  # the pipe holds fewer lines than there are: it is killed while it prints
        with following(home, *FOLLOW, "--since", "1d") as process:
            printed |= {next_id(process) for _ in range(lines)}
    with following(home, *FOLLOW, "--since", "1d") as process:
        printed |= {next_id(process) for _ in ids}
        assert printed == set(ids)
        assert stop(process) == (0, b"", b"")


def test_a_follower_ends_when_its_reader_leaves_though_nothing_new_comes(home: Path, store: Store) -> None:
    [first] = bring(store, home, 1)
    with following(home, *FOLLOW, "--since", "1d") as process:
        assert process.stdout
        assert process.stderr
        assert next_id(process) == first
        process.stdout.close()
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr.read() == b""


def test_another_search_under_the_same_name_is_refused(wireroom: Wireroom, home: Path, store: Store) -> None:
    bring(store, home, 1)
    with following(home, *FOLLOW, "--since", "1d") as process:
        next_id(process)
        stop(process)
    ran = wireroom("search", "flood", *FOLLOW[1:])
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "wireroom: the cursor desk follows another search (bridge); choose another name\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("x --follow", "--follow needs --cursor NAME and --json\n"),
        ("x --follow --json", "--follow needs --cursor NAME\n"),
        ("x --follow --cursor desk", "--follow needs --json"),
        ("x --cursor desk", "--cursor needs --follow"),
        ("x --follow --cursor a/b --json", "--cursor a/b: a name is"),
        ("x --follow --cursor desk --json --until 2026", "--until does not go with --follow"),
        ("x --follow --cursor desk --json --sort newest", "--sort does not go with --follow"),
        ("x --follow --cursor desk --json --all", "--all does not go with --follow"),
        ("x --follow --cursor desk --json --since soon", "since: 'soon' is no date"),
        ("(x --follow --cursor desk --json", "the query ends too early"),
    ],
)
def test_what_cannot_be_followed_is_refused(
    wireroom: Wireroom, store: Store, arguments: str, said: str
) -> None:
    ran = wireroom("search", *arguments.split())
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert said in ran.err
