"""`wireroom status`: how it stands, on one screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.opening import existing_store, is_store_absent, settings
from pipeline.cli.options import Json
from pipeline.cli.printing import as_json, columns, counted, is_terminal, json_line, lasting, local, show
from pipeline.cli.wording import MEANING
from pipeline.errors import WireroomError
from pipeline.model import State

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.settings import Settings
    from pipeline.store.status import Counts, Due, Parts, Problem

BAR = 32
"""Columns of the bar that shows how far the articles are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Hold all that the screen shows."""

    home: str
    logs: str  # their folder; empty before the first `up`
    counts: "Counts"
    parts: "Parts"
    problems: "tuple[Problem, ...]"


def status(
    check: Annotated[bool, typer.Option("--check", help="Exit 1 when there are problems.")] = False,
    json: Json = False,
) -> None:
    """Show how it stands, on one screen."""
    standing = read_standing(settings())
    if json:
        json_line(status_json(standing))
    else:
        show(*status_screen(standing))
    if check and standing.problems:
        raise typer.Exit(1)


def read_standing(settings: "Settings") -> Standing:
    """Ask store, broker, index and archive how they are."""
    from dataclasses import replace

    from pipeline.cli.parts import read_parts
    from pipeline.store.status import NO_COUNTS, PartState, find_problems, read_counts

    parts, counts = read_parts(settings), NO_COUNTS
    if is_store_absent(settings):
        parts = replace(parts, store=PartState.ABSENT)
    else:
        try:
            with existing_store(settings) as store:
                counts = read_counts(store)
        except WireroomError as error:
            if settings.store_url.startswith("postgresql"):
                parts = replace(parts, store=PartState.UNREACHABLE)
            else:
                raise error
    return Standing(
        home=str(settings.home),
        logs=str(settings.log_folder) if settings.log_folder.is_dir() else "",
        counts=counts,
        parts=parts,
        problems=find_problems(counts, parts),
    )


def status_json(standing: Standing) -> dict[str, Any]:
    """Render the shape that the command line promises."""
    counts, parts = standing.counts, standing.parts
    feeds = {name: getattr(counts.feeds, name) for name in ("active", "paused", "gone", "failing")}
    return {
        "parts": {name: str(getattr(parts, name)) for name in ("store", "broker", "index", "archive")},
        "feeds": feeds,
        "entries_without_link": counts.entries_without_link,
        "articles": {**as_json(counts.articles), "total": counts.total},
        "partial": dict(counts.partial),
        "dropped": dict(counts.dropped),
        "quarantined": dict(counts.quarantined),
        "index": {"documents": parts.documents},
        "lag_s": counts.lag_s,
        "oldest_due_s": counts.due.oldest_s,
        "due": {
            **{name: getattr(counts.due, name) for name in ("poll", "fetch", "enrich", "index")},
            "later": counts.due.later + counts.due.held,
        },
        "problems": as_json(standing.problems),
    }


def status_screen(standing: Standing) -> "Sequence[RenderableType]":
    """Lay out the screen."""
    from rich.text import Text

    counts = standing.counts
    sections: list[RenderableType] = [
        Text.assemble(("Wireroom", "bold"), f"  {standing.home}"),
        Text(""),
        columns(_facts(standing)),
    ]
    for title, slugs in (
        ("indexed from the feed alone", counts.partial),
        ("dropped", counts.dropped),
        ("quarantined", counts.quarantined),
    ):
        if slugs:
            sections += [Text(""), Text(title, style="bold"), slug_table(slugs)]
    return [*sections, Text(""), *_problem_lines(standing.problems)]


def slug_table(slugs: Mapping[str, int]) -> "RenderableType":
    """List slugs with their counts and what they mean."""
    return columns([(count, slug, MEANING.get(slug, "")) for slug, count in slugs.items()])


def _facts(standing: Standing) -> list[tuple[Any, Any]]:
    from rich.text import Text

    from pipeline.store.status import PartState

    parts = standing.parts
    known = "" if parts.documents is None else f", {counted(parts.documents, 'document')}"
    is_known = parts.store is not PartState.UNREACHABLE  # else all counts are 0, and say nothing
    facts = [
        *(_counted_facts(standing.counts) if is_known else [("feeds", "unknown"), ("articles", "unknown")]),
        (
            "parts",
            f"store {parts.store}, archive {parts.archive}, "
            f"broker {parts.broker}, index {parts.index}{known}",
        ),
        ("logs", standing.logs),
    ]
    return [(Text(name, style="dim"), value) for name, value in facts if value]


def _counted_facts(counts: "Counts") -> list[tuple[str, Any]]:
    feeds, states = counts.feeds, counts.articles
    others = [f"{feeds.failing:,} of them failing"] if feeds.failing else []
    others += [f"{number:,} {name}" for name in ("paused", "gone") if (number := getattr(feeds, name))]
    under_way = [f"{states[state]:,} {state}" for state in (State.FOUND, State.FETCHED, State.ENRICHED)]
    rests = [f"{states[state]:,} {state}" for state in (State.INDEXED, State.DROPPED, State.QUARANTINED)]
    return [
        ("feeds", ", ".join([f"{feeds.active:,} active", *others])),
        ("articles", _sum(counts.total, rests if _rests(counts) else [])),
        ("", _bar(states, counts.total) if counts.total and is_terminal() else ""),
        ("", "" if _rests(counts) else f"{', '.join(rests)}; under way: {', '.join(under_way)}"),
        ("due now", _due(counts)),
        *(("later" if place == 0 else "", line) for place, line in enumerate(later_lines(counts.due))),
        ("lag", "" if counts.lag_s is None else f"{lasting(counts.lag_s)} from a feed to the index (median)"),
    ]


def _sum(total: int, parts: Sequence[str]) -> str:
    return f"{total:,} = {' + '.join(parts)}" if total and parts else f"{total:,}" if total else "none yet"


def _rests(counts: "Counts") -> bool:
    return not any(counts.articles[state] for state in (State.FOUND, State.FETCHED, State.ENRICHED))


def _due(counts: "Counts") -> str:
    due = counts.due
    stages = [
        f"{number:,} to {name}"
        for name in ("poll", "fetch", "enrich", "index")
        if (number := getattr(due, name))
    ]
    return f"{', '.join(stages)}; the oldest for {lasting(due.oldest_s or 0)}" if stages else "nothing"


def later_lines(due: "Due") -> list[str]:
    """Say what nobody can do now: pages to be tried again, and what waits for hosts that want a pause."""
    lines = []
    if due.later and due.next_retry_at is not None:
        pages = counted(due.later, "page")
        lines.append(f"{pages} will be tried again, the first at {local(due.next_retry_at)}")
    if due.held and due.held_until is not None:
        wait = f"{due.held:,} {'waits' if due.held == 1 else 'wait'} for {counted(due.held_hosts, 'host')}"
        first = "" if due.held_hosts == 1 else "the first "
        lines.append(f"{wait} that asked to be left alone, {first}until {local(due.held_until)}")
    return lines


def _bar(states: Mapping[State, int], total: int) -> "RenderableType":
    from rich.text import Text

    colours = (
        (State.INDEXED, "green"),
        (State.DROPPED, "bright_black"),
        (State.QUARANTINED, "red"),
        (State.ENRICHED, "cyan"),
        (State.FETCHED, "blue"),
        (State.FOUND, "yellow"),
    )
    bar = Text()
    done = 0
    for state, colour in colours:
        before, done = done, done + states[state]
        bar.append("━" * (round(done * BAR / total) - round(before * BAR / total)), style=colour)
    return bar


def _problem_lines(problems: "Sequence[Problem]") -> "list[RenderableType]":
    from rich.text import Text

    if not problems:
        return [Text.assemble(("✓", "green"), " no problems")]
    return [
        Text.assemble(("!", "bold yellow"), f" {problem.text}", (f"  → {problem.do}", "cyan"))
        for problem in problems
    ]
