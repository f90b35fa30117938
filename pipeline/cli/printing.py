"""What is printed: results on stdout, the rest on stderr, nothing by which a feed could steer a terminal."""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline.quoting import STEERING, harmless

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PLAIN_WIDTH = 10_000
"""Columns where no terminal is: lines are as long as what they say, so that grep and cut find it."""

WIDEST = 120
"""Columns of a terminal that are used; longer lines are hard to read."""

_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400


def one_line(text: str) -> str:
    """Make one harmless line."""
    return harmless(" ".join(text.split()))


def note(text: str) -> None:
    """Say one line on stderr."""
    sys.stderr.write(f"wireroom: {one_line(text)}\n")


def is_terminal() -> bool:
    """Tell whether a person sees stdout."""
    return sys.stdout.isatty()


def can_ask() -> bool:
    """Tell whether a person is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def json_line(value: Any) -> None:
    """Print one line of JSON; what a terminal would obey is written as an escape."""
    written = json.dumps(value, ensure_ascii=False, default=str)
    sys.stdout.write(_UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", written) + "\n")


def xml(document: str) -> None:
    """Print XML; what a terminal would obey is written as a character reference."""
    sys.stdout.write(STEERING.sub(lambda match: f"&#x{ord(match[0]):X};", document))


def as_json(record: Any) -> Any:
    """Turn a record into what JSON holds: floats named `…at`, `…since`, `…until` become RFC 3339 in UTC."""
    if is_dataclass(record):
        return {field.name: _json_field(field.name, getattr(record, field.name)) for field in fields(record)}
    if isinstance(record, Mapping):
        return {str(key): as_json(value) for key, value in record.items()}
    if isinstance(record, (list, tuple)):
        return [as_json(each) for each in record]
    return record


def _json_field(name: str, value: Any) -> Any:
    if isinstance(value, float) and name.split("_")[-1] in ("at", "since", "until"):
        return rfc3339(value)
    return as_json(value)


def rfc3339(at: float) -> str:
    """Write a time as RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def local(at: float) -> str:
    """Write a time as the clock on the wall has it, to the minute."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def lasting(seconds: float) -> str:
    """Write a duration in its largest fitting unit: `8 s`, `12 min`, `3 h`, `5 d`."""
    if seconds < 2 * MINUTE_S:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 2 * HOUR_S:
        return f"{seconds / MINUTE_S:.0f} min"
    return f"{seconds / HOUR_S:.0f} h" if seconds < 2 * DAY_S else f"{seconds / DAY_S:.0f} d"


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: `1 feed`, `1,200 feeds`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def screen() -> "Console":
    """Open stdout for tables and colours; plain and unlimited in width where no terminal is."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    console.width = min(console.width, WIDEST) if console.is_terminal else PLAIN_WIDTH
    return console


def show(*renderables: "RenderableType") -> None:
    """Print texts and tables; whatever is in them, nothing steers the terminal but our own colours."""
    from rich.segment import Segment, Segments
    from rich.text import Text

    console = screen()
    for each in renderables:
        lines = console.render(Text(each) if isinstance(each, str) else each)
        segments = [Segment(harmless(segment.text), segment.style) for segment in lines]
        if console.is_terminal:
            console.print(Segments(segments), end="")
        else:
            sys.stdout.write(_without_padding("".join(segment.text for segment in segments)))


def columns(rows: Sequence[Sequence[Any]], heads: Sequence[str] = ()) -> "RenderableType":
    """Lay rows out in columns without lines; numbers stand right."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=bool(heads), header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    width = max((len(row) for row in rows), default=len(heads))
    for place in range(width):
        is_number = all(isinstance(row[place], int) for row in rows if len(row) > place)
        table.add_column(
            heads[place] if heads else "",
            justify="right" if is_number and rows else "left",
            no_wrap=is_number,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(each if isinstance(each, Text) else Text(_cell(each)) for each in row))
    return table


def listing(rows: Sequence[Sequence[Any]], heads: Sequence[str], *, name: str) -> "RenderableType":
    """Lay rows out in columns; where the screen is too narrow for these, each in lines of its own: what its
    `name` column says, then the others that say something, each after its head."""
    from rich.console import Group
    from rich.measure import Measurement

    console, table = screen(), columns(rows, heads)
    natural = Measurement.get(console, console.options.update(width=PLAIN_WIDTH), table)
    if natural.maximum <= console.width:
        return table
    return Group(*(part for row in rows for part in _apart(row, heads, name, console.width)))


INDENT = 2
NOTHING = ("", "0", "-")
"""Cells that are left out where there is no room for columns."""


def _apart(row: Sequence[Any], heads: Sequence[str], name: str, width: int) -> "Iterator[RenderableType]":
    from rich.padding import Padding
    from rich.text import Text

    cells = {head: _cell(value) for head, value in zip(heads, row, strict=True)}
    yield Text(cells.pop(name), overflow="fold")
    lines = [""]
    said = {head: cell for head, cell in cells.items() if cell not in NOTHING}
    for head, cell in said.items():
        pair = cell if cell.startswith(("http://", "https://")) else f"{head}: {cell}"
        longer = f"{lines[-1]}   {pair}".lstrip()
        if len(longer) <= width - INDENT:
            lines[-1] = longer
        else:
            lines.append(pair)
    yield Padding(Text("\n".join(filter(None, lines)), overflow="fold"), (0, 0, 0, INDENT))


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else one_line("" if value is None else str(value))


def _without_padding(text: str) -> str:
    return "".join(line.rstrip() + "\n" for line in text.splitlines())
