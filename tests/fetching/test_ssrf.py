"""A slice of `python -m bench.ssrf`: a process of its own, as its audit hook stays."""

import subprocess
import sys

import pytest

from bench.ssrf_places import PLACES

UNSEEN = {"references in feeds and pages", "page, redirected"}
EVERY = "30"  # of some 400 targets


@pytest.mark.parametrize("place", PLACES)
def test_nothing_that_a_stranger_writes_is_connected_to(guarded: dict[str, int], place: str) -> None:
    assert guarded[place] == 0


def test_the_same_attempts_are_seen_when_the_guard_is_open() -> None:
    reached = connections("--open")
    # Nothing follows a reference; pages of hosts whose robots.txt could not be had are not asked for again.
    assert {place for place in PLACES if not reached[place]} <= UNSEEN


@pytest.fixture(scope="module")
def guarded() -> dict[str, int]:
    return connections()


def connections(*options: str) -> dict[str, int]:
    """Make the attempts; give by place how many connections there were. All that is allowed must pass."""
    command = [sys.executable, "-m", "bench.ssrf", "--every", EVERY, *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = (line.strip("| ").split(" | ") for line in ended.stdout.splitlines() if line.startswith("| "))
    return {row[0]: int(row[2]) for row in rows if row[0] in PLACES}
