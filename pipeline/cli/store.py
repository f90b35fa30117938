"""`wireroom store copy`: the road from the laptop to a server."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.opening import existing_store, is_store_absent, settings
from pipeline.cli.options import Json
from pipeline.cli.printing import as_json, columns, counted, json_line, note, show
from pipeline.errors import UsageError, WireroomError

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from pipeline.store.copying import TableProof
    from pipeline.store.store import Store

SHOWN_DIGITS = 16
"""Of a SHA-256, as a person compares them; `--json` has all."""


def copy(
    to: Annotated[str, typer.Option(help="The other store: postgresql://… or sqlite:///FILE.")],
    json: Json = False,
) -> None:
    """Copy the store into another one, and prove that both say the same; run again, it goes on."""
    from pipeline.store.copying import copy_store

    chosen, target = settings(), _target(to)
    if target.sql_url == chosen.sql_url:
        raise UsageError("--to names the store that would be copied")
    with _resting_store(chosen) as source, _opened(target) as opened:
        proof = copy_store(source, opened, report=_report)
    for each in proof if json else ():
        json_line({**as_json(each), "equal": each.is_equal})
    if not json:
        show(columns([_line(each) for each in proof], ("table", "rows", "sha256", "there", "sha256", "")))
    different = [each.table for each in proof if not each.is_equal]
    if different:
        raise WireroomError(f"the stores differ in {', '.join(different)}: name an empty database")
    note(f"now copy the folder {chosen.archive_folder}, and let the other store be WIREROOM_STORE_URL; "
         "its index is filled from its documents")  # fmt: skip


def _target(url: str) -> "Settings":
    from pipeline.errors import SettingsError
    from pipeline.masking import mask_url
    from pipeline.settings import EMBEDDED, read_settings

    if mask_url(url) != url:
        raise UsageError(
            "everybody on the machine can read a command line: put the password into PGPASSWORD or ~/.pgpass"
        )
    if url == EMBEDDED:
        raise UsageError("--to: name a server or a file, as postgresql://… or sqlite:///FILE")
    try:
        return read_settings({"WIREROOM_STORE_URL": url})
    except SettingsError as error:
        raise UsageError(str(error).replace("WIREROOM_STORE_URL=", "--to ", 1)) from None


@contextmanager
def _resting_store(chosen: "Settings") -> "Iterator[Store]":
    """Open the store while nobody works on it: an embedded one's home is held, old leases are freed."""
    from pipeline.settings import EMBEDDED
    from pipeline.store.leases import free_all
    from workers.home_lock import hold_home

    is_embedded = chosen.store_url == EMBEDDED
    if is_embedded and is_store_absent(chosen):
        raise WireroomError(f"there is no store in {chosen.home} to copy")
    with hold_home(chosen.home) if is_embedded else nullcontext(), existing_store(chosen) as store:
        if is_embedded:
            free_all(store)
        yield store


@contextmanager
def _opened(target: "Settings") -> "Iterator[Store]":
    from sqlalchemy.exc import ArgumentError

    from pipeline.store.store import open_store

    try:
        store = open_store(target.sql_url)
    except (ArgumentError, ValueError):
        raise UsageError("--to is no address: write postgresql://user@host/database") from None
    try:
        yield store
    finally:
        store.close()


def _report(table: str, written: int) -> None:
    note(f"{table}: {counted(written, 'row')} written")


def _line(proof: "TableProof") -> tuple[object, ...]:
    here, there = proof.source, proof.target
    return (
        proof.table,
        here.rows,
        here.sha256[:SHOWN_DIGITS],
        there.rows,
        there.sha256[:SHOWN_DIGITS],
        "equal" if proof.is_equal else "DIFFERENT",
    )
