"""`wireroom status`: how it stands, on one screen."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.opening import settings
from pipeline.cli.options import Json
from pipeline.cli.printing import (
    DAY_S,
    as_json,
    columns,
    counted,
    is_terminal,
    json_line,
    lasting,
    local,
    show,
)
from pipeline.cli.wording import MEANING
from pipeline.errors import UsageError, WireroomError
from pipeline.model import State

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.forecast import Outlook
    from pipeline.settings import Settings
    from pipeline.store.status import Counts, Due, Parts, Problem
    from workers.monitoring.standing import Standing

BAR = 32
"""Columns of the bar that shows how far the articles are."""

NOTHING_RUNS = "nothing runs until `wireroom up` does"

PATIENCE_S = 30.0
"""How long a part is waited for, so that no cron job hangs; ten million articles are counted in less."""


def status(
    check: Annotated[
        bool, typer.Option("--check", help="Print one line for each problem, and exit 1 when there are any.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it on the whole screen, again and again, until Ctrl-C.")
    ] = False,
    json: Json = False,
) -> None:
    """Show how it stands, on one screen."""
    chosen = settings()
    if watch:
        if check or json or not is_terminal():
            raise UsageError("--watch goes alone and needs a terminal; `wireroom status` prints once")
        from pipeline.cli.watching import watch_standing

        watch_standing(chosen)
        return
    standing = read_standing(chosen)
    if json:
        json_line(status_json(standing))
    else:
        show(*(check_lines(standing) if check else status_screen(standing, chosen)))
    if check and standing.problems:
        raise typer.Exit(1)


def read_standing(settings: "Settings") -> "Standing":
    """Ask all parts how they are. Raises WireroomError for a store in a file that cannot be read."""
    from pipeline.store.status import PartState
    from workers.monitoring.standing import Lookout

    standing = Lookout(settings).look(patience_s=PATIENCE_S)
    if standing.parts.store is PartState.UNREACHABLE and settings.store_file is not None:
        raise WireroomError(standing.said["store"])
    return standing


def check_lines(standing: "Standing") -> list[str]:
    """Say what is wrong, one line for each problem, with what to do; nothing when all is well."""
    return [f"{each.slug}: {each.text} -> {each.do}" for each in standing.problems]


def status_json(standing: "Standing") -> dict[str, Any]:
    """Render the shape that the command line promises."""
    counts, parts = counted_or_none(standing), standing.parts
    feeds = {name: getattr(counts.feeds, name) for name in ("active", "paused", "gone", "failing")}
    return {
        "parts": {name: str(state) for name, state in parts.states().items() if name != "disk"},
        "feeds": feeds,
        "entries_without_link": counts.entries_without_link,
        "articles": {**as_json(counts.articles), "total": counts.total},
        "partial": dict(counts.partial),
        "dropped": dict(counts.dropped),
        "quarantined": dict(counts.quarantined),
        "refused": dict(counts.refused),
        "index": {"documents": parts.documents},
        "disk": _disk_json(parts),
        "lag_s": counts.lag_s,
        "oldest_due_s": counts.due.oldest_s,
        "due": {
            **{name: getattr(counts.due, name) for name in ("poll", "fetch", "enrich", "index")},
            "later": counts.due.later + counts.due.held + sum(counts.due.resting.values()),
        },
        "problems": as_json(standing.problems),
    }


def counted_or_none(standing: "Standing") -> "Counts":
    """Give the counts, or nothing counted where the store does not answer."""
    from pipeline.store.status import NO_COUNTS

    return standing.counts or NO_COUNTS


def _disk_json(parts: "Parts") -> dict[str, Any] | None:
    disk = parts.outlook
    if disk is None:
        return None
    days = disk.forecast.days
    return {
        "place": disk.place,
        "free_bytes": disk.free_bytes,
        "full_in_days": None if days is None else round(days, 1),
        "is_known": disk.forecast.is_known,
    }


def status_screen(standing: "Standing", settings: "Settings") -> "Sequence[RenderableType]":
    """Lay out the screen."""
    from rich.text import Text

    counts = counted_or_none(standing)
    sections: list[RenderableType] = [
        Text.assemble(("Wireroom", "bold"), f"  {settings.home}"),
        Text(""),
        columns(facts(standing, settings)),
    ]
    for title, slugs in (
        ("indexed from the feed alone", counts.partial),
        ("dropped", counts.dropped),
        ("quarantined", counts.quarantined),
        ("edits refused; the text before is searched", counts.refused),
    ):
        if slugs:
            sections += [Text(""), Text(title, style="bold"), slug_table(slugs)]
    if standing.problems:
        return [*sections, Text(""), *problem_lines(standing.problems)]
    idle = f", and {NOTHING_RUNS}" if is_idle(standing.parts) else ""
    return [*sections, Text(""), Text.assemble(("✓", "green"), f" no problems{idle}")]


def slug_table(slugs: Mapping[str, int]) -> "RenderableType":
    """List slugs with their counts and what they mean."""
    return columns([(count, slug, MEANING.get(slug, "")) for slug, count in slugs.items()])


def facts(standing: "Standing", settings: "Settings") -> list[tuple[Any, Any]]:
    """List what there is to say of feeds, articles and parts."""
    from rich.text import Text

    parts, counts = standing.parts, standing.counts
    known = "" if parts.documents is None else f", {counted(parts.documents, 'document')}"
    listed = [
        *(_counted_facts(counts) if counts else [("feeds", "unknown"), ("articles", "unknown")]),
        (
            "parts",
            f"store {parts.store}, archive {parts.archive}, "
            f"broker {parts.broker}{_who_runs_it(parts)}, index {parts.index}{known}, disk {parts.disk}",
        ),
        ("disk", disk_line(parts.outlook) if parts.outlook else ""),
        ("logs", str(settings.log_folder) if settings.log_folder.is_dir() else ""),
    ]
    return [(Text(name, style="dim"), value) for name, value in listed if value]


def _who_runs_it(parts: "Parts") -> str:
    return " (`wireroom up` runs it)" if is_idle(parts) else ""


def is_idle(parts: "Parts") -> bool:
    """Tell whether nothing runs: no problem while nothing is due, and yet not what one may take for rest."""
    return parts.broker == "stopped"


def disk_line(disk: "Outlook") -> str:
    """Say how much is free where it will be full first, and when that will be."""
    free, days = f"{disk.free_bytes / 2**30:,.1f} GiB free at {disk.place}", disk.forecast.days
    if not disk.forecast.is_known:
        return f"{free}; when it is full is known after three days"
    return f"{free}, and not filling" if days is None else f"{free}; full in about {lasting(days * DAY_S)}"


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
    """Say what nobody can do now: what waits for a stage that rests, pages to be tried again, and what waits
    for hosts that want a pause."""
    lines = [
        f"{number:,} {'waits' if number == 1 else 'wait'} for {stage}, which rests"
        for stage, number in due.resting.items()
    ]
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


def problem_lines(problems: "Sequence[Problem]") -> "list[RenderableType]":
    """List what is wrong, and what helps."""
    from rich.text import Text

    return [
        Text.assemble(("!", "bold yellow"), f" {problem.text}", (f"  → {problem.do}", "cyan"))
        for problem in problems
    ]
