"""Run the product by its command line, on a home of its own, as the benchmarks need it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WIREROOM = Path(sys.executable).with_name("wireroom")
LINKS_AT_ONCE = 500  # addresses on one command line
SETTINGS = {
    "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
    "WIREROOM_HOST_DELAY": "0",
}


@dataclass(frozen=True, slots=True)
class Home:
    """Hold a fresh Wireroom home; commands run in it carry `mark` in their environment."""

    folder: Path

    @property
    def mark(self) -> str:
        """Return the `NAME=value` by which this home's processes are known."""
        return f"WIREROOM_HOME={self.folder}"

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command; its output goes to `bench.log` in the home."""
        with (self.folder / "bench.log").open("ab") as log:
            return subprocess.Popen([WIREROOM, *arguments], env=self._environment(), stdout=log, stderr=log)

    def run(self, *arguments: str) -> str:
        """Run a command to its end; return what it printed. Raises SystemExit when it fails."""
        command = [str(WIREROOM), *arguments]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command[:3])} …: exit {done.returncode}\n{done.stderr[-2000:]}")
        return done.stdout

    def up(self) -> None:
        """Run until idle. Raises SystemExit when that fails."""
        if self.start("up", "--until-idle").wait() != 0:
            raise SystemExit(f"up --until-idle failed; the end of its output:\n{self.log()[-2000:]}")

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

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WIREROOM_")}
        return inherited | SETTINGS | {"WIREROOM_HOME": str(self.folder)}


@contextmanager
def fresh_home(feeds: Sequence[str]) -> Iterator[Home]:
    """Make a home that follows `feeds`; it goes away with the block."""
    with tempfile.TemporaryDirectory(prefix="wireroom-bench-", ignore_cleanup_errors=True) as folder:
        home = Home(Path(folder))
        addresses = Path(folder) / "feeds.txt"
        addresses.write_text("".join(f"{feed}\n" for feed in feeds))
        home.run("feeds", "import", str(addresses))
        yield home
