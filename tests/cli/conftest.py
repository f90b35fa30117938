"""Run commands in this process, on a home of their own."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.running import run
from pipeline.store.store import Store
from tests.cli.newsroom import new_store


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
