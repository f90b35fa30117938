"""Options that several commands share."""

import re
from typing import Annotated

import typer

from pipeline.cli.addresses import address

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one line each.")]
Urls = Annotated[list[str], typer.Argument(metavar="URL…", parser=address, show_default=False)]
Written = Annotated[list[str], typer.Argument(metavar="URL…", show_default=False)]  # tried in each spelling
Targets = Annotated[list[str], typer.Argument(metavar="ID|URL…", parser=address, show_default=False)]


_COMMA = re.compile(r"(?<!\\),")


def read_tags(written: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read `+politics,-sport,news` as tags to add and tags to take away; `\\,` is a comma of a tag's own."""
    split = (part.replace(r"\,", ",").strip() for part in _COMMA.split(written))
    parts = [part for part in split if part.strip("+- ")]
    added = tuple(part.removeprefix("+") for part in parts if not part.startswith("-"))
    return added, tuple(part.removeprefix("-") for part in parts if part.startswith("-"))
