"""`wireroom reprocess …`: read stored pages again with newer extractors and models."""

import re
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.opening import existing_services, existing_store, settings
from pipeline.cli.options import Json
from pipeline.cli.printing import as_json, counted, json_line, lasting, note, one_line, rfc3339, show
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.reprocessing.changes import Changes, Example, Tally
    from pipeline.services import Services
    from pipeline.store.reruns import Reprocessing
    from pipeline.store.store import Store

RATE = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(?:/([sm]))?")
SECONDS = {"s": 1.0, "m": 60.0}

LOOK_S = 1.0
"""Seconds between two looks at a run that is waited for."""

FEW_NAMES = 4
"""Entities named of an example; `show` has them all."""

NONE: list[str] = []
WHICH = "say which articles: --where 'stamps!=current', or --where 'first_seen>=1970' for all of them"
NO_RUN = "nothing was reprocessed yet: `wireroom reprocess --where …`"

Where = Annotated[
    list[str],
    typer.Option(
        "--where", metavar="KEY=VALUE", help="Which articles; several must all hold.", show_default=False
    ),
]
RateOf = Annotated[
    str | None,
    typer.Option(
        "--rate", metavar="N[/s|/m]", help="Articles a second or minute at most.", show_default=False
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count the articles; change nothing.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it has ended; Ctrl-C leaves it going.")]


def reprocess(
    context: typer.Context,
    where: Where = NONE,
    rate: RateOf = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Read stored pages again, when nothing newer is to be read: each article gets a new version or stays."""
    if context.invoked_subcommand is not None:
        return
    from pipeline.store.reruns import begin

    per_s = _read_rate(rate)
    if not where:
        raise UsageError(WHICH)
    with existing_services(settings()) as services:
        ids, conditions = _choose(services, where)
        if ids and not dry_run:
            begin(services.store, ids, conditions=conditions, rate=per_s)
    if json:
        queued = 0 if dry_run else len(ids)
        json_line({"where": conditions, "rate_per_s": per_s, "chosen": len(ids), "queued": queued})
    else:
        show(f"{counted(len(ids), 'article')} {'would be read again' if dry_run else 'queued'}")
    if ids and not dry_run:
        note("`wireroom up` or its workers read them; `wireroom reprocess status` tells how far they are")


def reprocess_status(wait: Wait = False, json: Json = False) -> None:
    """Show how far the run is, and what changed; once it has ended, the last run."""
    from pipeline.store.reruns import read_reprocessing

    with existing_store(settings()) as store:
        if wait:
            _wait(store)
        run = read_reprocessing(store)
        told = _read_tally(store)
    if run is None:
        note(NO_RUN)
    elif json:
        json_line(_run_json(run, told))
    else:
        show(*_run_lines(run), *_tally_lines(told))


def reprocess_stop() -> None:
    """Take what is queued out of the queue; what was read again stays."""
    from pipeline.store.reruns import stop

    with existing_store(settings()) as store:
        show(f"{counted(stop(store), 'article')} taken out of the queue")


def _read_rate(written: str | None) -> float | None:
    if written is None:
        return None
    form = RATE.fullmatch(written.strip())
    if form is None or not float(form[1]):
        raise UsageError(f"--rate {written}: write a number a second or minute, as in 5/s or 30/m")
    return float(form[1]) / SECONDS[form[2] or "s"]


def _choose(services: "Services", where: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    from pipeline.reprocessing.choosing import CurrentStamps, choose
    from pipeline.reprocessing.where import read_where
    from pipeline.store.reruns import read_indexed

    conditions = read_where(where, now=time.time(), stamps=CurrentStamps(services))
    return choose(read_indexed(services.store), conditions), [each.written for each in conditions]


def _wait(store: "Store") -> None:
    from pipeline.store.reruns import read_reprocessing

    while (run := read_reprocessing(store)) is not None and run.left:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{_progress(run)}")
            sys.stderr.flush()
        time.sleep(LOOK_S)
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")


def _read_tally(store: "Store") -> "Tally":
    from pipeline.reprocessing.changes import Changes, Example, tally
    from pipeline.store.reruns import read_changes

    return tally(Example(id, url, Changes(**found)) for id, url, found in read_changes(store))


def _run_json(run: "Reprocessing", told: "Tally") -> dict[str, Any]:
    return {
        "where": run.conditions,
        "rate_per_s": run.rate,
        "begun_at": rfc3339(run.begun_at),
        "ended_at": None if run.ended_at is None else rfc3339(run.ended_at),
        "chosen": run.chosen,
        "left": run.left,
        "changed": run.changed,
        "unchanged": run.unchanged,
        "failed": sum(run.failed.values()),
        "failures": run.failed,
        "removed": run.removed,
        "per_s": round(run.per_s, 3),
        "left_s": None if run.left_s is None else round(run.left_s),
        "changes": as_json(told),
    }


def _run_lines(run: "Reprocessing") -> Iterator[str]:
    yield f"where {' and '.join(run.conditions)}"
    if run.left:
        yield _progress(run)
    else:
        yield f"ended at {rfc3339(run.ended_at or run.begun_at)}: {counted(run.chosen, 'article')}"
    yield f"{run.changed:,} changed, {run.unchanged:,} unchanged, {sum(run.failed.values()):,} failed"
    for slug, number in run.failed.items():
        yield f"  {number:,} failed: {slug}; what stood before stands"
    if run.removed:
        yield f"  {run.removed:,} removed meanwhile"


def _progress(run: "Reprocessing") -> str:
    done = run.chosen - run.left
    left = f", {lasting(run.left_s)} left" if run.left_s is not None else ""
    pace = f", {run.per_s:.1f}/s{left}" if run.per_s else "; nothing moves: `wireroom up` runs it"
    return f"read again: {done:,} of {run.chosen:,}{pace}"


def _tally_lines(told: "Tally") -> Iterator[str]:
    if told.only_stamps:
        yield f"in {told.only_stamps:,} only the versions of what read them"
    if told.fields:
        yield "changed: " + ", ".join(f"{name} {number:,}" for name, number in told.fields.items())
    for name in ("text_source", "partial", "language"):
        for pair, number in getattr(told, name).items():
            yield f"  {name} {pair}: {number:,}"
    if told.entities_changed:
        yield (
            f"  entities: {told.entities_gained:,} gained, {told.entities_lost:,} lost,"
            f" in {counted(told.entities_changed, 'article')}"
        )
    for each in told.examples:
        yield from _example_lines(each)


def _example_lines(example: "Example") -> Iterator[str]:
    yield one_line(example.url)
    found: Changes = example.changes
    pairs = [("text_source", found.text_source), ("partial", found.partial), ("language", found.language)]
    said = [f"{name} {' → '.join(pair)}" for name, pair in pairs if pair]
    said += [
        f"{sign}{name}"
        for sign, names in (("+", found.gained), ("-", found.lost))
        for name in names[:FEW_NAMES]
    ]
    yield "  " + one_line("; ".join(said) or ", ".join(found.fields))
