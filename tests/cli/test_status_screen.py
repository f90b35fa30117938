"""`wireroom status --watch` on a terminal, and `--check` for cron: the same judgement, said twice."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.cli.status import check_lines, status_json
from pipeline.cli.watching import Pace, watch_screen
from pipeline.model import Stage, State
from pipeline.settings import Settings, read_settings
from pipeline.store.status import NO_COUNTS, Counts, Due, FeedCounts, Parts, PartState, find_problems
from tests.cli.conftest import Wireroom
from workers.monitoring.standing import Standing

WIREROOM = str(Path(sys.executable).parent / "wireroom")
PARTS = Parts(store=PartState.OK, broker=PartState.OK, index=PartState.OK, archive=PartState.OK, documents=72)
AT_REST: Counts = replace(
    NO_COUNTS,
    feeds=FeedCounts(active=10),
    articles={**NO_COUNTS.articles, State.INDEXED: 72, State.DROPPED: 2},
    dropped={"duplicate": 2},
    projected=72,
    lag_s=7.0,
)
TROUBLE: Counts = replace(
    AT_REST,
    articles={**AT_REST.articles, State.QUARANTINED: 3},
    quarantined={"stage-crashed": 3},
    feeds=FeedCounts(active=10, failing=4, outages=2),
    due=Due(fetch=40, oldest_s=7_200.0, oldest_by_stage={Stage.FETCH: 7_200.0}),
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({"WIREROOM_HOME": str(tmp_path)})


def standing(counts: Counts, parts: Parts = PARTS) -> Standing:
    return Standing(parts=parts, counts=counts, problems=find_problems(counts, parts))


def drawn(
    told: Standing, settings: Settings, *, width: int = 80, height: int = 24, pace: str = ""
) -> list[str]:
    """Draw the screen as a terminal of that size would show it."""
    console = Console(
        file=StringIO(), force_terminal=True, width=width, height=height, color_system=None, highlight=False
    )
    console.print(watch_screen(told, settings, pace=pace, console=console), end="")
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().split("\n")


def test_when_all_is_well_it_says_so(settings: Settings) -> None:
    lines = drawn(standing(AT_REST), settings, pace="+31 indexed in the last 60 s")
    assert lines[2].strip() == "all is well"
    assert any(line.startswith("articles  74 = 72 indexed + 2 dropped") for line in lines)
    assert any(re.match(r"index +0 +\+31 indexed in the last 60 s", line) for line in lines)
    assert lines[-1].startswith("every 2 s; Ctrl-C ends it")


def test_while_nothing_runs_nobody_is_told_that_all_is_well(settings: Settings) -> None:
    told = standing(AT_REST, replace(PARTS, broker=PartState.STOPPED))
    assert drawn(told, settings)[2].strip() == "nothing is wrong, and nothing runs until `wireroom up` does"
    assert check_lines(told) == []


def test_what_waits_for_a_stage_that_rests_is_told_as_later(settings: Settings) -> None:
    told = standing(replace(AT_REST, due=Due(resting={Stage.INDEX: 67})))
    assert any(line.startswith("later     67 wait for index, which rests") for line in drawn(told, settings))
    assert (status_json(told)["due"]["index"], status_json(told)["due"]["later"]) == (0, 67)


def test_what_is_wrong_stands_first_with_what_to_do(settings: Settings) -> None:
    lines = drawn(standing(TROUBLE), settings)
    assert lines[2].strip() == "3 things to look at"
    assert lines[3].startswith("! 3 articles wait in quarantine  → wireroom quarantine")
    assert lines[4].startswith("! something has been due for 2.0 hours  → wireroom doctor")
    assert any(re.match(r"fetch +40 +2 h", line) for line in lines)


def test_a_store_that_does_not_answer_is_told_before_anything_was_counted(settings: Settings) -> None:
    parts = replace(PARTS, store=PartState.UNREACHABLE, documents=None)
    told = Standing(parts=parts, counts=None, problems=find_problems(NO_COUNTS, parts)[:1])
    lines = drawn(told, settings)
    assert lines[3].startswith("! the store cannot be opened  → wireroom doctor")
    assert any(line.startswith("articles  unknown") for line in lines)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 12), (120, 50), (20, 5)])
def test_it_fits_the_terminal(width: int, height: int, settings: Settings) -> None:
    lines = drawn(standing(TROUBLE), settings, width=width, height=height)
    assert len(lines) == height
    assert all(len(line) <= width for line in lines)


def test_the_pace_is_that_of_the_last_minute() -> None:
    pace = Pace()
    pace.note(0.0, 100)
    assert pace.told() == ""
    for second in range(2, 122, 2):
        pace.note(float(second), 100 + second)
    assert pace.told() == "+60 indexed in the last 60 s"


def test_check_says_a_line_a_problem_and_nothing_when_all_is_well() -> None:
    assert check_lines(standing(AT_REST)) == []
    assert check_lines(standing(TROUBLE)) == [
        "quarantined: 3 articles wait in quarantine -> wireroom quarantine",
        "late: something has been due for 2.0 hours -> wireroom doctor",
        "feeds-failing: 2 feeds have failed 3 times or more -> wireroom feeds health --failing",
    ]


def test_without_a_terminal_watch_says_what_prints_once(wireroom: Wireroom) -> None:
    ran = wireroom("status", "--watch")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "wireroom: --watch goes alone and needs a terminal; `wireroom status` prints once\n"


@pytest.fixture
def watching(tmp_path: Path) -> "Iterator[tuple[subprocess.Popen[bytes], int]]":
    """Run `wireroom status --watch` on a terminal of 80 columns and 24 lines."""
    ours, theirs = pty.openpty()
    resize(ours, 80, 24)
    kept: Mapping[str, str] = {key: value for key, value in os.environ.items() if "WIREROOM_" not in key}
    environ = {**kept, "WIREROOM_HOME": str(tmp_path), "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [WIREROOM, "status", "--watch"], stdin=theirs, stdout=theirs, stderr=theirs, env=environ
    )
    os.close(theirs)
    yield process, ours
    process.kill()
    process.wait()
    os.close(ours)


def resize(terminal: int, width: int, height: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))


def read_until(terminal: int, wanted: bytes) -> bytes:
    """Read what the terminal is sent until it has been sent something."""
    sent, ends_at = b"", time.monotonic() + 120.0
    while wanted not in sent:
        assert time.monotonic() < ends_at, sent[-2000:]
        try:
            sent += os.read(terminal, 65_536)
        except OSError:  # the other side is closed
            break
    return sent


def test_watch_refreshes_and_ends_with_ctrl_c(
    watching: "tuple[subprocess.Popen[bytes], int]",
) -> None:
    process, terminal = watching
    first = read_until(terminal, b"Ctrl-C ends it")
    assert b"\x1b[?1049h" in first  # a screen of its own
    assert b"no feed is watched yet" in first
    read_until(terminal, b"Ctrl-C ends it")
    process.send_signal(signal.SIGINT)
    last = read_until(terminal, b"\x1b[?1049l")  # what was there before is back
    assert b"\x1b[?1049l" in last
    assert b"Traceback" not in last
    assert process.wait(30.0) == 0
