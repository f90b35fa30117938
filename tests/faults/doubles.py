"""F16: two that ring, of which one is killed again and again.

On production parts two beats run, which only ring twice. On embedded ones a second `up` is refused again and
again, and takes over when the one that holds the home's lock is killed.
"""

import signal
from dataclasses import replace

from tests.faults.kills import strike_when_at_work
from tests.faults.processes import send
from tests.faults.topology import EMBEDDED, PRODUCTION
from tests.faults.trial import Fault, Trial

SECOND = "second"
TAKES_OVER_S = 120.0


def double(trial: Trial) -> None:
    """Add a second beat, or a second `up`."""
    services = trial.system.crew.services
    services[SECOND] = replace(services["up" if trial.system.name == EMBEDDED else "beat"], name=SECOND)


def kill_one(trial: Trial) -> int:
    """Kill one of two beats, or the `up` that holds the home, and see the other take over."""
    strike_when_at_work(trial)
    if trial.system.name == EMBEDDED:
        return _kill_holder(trial)
    beats = trial.system.crew.pids("beat")
    return send([trial.chance.choice(beats)], signal.SIGKILL) if beats else 0


def _kill_holder(trial: Trial) -> int:
    before = _holder(trial)
    given = send(before, signal.SIGKILL)
    trial.wait(TAKES_OVER_S, lambda: _holder(trial) not in (before, []))
    return given


def _holder(trial: Trial) -> list[int]:
    """Read which process holds the home; the file is empty for a moment."""
    path = trial.system.settings.home / "up.lock"
    return [int(word) for word in path.read_text().split()] if path.exists() else []


FAULTS = (
    Fault(
        id="F16",
        what="two beats, or two `up` on one home, of which the acting one is killed",
        prepare=double,
        inflict=kill_one,
        rounds={EMBEDDED: 20, PRODUCTION: 20},
        articles={EMBEDDED: 500, PRODUCTION: 2000},
        polls_in_time=(PRODUCTION,),
    ),
)
