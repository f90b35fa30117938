"""`wireroom reindex …`: a new generation of the index from the store, proved before it is searched."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.opening import existing_services, settings
from pipeline.cli.options import Json
from pipeline.cli.printing import columns, counted, json_line, lasting, note, rfc3339, show
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.indexing.laps import Progress
    from pipeline.services import Services
    from pipeline.settings import Settings
    from pipeline.store.generations import Generation

FEW = 10
"""Differences shown; `--json` and the proof in the store name a hundred of each kind."""

PLAIN_EVERY_S = 5.0
"""Seconds between two lines of progress where stderr is no terminal."""

MOST_PROCESSES = 4
"""By default. Each takes some 100 MB, and what runs in a container sees the processors of all its host."""

DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what would happen; change nothing.")]
Rate = Annotated[
    float | None, typer.Option("--rate", min=1, help="Documents a second at most.", show_default=False)
]
Keep = Annotated[int, typer.Option("--keep", min=0, help="Earlier generations to keep, to go back to.")]
Processes = Annotated[
    int | None,
    typer.Option("--processes", min=1, max=64, help="Processes that write.", show_default=False),
]


def reindex(
    context: typer.Context,
    dry_run: DryRun = False,
    rate: Rate = None,
    keep: Keep = 1,
    processes: Processes = None,
    json: Json = False,
) -> None:
    """Build the index anew from the store, beside the one that is searched; prove it; exchange the two."""
    if context.invoked_subcommand is not None:
        return
    from pipeline.indexing.rebuild import rebuild

    chosen = settings()
    number = _processes(chosen, processes)
    with existing_services(chosen) as services, _progress() as report:
        if dry_run:
            _show_plan(services, keep=keep, json=json)
            return
        _finish(
            services,
            rebuild(services, processes=number, rate=rate, keep=keep, report=report),
            json=json,
        )


def reindex_rollback(keep: Keep = 1, processes: Processes = None, json: Json = False) -> None:
    """Go back to the generation before, brought up to date and proved first."""
    from pipeline.indexing.rebuild import roll_back

    chosen = settings()
    number = _processes(chosen, processes)
    with existing_services(chosen) as services, _progress() as report:
        _finish(services, roll_back(services, processes=number, keep=keep, report=report), json=json)


def reindex_status(json: Json = False) -> None:
    """Show the generations of the index, how far a rebuild is, and the last proof."""
    from pipeline.store.generations import read_generations
    from pipeline.store.projections import count_documents

    with existing_services(settings()) as services:
        found = read_generations(services.store)
        due = count_documents(services.store)
        exposed = services.generations.exposed()
    rows = [{**_row(each), "searched": each.name == exposed, "of": due} for each in found]
    if json:
        for row in rows:
            json_line(row)
        return
    heads = ("generation", "state", "made", "documents", "")
    show(
        columns([_status_row(row) for row in rows], heads) if rows else "no generation yet: run `wireroom up`"
    )


def _row(found: "Generation") -> dict[str, Any]:
    return {
        "generation": found.name,
        "state": found.state,
        "created_at": rfc3339(found.created_at),
        "mapping": found.mapping,
        "documents": found.documents,
        "running": found.is_held,
        "progress": found.progress,
        "proof": found.proof,
    }


def _status_row(row: Mapping[str, Any]) -> tuple[Any, ...]:
    told = []
    if row["progress"] and row["running"]:
        told.append(_progress_line(row["progress"]))
    elif row["running"]:
        told.append("being built")
    elif row["state"] == "building" and not row["proof"]:
        told.append("its builder ended; `wireroom reindex` goes on")
    if row["proof"]:
        told.append("proved equal" if row["proof"]["ok"] else "failed its proof; `--json` names why")
    state = f"{row['state']}, searched" if row["searched"] else row["state"]
    return row["generation"], state, row["created_at"], row["documents"], "; ".join(told)


def _show_plan(services: "Services", *, keep: int, json: bool) -> None:
    from pipeline.indexing.rebuild import plan

    planned = plan(services, keep=keep)
    if json:
        json_line(planned)
        return
    begun = planned["goes_on_with"]
    show(
        f"would {'go on with ' + begun if begun else 'build a new generation'}:"
        f" {counted(planned['due'], 'document')} to write of {planned['documents']:,}"
    )
    if planned["cleans"]:
        show(f"would first delete {planned['cleans']}, which failed its proof or was made by other fields")
    for name in planned["deletes"]:
        show(f"would delete {name} afterwards")


def _finish(services: "Services", proof: Any, *, json: bool) -> None:
    from pipeline.indexing.proof import proof_json
    from pipeline.indexing.rebuild import keep_answers

    proof = keep_answers(services, proof)
    written = {**proof_json(proof), "at": rfc3339(proof.at)}
    if json:
        json_line(written)
    else:
        show(*_proof_lines(written))
    if not proof.ok:
        raise typer.Exit(1)


def _proof_lines(proof: Mapping[str, Any]) -> Iterator[str]:
    kinds = ("missing", "extra", "version_differs", "content_differs")
    yield f"generation {proof['generation']}, {counted(proof['documents'], 'document')} at {proof['at']}"
    yield f"sha256 {proof['sha256']} over every id, version and content, read back"
    yield "  ".join(f"{kind.replace('_', ' ')}: {proof[kind]['count']:,}" for kind in kinds)
    yield (
        f"{proof['written']:,} written in {lasting(proof['took_s'])}; index waited {proof['pause_s']:.1f} s"
        f" ({proof['put_in_pause']:,} put, {proof['hashed_in_pause']:,} read back in it)"
    )
    yield from _compared(proof["report"])
    if proof["ok"]:
        yield "equal: it is searched now"
        return
    for kind in (*kinds, "rejected"):
        for each in proof[kind]["named"][:FEW]:
            yield f"  {kind.replace('_', ' ')}: {_named(each)}"
    yield "not equal: the generation before is searched as ever; `wireroom reindex` begins anew"


def _named(each: Any) -> str:
    if not isinstance(each, dict):
        return str(each)
    told = {key: value for key, value in each.items() if key != "id"}
    shown = (f"{key} {', '.join(value) if isinstance(value, list) else value}" for key, value in told.items())
    return f"{each['id']} ({'; '.join(shown)})"


def _compared(report: Mapping[str, Any]) -> Iterator[str]:
    tops = [each for each in report.get("top_ten", {}).values() if "old" in each]
    if tops:
        same = sum(each["old"] == each["new"] for each in tops)
        yield f"the ten first hits of {same} of {len(tops)} queries are as they were"


def _processes(chosen: "Settings", wanted: int | None) -> int:
    import os

    from pipeline.services import most_writers

    most = most_writers(chosen)
    if wanted is not None and most is not None and wanted > most:
        raise UsageError(f"--processes {wanted}: the embedded index has one writer")
    return wanted or most or min(MOST_PROCESSES, max(1, (os.cpu_count() or 1) // 2))


@contextmanager
def _progress() -> "Iterator[Callable[[Progress], None]]":
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.live import Live

        with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
            yield lambda progress: live.update(_line(progress), refresh=True)
        return
    said_at = 0.0

    def say(progress: "Progress") -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= PLAIN_EVERY_S or progress.total == 1:
            said_at = time.monotonic()
            note(_line(progress))

    yield say


def _line(progress: "Progress") -> str:
    counts = {"done": progress.done, "total": progress.total, "per_s": progress.per_s}
    return _progress_line({"phase": progress.phase, **counts, "left_s": progress.left_s})


def _progress_line(progress: Mapping[str, Any]) -> str:
    if progress["total"] == 1:
        return str(progress["phase"])
    left = "" if progress["left_s"] is None else f", {lasting(progress['left_s'])} left"
    return (
        f"{progress['phase']} {progress['done']:,} of {progress['total']:,}, {progress['per_s']:,.0f}/s{left}"
    )
