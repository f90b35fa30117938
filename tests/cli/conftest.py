"""Run commands in this process, on a home of their own."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.running import run
from pipeline.store.store import Store
from tests.cli.newsroom import new_store, publish


@dataclass(frozen=True, slots=True)
class Ran:
    """Hold what a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Read stdout as one line of JSON."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Read stdout as JSON, one line each."""
        return [json.loads(line) for line in self.out.splitlines()]


Wireroom = Callable[..., Ran]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Choose a home that is not there yet."""
    monkeypatch.setenv("WIREROOM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def wireroom(home: Path, capsys: pytest.CaptureFixture[str]) -> Wireroom:
    """Run a command and give what it printed."""

    def command(*arguments: str) -> Ran:
        code = run(arguments)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return command


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    """Create the home's store."""
    opened = new_store(home)
    yield opened
    opened.close()


@pytest.fixture
def saved(wireroom: Wireroom, store: Store, home: Path, tmp_path: Path) -> Path:
    """Make a backup of two indexed articles."""
    publish(store, home)
    told = wireroom("backup", str(tmp_path / "saved.db"))
    assert told.code == 0
    assert told.out.startswith(f"{tmp_path / 'saved.db'}: 1 feed, 2 articles, 2 documents, up to 20")
    assert str(home / "archive") in told.err
    return tmp_path / "saved.db"


def on_a_terminal(home: Path, *arguments: str, typed: str = "", columns: int = 200) -> str:
    """Run a command on a terminal of its own, type an answer to its question, and give what was shown."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", *arguments]
    environ = {**os.environ, "WIREROOM_HOME": str(home), "TERM": "dumb", "COLUMNS": str(columns)}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ)
    os.close(theirs)
    sent = b""
    with suppress(OSError):  # the terminal's other end is closed
        while piece := os.read(ours, 4_096):
            sent += piece
            if typed and b"Which?" in sent:
                os.write(ours, f"{typed}\n".encode())
                typed = ""
    os.close(ours)
    shown = sent.decode().replace("\r\n", "\n")
    assert process.wait() == 0, shown
    return shown
