"""The product's services as processes: started, kept running as a container engine does, stopped, killed."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.model import Stage
from pipeline.points import Point
from tests.compose_file import ROOT
from tests.faults.processes import kill_all, living, playing, send

INSIDE = Path(__file__).parent / "inside"
GRACE_S = 30.0
"""From SIGTERM to SIGKILL, as docker-compose.yml has it (stop_grace_period)."""

AGAIN_S = 1.0
"""Between two starts of what ends by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Hold how one service is started."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]


@dataclass(slots=True)
class _Started:
    process: "subprocess.Popen[bytes]"
    at: float  # time.monotonic()


@dataclass(slots=True)
class Crew:
    """Run services that work for one home. `restarts` counts those that had ended unasked."""

    folder: Path
    mark: str  # NAME=value in the environment of each process
    services: dict[str, Service]
    restarts: int = 0
    forced: int = 0  # stops that took too long, and ended with SIGKILL
    _started: dict[str, _Started] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the folders of the armed points."""
        for name in ("armed", "given", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def start(self, names: Sequence[str] = ()) -> None:
        """Start the services that do not run, or some of them."""
        for name in names or self.services:
            if name not in self._started or self._started[name].process.poll() is not None:
                self._started[name] = _Started(self._spawn(self.services[name]), time.monotonic())

    def keep(self) -> None:
        """Start again what has ended."""
        for name, each in list(self._started.items()):
            if each.process.poll() is not None and time.monotonic() - each.at > AGAIN_S:
                self.restarts += 1
                self.start([name])

    def stop(self, names: Sequence[str] = ()) -> None:
        """Ask services to end, and kill what does not."""
        asked = [self._started.pop(name) for name in names or list(self._started) if name in self._started]
        for each in asked:
            each.process.send_signal(signal.SIGTERM)
        ends_at = time.monotonic() + GRACE_S
        for each in asked:
            try:
                each.process.wait(max(0.1, ends_at - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.forced += 1
                os.killpg(each.process.pid, signal.SIGKILL)
                each.process.wait()

    def kill(self) -> None:
        """SIGKILL all there is, children and brokers included."""
        started, self._started = list(self._started.values()), {}
        kill_all(self.mark)
        for each in started:
            each.process.wait()

    def pids(self, part: str) -> list[int]:
        """List the processes of a part: a worker by its name, `enrich child`, `up`, `beat`, `broker`."""
        return playing(part, living(self.mark))

    def signal(self, part: str, number: signal.Signals) -> int:
        """Send the processes of a part a signal; return how many got it."""
        return send(self.pids(part), number)

    def arm(self, stage: Stage, point: Point) -> None:
        """Let the first process that reaches a point die there."""
        (self.folder / "armed" / f"{stage}.{point}").touch()

    def disarm(self) -> None:
        """Take back what nobody has reached."""
        for path in (self.folder / "armed").iterdir():
            path.unlink(missing_ok=True)

    def given(self) -> list[str]:
        """List the points at which processes have died, as `fetch.done`."""
        return [path.name.rsplit(".", 2)[0] for path in (self.folder / "given").iterdir()]

    def _spawn(self, service: Service) -> "subprocess.Popen[bytes]":
        with (self.folder / "log" / f"{service.name}.log").open("ab") as log:
            return subprocess.Popen(
                service.command,
                env={**service.environ, "PYTHONPATH": f"{INSIDE}:{ROOT}", "FAULTS_FOLDER": str(self.folder)},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
