"""The columns of an export: a contract. Names are those of a hit in `search --json`; none is renamed, new
ones are added at the end."""

import csv
import difflib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.errors import UsageError

COLUMNS = (
    "id", "version", "url", "title", "outlet", "outlet_name", "published_at", "published_source",
    "published_precision", "first_seen_at", "language", "text_source", "partial", "entities.person",
    "entities.organization", "entities.place", "authors", "tags", "feeds",
)  # fmt: skip

SEPARATOR = "|"
"""Between the values of one cell. Names hold commas and semicolons, hardly ever this."""

FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")
"""What makes a spreadsheet compute a cell instead of showing it (OWASP, CSV injection; the wide ones in Asian
versions); an apostrophe before it stops that."""


_UNSEEN = re.compile(r"^[\s\ufffd\u00ad\u200b-\u200f\u2060-\u2064\ufeff]+")
"""Characters without a width, and the one for what was taken out: some programs drop them before they look at
what a cell begins with."""


def read_columns(written: str) -> tuple[str, ...]:
    """Read a list of columns as written; an empty one means all. Raises UsageError."""
    names = [name.strip() for name in written.split(",") if name.strip()]
    chosen = dict.fromkeys(column for name in names for column in _columns(name))
    return tuple(chosen) or COLUMNS


def _columns(name: str) -> Sequence[str]:
    found = [column for column in COLUMNS if column == name or column.startswith(f"{name}.")]
    if found:
        return found
    near = difflib.get_close_matches(name, COLUMNS, n=1)
    fix = f"did you mean {near[0]}?" if near else f"fields are {', '.join(COLUMNS)}"
    raise UsageError(f"there is no field {name!r}; {fix}")


def select_columns(hit: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """Keep of a hit as JSON the chosen columns, in their order; `entities.person` stays inside `entities`."""
    chosen: dict[str, Any] = {}
    for column in columns:
        group, _, name = column.partition(".")
        if name:
            chosen.setdefault(group, {})[name] = hit[group][name]
        else:
            chosen[column] = hit[column]
    return chosen


def csv_row(hit: Mapping[str, Any], columns: Sequence[str], *, clean: Callable[[str], str]) -> str:
    """Write a hit as one record of CSV (RFC 4180), with its line end; `clean` makes each value one line."""
    return _record([_cell(_value(hit, column), clean) for column in columns])


def csv_head(columns: Sequence[str]) -> str:
    """Write the names of the columns as the first record of CSV."""
    return _record(columns)


def _value(hit: Mapping[str, Any], column: str) -> Any:
    group, _, name = column.partition(".")
    return hit[group][name] if name else hit[column]


def _cell(value: Any, clean: Callable[[str], str]) -> str | int:
    if isinstance(value, int):
        return value
    values = value if isinstance(value, list) else [] if value is None else [value]
    text = SEPARATOR.join(clean(each) for each in values)
    return f"'{text}" if _UNSEEN.sub("", text).startswith(FORMULA_STARTS) else text


def _record(cells: Sequence[str | int]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()
