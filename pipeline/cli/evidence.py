"""`wireroom evidence`: what an editor or a court asks for, in one file."""

import io
import json
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.addresses import address
from pipeline.cli.articles import document_json
from pipeline.cli.opening import existing_store, settings
from pipeline.cli.options import Json
from pipeline.cli.printing import PLAIN_WIDTH, as_json, counted, json_line, note, show
from pipeline.cli.trace import find_requests, find_trace, standing_line, trace_json, trace_screen
from pipeline.errors import UsageError, WireroomError

if TYPE_CHECKING:
    from pipeline.archive.finding import Answer
    from pipeline.evidence.contents import Kept
    from pipeline.evidence.revisions import History
    from pipeline.model import Document
    from pipeline.store.enriched import SeenEntry
    from pipeline.store.tracing import Trace


def evidence(
    target: Annotated[str, typer.Argument(metavar="ID|URL", parser=address, show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The ZIP file to write.")],
    json: Json = False,
) -> None:
    """Pack what is known of an article: records, digests, revisions with their differences, its trace."""
    from pipeline.evidence.contents import take_answers, unnamed_pages
    from pipeline.evidence.revisions import read_history
    from pipeline.store.enriched import read_document, read_sightings

    if output.exists():
        raise UsageError(f"{output} is there already, and may be what somebody's digest is of: name another")
    folder = settings().archive_folder
    with existing_store(settings()) as store:
        found = find_trace(store, target)
        seen, document = read_sightings(store, found.id), read_document(store, found.id)
    answers = find_requests(folder, found)
    unnamed = unnamed_pages(answers, found.pages)
    kept = take_answers(folder, sorted([*answers, *unnamed], key=lambda each: each.at))
    history = read_history(folder, found.pages, document)
    digest = _write(output, found, kept, history, _told(found, answers, seen, document))
    counts = {"answers": len(kept), "revisions": len(history.revisions), "unread": len(history.unread)}
    if json:
        json_line({"file": str(output), "sha256": digest, "id": found.id, "url": found.url, **counts})
    else:
        had = sum(each.fault is None for each in kept)
        of = f"{had} of {counted(len(kept), 'answer')}" if had < len(kept) else counted(had, "answer")
        said = f"{of}, {counted(len(history.revisions), 'revision')}"
        show(f"{output}: {said}", f"sha256 {digest}")
    _warn(found, kept, history, unnamed)


def _warn(found: "Trace", kept: "Sequence[Kept]", history: "History", unnamed: "Sequence[Answer]") -> None:
    from pipeline.outcomes import Reason

    if found.reason == Reason.REMOVED:
        note("removed: its pages and texts are gone, its address and its steps are left")
    for fault in (*history.unread, *(each.fault for each in kept if each.fault is not None)):
        note(f"not to be had: {fault}")
    places = {each.position for each in unnamed}
    if lost := sum(each.fault is None and each.answer.position in places for each in kept):
        note(f"{counted(lost, 'page')} not named by the archive's indexes: other answers may be missing here")


def _write(
    output: Path, found: "Trace", kept: "Sequence[Kept]", history: "History", told: Mapping[str, bytes]
) -> str:
    from pipeline.evidence.bag import write_bag
    from pipeline.evidence.contents import payload, readme

    at, by = time.time(), version("wireroom")
    files = {**payload(kept, history), **told}
    explained = readme(found.url, standing_line(found), kept, history, files=files, packed_at=at, version=by)
    tags = {"README.txt": explained.encode()}
    try:
        return write_bag(output, f"wireroom-evidence-{found.id}", files, tags, at)
    except OSError as error:
        raise WireroomError(f"{output} cannot be written: {error.strerror}") from None


def _told(
    found: "Trace", answers: "Sequence[Answer]", seen: "Sequence[SeenEntry]", document: "Document | None"
) -> Mapping[str, bytes]:
    """Lay out the files that are made of what the store says."""
    files = {
        "trace.json": _written(trace_json(found, answers)),
        "trace.txt": _rendered(trace_screen(found, answers)).encode(),
        "feeds.json": _written([as_json(each) for each in seen]),
    }
    return {**files, "document.json": _written(document_json(document))} if document else files


def _written(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str).encode("utf-8", "replace")


def _rendered(renderables: Sequence[Any]) -> str:
    from rich.console import Console

    console = Console(file=io.StringIO(), width=PLAIN_WIDTH, highlight=False, markup=False, emoji=False)
    for each in renderables:
        console.print(each)
    written = console.file
    assert isinstance(written, io.StringIO)
    return "".join(line.rstrip() + "\n" for line in written.getvalue().splitlines())
