"""Options that several commands share."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one line each.")]
Urls = Annotated[list[str], typer.Argument(metavar="URL…", show_default=False)]
Targets = Annotated[list[str], typer.Argument(metavar="ID|URL…", show_default=False)]


def read_tags(written: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read `+politics,-sport,news` as tags to add and tags to take away."""
    parts = [part.strip() for part in written.split(",") if part.strip("+- ")]
    added = tuple(part.removeprefix("+") for part in parts if not part.startswith("-"))
    return added, tuple(part.removeprefix("-") for part in parts if part.startswith("-"))
