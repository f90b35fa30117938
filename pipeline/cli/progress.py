"""How far a run is: one line that moves on a terminal, now and then a line elsewhere, or nothing."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.cli.printing import counted, note

if TYPE_CHECKING:
    from rich.console import RenderableType

    from workers.supervisor import Progress

PLAIN_EVERY_S = 2.0
"""Seconds between two plain lines."""

BAR = 30
"""Columns of the bar."""


@contextmanager
def showing_progress(
    *, is_endless: bool = False, plain: bool = False, first: str = ""
) -> "Iterator[Callable[[Progress], None]]":
    """Show progress on stderr while the block runs; without a terminal nothing, or lines when `plain`.

    `first` is said when all has started, terminal or not: whoever waits learns that it runs.
    """
    if not sys.stderr.isatty():
        yield _after(first, _plain_reporter() if plain else lambda _progress: None)
        return
    from rich.console import Console
    from rich.live import Live

    began_at = time.monotonic()
    console = Console(stderr=True, highlight=False, markup=False)
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def report(progress: "Progress") -> None:
            line = progress_line(progress, time.monotonic() - began_at, is_endless=is_endless)
            live.update(line, refresh=True)

        yield _after(first, report)


def _after(first: str, report: "Callable[[Progress], None]") -> "Callable[[Progress], None]":
    left = [first] if first else []

    def report_after(progress: "Progress") -> None:
        while left:
            note(left.pop())  # above the line that moves: rich sees to it
        report(progress)

    return report_after


def progress_line(progress: "Progress", seconds: float, *, is_endless: bool) -> "RenderableType":
    """Lay out one line: a bar of what is done, and the numbers."""
    from rich.text import Text

    done = progress.indexed + progress.dropped + progress.quarantined
    total = done + progress.found + progress.fetched + progress.enriched
    filled = round(BAR * done / total) if total else 0
    line = Text.assemble(("━" * filled, "green"), ("━" * (BAR - filled), "bright_black"))
    line.append(f"  {progress.indexed:,} indexed", "bold")
    line.append(f"  {total - done:,} under way" if total > done else "")
    line.append(f"  {counted(progress.feeds_due, 'feed')} due" if progress.feeds_due else "")
    line.append(f"  {progress.quarantined:,} in quarantine" if progress.quarantined else "", "red")
    line.append(f"  {seconds:.0f} s" + ("  Ctrl-C ends it" if is_endless else ""), "dim")
    return line


def plain_line(progress: "Progress") -> str:
    """Say where the articles are: `74 articles: 12 to fetch, 30 to enrich, 32 indexed; 2 feeds to poll`."""
    states = (
        (progress.found, "to fetch"),
        (progress.fetched, "to enrich"),
        (progress.enriched, "to index"),
        (progress.indexed, "indexed"),
        (progress.dropped, "dropped"),
        (progress.quarantined, "in quarantine"),
    )
    total = sum(number for number, _ in states)
    where = ", ".join(f"{number:,} {what}" for number, what in states if number)
    said = f"{counted(total, 'article')}: {where}" if total else "no articles yet"
    return said + (f"; {counted(progress.feeds_due, 'feed')} to poll" if progress.feeds_due else "")


def _plain_reporter() -> "Callable[[Progress], None]":
    began_at = time.monotonic()
    said_at = 0.0
    said: Progress | None = None

    def report(progress: "Progress") -> None:
        nonlocal said_at, said
        now = time.monotonic()
        if progress == said or now - said_at < PLAIN_EVERY_S:
            return
        said_at, said = now, progress
        sys.stderr.write(f"{now - began_at:5.1f} s  {plain_line(progress)}\n")
        sys.stderr.flush()

    return report
