"""One run: news appear round by round, each round is given its fault, then all must come to rest."""

import random
import shutil
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Table, select

from pipeline.store.leases import has_died
from pipeline.store.store import Store, open_store
from pipeline.store.tables import articles, feeds
from tests.faults.news import NewsWeb, open_news
from tests.faults.topology import POLL_S, System, open_system
from tests.faults.verdict import Under, Verdict, judge, under_way

KEPT = Path(__file__).parents[2] / "build" / "faults"
"""Where homes and logs of runs that went wrong are kept."""

LOOK_S = 0.05
AT_WORK_S = 120.0
"""How long a fault waits for work to meet; a start takes three seconds, on cores that others use as well ten
and more."""

STALLED_S = 600.0
"""Without any progress for so long a run is over: far above the longest lease (120 s) and back-off (25 s)."""

EDITED = 0.2  # edits beside each new article


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Hold what a fault works with: the web, the system, the store as the harness reads it, and chance."""

    web: NewsWeb
    system: System
    store: Store
    chance: random.Random
    lasts_s: float  # how long a fault goes on that is not over at once
    ending: ExitStack  # what is undone at the end of the run, while the system's folder is still there
    round: int = 0

    def wait(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Wait so long, or until something is so; True when it is. What ends meanwhile is started again."""
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            if until():
                return True
            self.system.crew.keep()
            time.sleep(min(LOOK_S, seconds))
        return until()

    def await_work(self) -> bool:
        """Wait until a living process holds an article (one in four times: a feed)."""
        table = self.chance.choice((articles, articles, articles, feeds))
        return self.wait(AT_WORK_S, lambda: self._is_held(table))

    def _is_held(self, table: Table) -> bool:
        with self.store.read() as connection:
            held = select(table.c.lease_owner).where(table.c.lease_owner.is_not(None)).distinct()
            return not all(map(has_died, connection.execute(held).scalars()))


def nothing(_: Trial) -> None:
    """Prepare nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Say what is done to a system. `inflict` is called once a round and returns how many faults it gave.

    `rounds` and `articles` are the whole dose, by topology; one that is not named is not tried.
    """

    id: str
    what: str
    inflict: Callable[[Trial], int]
    rounds: Mapping[str, int]
    articles: Mapping[str, int]
    prepare: Callable[[Trial], None] = nothing
    through: Collection[str] = ()
    quarantined: int = 0  # how many of what `prepare` published must end so
    lasts_s: float = 0.0
    polls_in_time: Collection[str] = ()  # where no feed may be polled early: no poll is cut short there


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Hold what a run ended with."""

    fault: Fault
    topology: str
    seed: int
    verdict: Verdict
    given: int
    restarts: int  # of services that had ended unasked
    polled_early: int
    recovery_s: float | None  # from the last fault until all was at rest; None: it never was
    took_s: float
    forced: int  # services that did not end when asked to, and were killed

    @property
    def name(self) -> str:
        """Name the run."""
        return f"{self.fault.id}-{self.topology}-{self.seed}"

    @property
    def ok(self) -> bool:
        """Tell whether the system stood it."""
        is_as_expected = self.verdict.quarantined == self.fault.quarantined
        is_in_time = self.topology not in self.fault.polls_in_time or not self.polled_early
        return self.verdict.ok and self.recovery_s is not None and is_as_expected and is_in_time


def run(
    fault: Fault,
    topology: str,
    *,
    seed: int,
    rounds: int,
    articles: int,
    lasts_s: float | None = None,
    keep_leases: bool = False,
    stalled_s: float = STALLED_S,
) -> Outcome:
    """Give a fault in so many rounds over so many articles. Raises ServerMissing."""
    began, chance = time.monotonic(), random.Random(seed)
    with (
        open_news(articles) as web,
        open_system(topology, web, through=fault.through, keep_leases=keep_leases) as system,
        ExitStack() as ending,
        closing(open_store(system.settings.sql_url)) as store,
    ):
        trial = Trial(
            web=web,
            system=system,
            store=store,
            chance=chance,
            lasts_s=fault.lasts_s if lasts_s is None else lasts_s,
            ending=ending,
        )
        given = _inflict(trial, fault, rounds=rounds, articles=articles)
        recovery_s = settle(trial, stalled_s=stalled_s)
        system.crew.stop()
        outcome = Outcome(
            fault=fault,
            topology=topology,
            seed=seed,
            verdict=judge(system.settings, web.served),
            given=given,
            restarts=system.crew.restarts,
            polled_early=web.polled_early(POLL_S),
            recovery_s=recovery_s,
            took_s=time.monotonic() - began,
            forced=system.crew.forced,
        )
        if not outcome.ok:
            keep(system.folder, outcome)
    return outcome


def _inflict(trial: Trial, fault: Fault, *, rounds: int, articles: int) -> int:
    """Start the system and give it its rounds of news and faults; return how many faults it got."""
    given, web = 0, trial.web
    fault.prepare(trial)
    web.publish(0 if rounds else articles)
    trial.system.crew.start()
    for each in range(rounds):
        more = articles * (each + 1) // rounds - articles * each // rounds
        web.publish(more)
        web.edit(round(more * EDITED), trial.chance)
        given += fault.inflict(replace(trial, round=each))
    return given


def keep(folder: Path, outcome: Outcome) -> None:
    """Keep the home and the logs of a run that is to be looked into."""
    shutil.copytree(
        folder, KEPT / outcome.name, ignore=shutil.ignore_patterns("secrets", "*.sock"), dirs_exist_ok=True
    )


def settle(trial: Trial, *, stalled_s: float = STALLED_S) -> float | None:
    """Wait until every feed was read once more and every article rests; return the seconds until then, None
    when nothing has changed for `stalled_s`."""
    began, since = time.monotonic(), time.time()
    trial.system.crew.disarm()
    trial.system.crew.start()
    last, changed = Under(-1, -1), began
    while time.monotonic() - changed < stalled_s:
        left = under_way(trial.store, since=since)
        if left == Under(0, 0):
            return time.monotonic() - began
        if left != last:
            last, changed = left, time.monotonic()
        trial.wait(LOOK_S)
    return None
