"""`wireroom status --watch`: one screen that says whether all is well and, if not, what to do."""

import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.cli.printing import columns, counted, lasting
from pipeline.cli.status import NOTHING_RUNS, facts, is_idle, problem_lines
from pipeline.model import Stage, State
from pipeline.quoting import harmless

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.segment import Segment

    from pipeline.settings import Settings
    from pipeline.store.status import Counts
    from workers.monitoring.standing import Standing

EVERY_S = 2.0
PATIENCE_S = 3.0
"""How long a part is waited for before the screen says that it does not answer."""

PACE_S = 60.0
"""Over how long the pace is taken."""

OLD_S = 30.0
"""Counts older than that are told as such."""


class Pace:
    """Tell how many articles were indexed within the last minute."""

    def __init__(self) -> None:
        """Know of no moment yet."""
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, at: float, indexed: int) -> None:
        """Take in how many are indexed at a moment of time.monotonic()."""
        self._seen.append((at, indexed))
        while len(self._seen) > 2 and at - self._seen[1][0] >= PACE_S:
            self._seen.popleft()

    def told(self) -> str:
        """Say it: `+31 in the last 60 s`; nothing before there are two moments."""
        if len(self._seen) < 2:
            return ""
        (began, before), (ended, after) = self._seen[0], self._seen[-1]
        return f"{after - before:+,} indexed in the last {lasting(ended - began)}"


def watch_standing(settings: "Settings") -> None:
    """Show how it stands until Ctrl-C, on a screen of its own that follows the terminal's size."""
    from rich.console import Console
    from rich.live import Live

    from workers.monitoring.standing import Lookout

    console = Console(highlight=False, markup=False, emoji=False)
    lookout, pace = Lookout(settings), Pace()
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                began = time.monotonic()
                standing = lookout.look(patience_s=PATIENCE_S)
                if standing.counts is not None:
                    pace.note(began, standing.counts.articles[State.INDEXED])
                live.update(watch_screen(standing, settings, pace=pace.told(), console=console), refresh=True)
                time.sleep(max(0.0, EVERY_S - (time.monotonic() - began)))
    except KeyboardInterrupt:
        return


def watch_screen(
    standing: "Standing", settings: "Settings", *, pace: str, console: "Console"
) -> "RenderableType":
    """Lay the screen out in the console's size: what is wrong comes first, and keeps its room."""
    from rich.segment import Segment, Segments
    from rich.text import Text

    height = console.size.height
    top = _lines(
        console,
        [*_head(standing, settings), *problem_lines(standing.problems)],
    )
    below = [Text(""), columns(facts(standing, settings)), Text(""), *_stages(standing.counts, pace)]
    end = _lines(console, [Text(_end(standing), style="dim")])
    room = max(1, height - len(end))
    shown = [*top, *_lines(console, below)][:room]
    filled = [*shown, *([] for _ in range(room - len(shown))), *end]
    return Segments([segment for line in filled for segment in (*line, Segment.line())][:-1])


def _head(standing: "Standing", settings: "Settings") -> "list[RenderableType]":
    from rich.text import Text

    title = Text.assemble(("Wireroom", "bold"), f"  {settings.home}  {time.strftime('%H:%M:%S')}")
    title.no_wrap, title.overflow = True, "ellipsis"
    number = len(standing.problems)
    if number:
        return [title, Text(""), Text(f"{counted(number, 'thing')} to look at", style="bold red")]
    if standing.counts is None:
        return [title, Text(""), Text("the store is being counted", style="yellow")]
    if is_idle(standing.parts):
        return [title, Text(""), Text(f"nothing is wrong, and {NOTHING_RUNS}", style="yellow")]
    return [title, Text(""), Text("all is well", style="bold green")]


def _stages(counts: "Counts | None", pace: str) -> "list[RenderableType]":
    """List what each stage could do now, and for how long the oldest of that has waited."""
    if counts is None:
        return []
    rows = [
        (stage, getattr(counts.due, stage), lasting(oldest) if oldest is not None else "", said)
        for stage, said in zip(Stage, ("", "", "", pace), strict=True)
        for oldest in (counts.due.oldest_by_stage.get(stage),)
    ]
    return [columns(rows, ("stage", "due now", "the oldest for", ""))]


def _end(standing: "Standing") -> str:
    old = standing.counts is not None and standing.counts_age_s > OLD_S
    counted_ago = f"counted {lasting(standing.counts_age_s)} ago; " if old else ""
    return f"{counted_ago}every {EVERY_S:g} s; Ctrl-C ends it"


def _lines(console: "Console", renderables: "Sequence[RenderableType]") -> "list[list[Segment]]":
    """Render to lines of the console's width, with nothing by which a feed could steer the terminal."""
    from rich.console import Group
    from rich.segment import Segment

    lines = console.render_lines(Group(*renderables), pad=False)
    return [[Segment(harmless(each.text), each.style) for each in line] for line in lines]
