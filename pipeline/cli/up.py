"""`wireroom up`: run everything."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.opening import made_store, make_home, settings
from pipeline.cli.printing import counted, note, show
from pipeline.cli.progress import showing_progress
from pipeline.cli.status import later_lines
from pipeline.enrichment.models import check_models
from pipeline.errors import WireroomError
from pipeline.model import State
from pipeline.outlets import read_outlets

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from pipeline.store.status import Counts

EXIT_FAILED = 1
EXIT_TIMED_OUT = 3


def up(
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when nothing is left to do.")] = False,
    timeout: Annotated[
        float | None, typer.Option(help="End after so many seconds, with exit code 3.", min=0)
    ] = None,
) -> None:
    """Run everything until Ctrl-C: broker, ticks and workers."""
    chosen = settings()
    make_home(chosen)
    read_outlets(chosen.home)  # a fault in it is told here, not in a worker's log
    check_models(chosen.models)  # likewise
    from workers.supervisor import Ending, supervise  # a second of imports, after what may be refused at once

    if not _count(chosen).feeds.active:
        note("no feed is watched yet: `wireroom add URL` beside this one, any time")
    _tell_if_restored(chosen, until_idle)
    with showing_progress(is_endless=not until_idle, first=_first_line(chosen, until_idle)) as report:
        ending = supervise(chosen, until_idle=until_idle, timeout_s=timeout, report=report)
    show(*ending_lines(_count(chosen)))
    if ending is Ending.TIMED_OUT:
        note(f"the time-out of {timeout:g} s was reached")
        raise typer.Exit(EXIT_TIMED_OUT)
    if ending is Ending.STOPPED and until_idle:
        note("stopped before everything was done")
        raise typer.Exit(EXIT_FAILED)


def _tell_if_restored(settings: "Settings", until_idle: bool) -> None:
    """Say that index rests. Raises WireroomError where somebody waits for it to be done."""
    from pipeline.store.mending import is_held_back

    with made_store(settings) as store:
        if not is_held_back(store):
            return
    told = "it was restored: nothing is indexed until `wireroom verify --repair` or `wireroom reindex`"
    if until_idle:
        raise WireroomError(told)
    note(told)


def _first_line(settings: "Settings", until_idle: bool) -> str:
    ends = "ends when nothing is left to do; Ctrl-C ends it now" if until_idle else "Ctrl-C ends it"
    return f"running; logs in {settings.log_folder}; {ends}"


def ending_lines(counts: "Counts") -> list[str]:
    """Say where the articles are, and what is left for later."""
    states = counts.articles
    rests = ", ".join(
        f"{states[state]:,} {state}" for state in (State.INDEXED, State.DROPPED, State.QUARANTINED)
    )
    left = counts.total - sum(states[state] for state in (State.INDEXED, State.DROPPED, State.QUARANTINED))
    lines = [f"{counted(counts.total, 'article')}: {rests}" + (f", {left:,} under way" if left else "")]
    return [*lines, *later_lines(counts.due)]


def _count(settings: "Settings") -> "Counts":
    from pipeline.store.status import read_counts

    with made_store(settings) as store:
        return read_counts(store)
