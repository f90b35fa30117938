"""F17: clocks that are an hour apart, and clocks that jump.

On production parts each service has a clock of its own; PostgreSQL's is right. On embedded ones the machine's
clock jumps and comes back.
"""

import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

from tests.faults.topology import EMBEDDED, PRODUCTION
from tests.faults.trial import Fault, Trial
from tests.servers import ServerMissing

SOURCE = Path(__file__).with_name("clock.c")
APART_S = (3600.0, -3600.0, 0.0, 1800.0)
JUMPS_S = (3600.0, -600.0)
NS = 1_000_000_000


def wind(trial: Trial) -> None:
    """Give each service a clock that can be set. Raises ServerMissing without a C compiler."""
    crew, library = trial.system.crew, _compile(trial.system.folder)
    for number, (name, service) in enumerate(crew.services.items()):
        clock = trial.system.folder / f"clock-{name}"
        clock.write_bytes(struct.pack("q", 0))
        environ = {**service.environ, "LD_PRELOAD": str(library), "FAULTS_CLOCK": str(clock)}
        crew.services[name] = replace(service, environ=environ)
        if trial.system.name == PRODUCTION:
            put(clock, APART_S[number % len(APART_S)])


def jump(trial: Trial) -> int:
    """Let a clock jump while work is under way, stay there for a while, and jump back."""
    trial.await_work()
    names = list(trial.system.crew.services)
    clock = trial.system.folder / f"clock-{names[trial.round % len(names)]}"
    before, by = read(clock), JUMPS_S[trial.round % len(JUMPS_S)]
    put(clock, before + by)
    trial.wait(trial.lasts_s)
    put(clock, before)
    return 1


def put(clock: Path, seconds: float) -> None:
    """Set how far a clock is off; processes see it at once."""
    with clock.open("r+b") as file:
        file.write(struct.pack("q", int(seconds * NS)))


def read(clock: Path) -> float:
    """Read how far a clock is off, in seconds."""
    (off,) = struct.unpack("q", clock.read_bytes())
    return float(off / NS)


def _compile(folder: Path) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        raise ServerMissing("there is no C compiler (Debian: apt-get install gcc)")
    library = folder / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    return library


FAULTS = (
    Fault(
        id="F17",
        what="the services' clocks are an hour apart and jump; the embedded one's jumps and comes back",
        prepare=wind,
        inflict=jump,
        lasts_s=20.0,
        rounds={EMBEDDED: 10, PRODUCTION: 20},
        articles={EMBEDDED: 500, PRODUCTION: 2000},
    ),
)
