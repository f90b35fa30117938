"""Run the product by its command line, on a home of its own, as the benchmarks need it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.memory import family

WIREROOM = Path(sys.executable).with_name("wireroom")
LINKS_AT_ONCE = 500  # addresses on one command line
UP_LIMIT_S = 1200  # five times what 5,500 articles take on two busy cores
SETTINGS = {
    "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
    "WIREROOM_HOST_DELAY": "0",
}


@dataclass(frozen=True, slots=True)
class Home:
    """Hold a fresh Wireroom home; commands run in it carry `mark` in their environment."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)  # beside SETTINGS

    @property
    def mark(self) -> str:
        """Return the `NAME=value` by which this home's processes are known."""
        return f"WIREROOM_HOME={self.folder}"

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command; its output goes to `bench.log` in the home."""
        with (self.folder / "bench.log").open("ab") as log:
            return subprocess.Popen([WIREROOM, *arguments], env=self.environ(), stdout=log, stderr=log)

    def run(self, *arguments: str) -> str:
        """Run a command to its end; return what it printed. Raises SystemExit when it fails."""
        command = [str(WIREROOM), *arguments]
        done = subprocess.run(command, env=self.environ(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command[:3])} …: exit {done.returncode}\n{done.stderr[-2000:]}")
        return done.stdout

    def up(self) -> None:
        """Run until idle. Raises SystemExit when that fails or takes longer than `UP_LIMIT_S`."""
        try:
            ended: int | str = self.start("up", "--until-idle").wait(UP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            ended = f"not idle after {UP_LIMIT_S} s"
        if ended != 0:
            raise SystemExit(f"up --until-idle: {ended}; the end of its output:\n{self.log()[-2000:]}")

    def kill(self) -> None:
        """SIGKILL the home's whole process tree, what is born meanwhile included."""
        while pids := family(self.mark):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)

    def log(self) -> str:
        """Return what the started commands have printed."""
        return (self.folder / "bench.log").read_text(errors="replace")

    def status(self) -> Mapping[str, Any]:
        """Return what `status --json` says."""
        found: dict[str, Any] = json.loads(self.run("status", "--json"))
        return found

    def search(self, query: str, *, size: int) -> list[Mapping[str, Any]]:
        """Return the first hits of `search --json`."""
        hits: list[Mapping[str, Any]] = json.loads(self.run("search", query, "--size", str(size), "--json"))[
            "hits"
        ]
        return hits

    def traces(self, links: Sequence[str]) -> list[Mapping[str, Any]]:
        """Return what `trace --json` says of each link that the store knows."""
        parts = (links[first : first + LINKS_AT_ONCE] for first in range(0, len(links), LINKS_AT_ONCE))
        return [
            json.loads(line) for part in parts for line in self.run("trace", "--json", *part).splitlines()
        ]

    def environ(self) -> dict[str, str]:
        """Return the environment in which the home's commands run."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WIREROOM_")}
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)  # no installation compiles everything at each start
        return {**inherited, **SETTINGS, **self.settings, "WIREROOM_HOME": str(self.folder)}


@contextmanager
def fresh_home(feeds: Sequence[str], settings: Mapping[str, str] | None = None) -> Iterator[Home]:
    """Make a home that follows `feeds`; it goes away with the block, processes and all."""
    with tempfile.TemporaryDirectory(prefix="wireroom-bench-", ignore_cleanup_errors=True) as folder:
        home = Home(Path(folder), settings or {})
        addresses = Path(folder) / "feeds.txt"
        addresses.write_text("".join(f"{feed}\n" for feed in feeds))
        home.run("setup")
        home.run("feeds", "import", str(addresses))
        try:
            yield home
        finally:
            home.kill()
