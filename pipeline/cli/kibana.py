"""`wireroom kibana`: data views, dashboards and saved searches for Kibana."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote, urlsplit, urlunsplit

import typer

from pipeline.cli.opening import settings
from pipeline.cli.printing import counted, note, show
from pipeline.errors import UsageError, WireroomError

if TYPE_CHECKING:
    from kibana.installing import Target
    from pipeline.settings import Settings

Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here, not to stdout.")
]
Url = Annotated[str | None, typer.Option(help="Kibana's address; default: WIREROOM_KIBANA_URL.")]
Space = Annotated[str, typer.Option(help="A space of Kibana that exists.")]


def export_kibana(output: Output = None) -> None:
    """Print all saved objects as NDJSON, which Kibana's Saved Objects page imports."""
    from kibana.bundle import export, saved_objects

    if output is None:
        typer.echo(export(), nl=False)
        return
    try:
        if output.is_file() and not _is_export(output):
            raise UsageError(f"{output} is no earlier export of `wireroom kibana export`: name another file")
        output.write_text(export(), "utf-8")
    except OSError as error:
        raise WireroomError(f"{output} cannot be written: {error.strerror}") from None
    note(f"{counted(len(saved_objects()), 'object')} in {output}")


def _is_export(path: Path) -> bool:
    with path.open("rb") as lines:
        return all(map(_is_ours, lines))


def _is_ours(line: bytes) -> bool:
    """Tell whether a line is a saved object of Wireroom's, or the sum at the end of an export."""
    try:
        exported = json.loads(line)
    except (ValueError, RecursionError):
        return False
    match exported:
        case {"id": str(id)}:
            return id.startswith("wireroom-")
        case {"exportedCount": _}:
            return True
    return False


def install_kibana(url: Url = None, space: Space = "") -> None:
    """Put all saved objects into Kibana, over those of the version before."""
    from kibana.installing import install

    target = read_target(settings(), url, space)
    installed = install(target)
    where = f"{target.url}/s/{space}" if space else target.url
    show(f"{counted(installed.objects, 'object')} in Kibana {installed.version}: {where}/app/dashboards")


def read_target(settings: "Settings", url: str | None, space: str) -> "Target":
    """Put address and credentials together. Raises UsageError for a secret that everybody could see."""
    from kibana.installing import Target

    if url and urlsplit(url).username:
        raise UsageError(
            "everybody on the machine can read a command line: put user and password into WIREROOM_KIBANA_URL"
        )
    kept, parts = urlsplit(settings.kibana_url), urlsplit((url or settings.kibana_url).rstrip("/"))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("name Kibana's address, as --url http://localhost:5601 or in WIREROOM_KIBANA_URL")
    if not all(each.isalnum() or each in "-_" for each in space):
        raise UsageError(f"{space!r} is no name of a space: those have small letters, digits, - and _")
    host = parts.netloc.rpartition("@")[2]
    is_same = (kept.scheme, kept.netloc.rpartition("@")[2]) == (parts.scheme, host)
    return Target(
        url=urlunsplit((parts.scheme, host, parts.path, "", "")),
        space=space,
        user=unquote(kept.username or "")
        if is_same
        else "",  # a password is for the host that it stands with
        password=unquote(kept.password or "") if is_same else "",
        api_key=settings.kibana_api_key,
        ca_file=Path(settings.kibana_ca) if settings.kibana_ca else None,
    )
