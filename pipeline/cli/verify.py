"""`wireroom verify`: store, index and archive asked whether they say the same."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.opening import existing_services, settings
from pipeline.cli.options import Json
from pipeline.cli.printing import counted, json_line, note, one_line, show

if TYPE_CHECKING:
    from pipeline.store.soundness import Fault
    from pipeline.verifying.whole import Verdict

NAMED, FEW = 100, 3
"""Ids named of one fault with `--json`, and on the screen."""

SAMPLE = 200
"""Pages and contents hashed by default: a fault in one of a hundred is seen in seven of eight runs."""


def verify(
    repair: Annotated[bool, typer.Option("--repair", help="Mend what is safe to mend.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Hash every page and every content.")] = False,
    json: Json = False,
) -> None:
    """Check store, index and archive against each other; exit 1 when something is wrong."""
    from pipeline.verifying.whole import repair as mend
    from pipeline.verifying.whole import verify as check

    with existing_services(settings()) as services:
        verdict = check(services, sample=None if every else SAMPLE, report=_report)
        if repair:
            verdict = mend(services, verdict)
    if json:
        json_line(verdict_json(verdict, repaired=repair))
    else:
        _tell(verdict, repaired=repair)
    if any(not (repair and fault.is_mendable) for fault in verdict.faults):
        raise typer.Exit(1)


def _report(what: str) -> None:
    if sys.stderr.isatty():
        note(f"looking at {what}")


def verdict_json(verdict: "Verdict", *, repaired: bool) -> dict[str, Any]:
    """Render a verdict; of each fault a hundred ids at most."""
    return {
        "ok": not verdict.faults,
        "checked": dict(verdict.checked),
        "problems": [
            {
                "slug": fault.slug,
                "text": fault.text,
                "do": fault.do,
                "count": len(fault.ids),
                "named": list(fault.ids[:NAMED]),
                "mended": repaired and fault.is_mendable,
            }
            for fault in verdict.faults
        ],
    }


def _tell(verdict: "Verdict", *, repaired: bool) -> None:
    show(*(_line(fault, is_mended=repaired and fault.is_mendable) for fault in verdict.faults))
    checked = verdict.checked
    lacking = checked["documents"] - checked["indexed"]
    waiting = f", {lacking:,} to be indexed" if lacking > 0 else ""
    pages = counted(checked["pages_hashed"], "page")
    said = (
        f"{counted(checked['articles'], 'article')}, {counted(checked['indexed'], 'document')} in the index "
        f"({checked['contents_hashed']:,} hashed{waiting}), {pages} read back"
    )
    if not verdict.faults:
        show(f"all is well: {said}")
        return
    note(f"looked at {said}")
    if repaired and any(fault.is_mendable for fault in verdict.faults):
        note("what was made due is done by `wireroom up`; then look again")


def _line(fault: "Fault", *, is_mended: bool) -> str:
    more = f" and {len(fault.ids) - FEW:,} more" if len(fault.ids) > FEW else ""
    named = f" ({', '.join(fault.ids[:FEW])}{more})" if fault.ids else ""
    count = f"{len(fault.ids):,} × " if fault.ids else ""
    return one_line(f"{fault.slug}: {count}{fault.text}{named}; {'mended' if is_mended else fault.do}")
