"""F1 to F5: the product's processes are killed, at random moments and at named points, and restarted."""

import signal

from pipeline.model import Stage
from pipeline.points import Point
from tests.faults.news import KILLER
from tests.faults.processes import send
from tests.faults.topology import EMBEDDED, PRODUCTION
from tests.faults.trial import Fault, Trial

FETCHER = "net"
POINTS = [(stage, point) for stage in Stage for point in Point]
FETCHER_POINTS = [(stage, point) for stage, point in POINTS if stage in (Stage.POLL, Stage.FETCH)]
POINT_S = 120.0
"""How long an armed point waits to be reached: a few seconds, on busy cores after a restart twenty."""

EARLY, STARTING_S, WORKING_S = 0.2, 4.0, 1.5
"""A fifth of the kills come while all starts; the others so late after somebody has claimed something."""

PATIENCE = 3
"""`up` waits longer after each quick death of a child (1 s, 2 s, 4 s …): after three it is started anew."""

KILLERS = 5


def strike_when_at_work(trial: Trial) -> None:
    """Wait for a random moment: mostly while something is under way."""
    if trial.chance.random() < EARLY:
        trial.wait(trial.chance.uniform(0.0, STARTING_S))
    else:
        trial.await_work()
        trial.wait(trial.chance.uniform(0.0, WORKING_S))


def kill_tree(trial: Trial) -> int:
    """Kill all processes of the product, a broker of its own included, and start them again."""
    strike_when_at_work(trial)
    trial.system.crew.kill()
    trial.system.crew.start()
    return 1


def kill_fetcher(trial: Trial) -> int:
    """Kill the worker that polls and fetches, now at a random moment, now at one of its points."""
    if trial.chance.random() < 0.5:
        return die_at(trial, *trial.chance.choice(FETCHER_POINTS))
    strike_when_at_work(trial)
    given = trial.system.crew.signal(FETCHER, signal.SIGKILL)
    renew(trial)
    return given


def kill_at_points(trial: Trial) -> int:
    """Let processes die at each point of each stage, in turn."""
    stage, point = POINTS[len(trial.system.crew.given()) % len(POINTS)]
    return die_at(trial, stage, point)


def die_at(trial: Trial, stage: Stage, point: Point) -> int:
    """Arm a point and wait until a process has died of it; 0 when none came there in time."""
    crew, before = trial.system.crew, len(trial.system.crew.given())
    crew.arm(stage, point)
    trial.wait(POINT_S, lambda: len(crew.given()) > before)
    crew.disarm()
    given = len(crew.given()) - before
    renew(trial)
    return given


def renew(trial: Trial) -> None:
    """Restart `up` after some deaths of its children: its back-off would make a dose last for hours."""
    crew = trial.system.crew
    if trial.system.name == EMBEDDED and trial.chance.random() < 1 / PATIENCE:
        crew.stop()
        crew.start()
    crew.keep()


def kill_child(trial: Trial) -> int:
    """Kill one of the processes that enrich."""
    trial.await_work()
    trial.wait(trial.chance.uniform(0.0, WORKING_S))
    children = trial.system.crew.pids("enrich child")
    if not children:
        return 0
    return send([trial.chance.choice(children)], signal.SIGKILL)


def publish_killers(trial: Trial) -> None:
    """Publish pages of which enrich dies each time."""
    trial.web.publish(KILLERS, kind=KILLER)


def restart(trial: Trial) -> int:
    """Ask one service after the other to end, and start it again."""
    given, crew = 0, trial.system.crew
    for name in list(crew.services):
        strike_when_at_work(trial)
        crew.stop([name])
        crew.start([name])
        given += 1
    return given


FAULTS = (
    Fault(
        id="F1",
        what="the worker that polls and fetches is killed, at random and at its points",
        inflict=kill_fetcher,
        rounds={EMBEDDED: 50, PRODUCTION: 100},
        articles={EMBEDDED: 500, PRODUCTION: 2000},
    ),
    Fault(
        id="F2",
        what="all processes are killed at once",
        inflict=kill_tree,
        rounds={EMBEDDED: 200, PRODUCTION: 100},
        articles={EMBEDDED: 500, PRODUCTION: 2000},
    ),
    Fault(
        id="F3",
        what="a process dies at each point of each stage in turn",
        inflict=kill_at_points,
        rounds={EMBEDDED: 120, PRODUCTION: 120},
        articles={EMBEDDED: 500, PRODUCTION: 2000},
    ),
    Fault(
        id="F4",
        what="a process that enriches is killed; some pages kill theirs each time",
        inflict=kill_child,
        prepare=publish_killers,
        quarantined=KILLERS,
        rounds={EMBEDDED: 50, PRODUCTION: 50},
        articles={EMBEDDED: 500, PRODUCTION: 2000},
    ),
    Fault(
        id="F5",
        what="each service is stopped (SIGTERM) and started in turn",
        inflict=restart,
        rounds={EMBEDDED: 30, PRODUCTION: 10},
        articles={EMBEDDED: 500, PRODUCTION: 2000},
    ),
)
