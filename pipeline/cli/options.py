"""Options that several commands share."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one line each.")]
Urls = Annotated[list[str], typer.Argument(metavar="URL…", show_default=False)]
Targets = Annotated[list[str], typer.Argument(metavar="ID|URL…", show_default=False)]
