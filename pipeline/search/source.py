"""Make a typed query fit for Lucene's grammar, and keep track of the columns.

Addresses and times hold colons, which the grammar reads as fields; an apostrophe cannot begin a word there;
people paste typographic quotation marks. All that is mended here, before parsing.
"""

import re
from dataclasses import dataclass

SHOWN = 40  # characters of the query that an error repeats

STRAIGHT_QUOTES = str.maketrans("“”„‟«»", '""""""')
AWKWARD = re.compile(
    r"""  (?P<quoted>"(?:[^\\"]|\\.)*"?)
      | (?P<field>\w+:)? (?P<address>https?://[^\s"\\]+)
      | (?P<time>\d{4}-\d{2}-\d{2}T\d{2}:[\d:.]+(?:Z|[+-]\d{2}:\d{2})?)
      | (?<![^\s(:+-]) (?P<apostrophe>')
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Source:
    """Hold a query as the grammar reads it, and where characters were put in that nobody typed."""

    text: str
    inserted: tuple[tuple[int, int], ...]  # position in `text`, how many characters

    def column(self, position: int) -> int:
        """Return the column of the typed query, counted from 1, for a position in `text`."""
        return position + 1 - sum(length for at, length in self.inserted if at < position)


def prepare(text: str) -> Source:
    """Quote the addresses and times of a typed query; an address without a field becomes one of `url:`."""
    pieces: list[str] = []
    inserted: list[tuple[int, int]] = []
    written = done = 0
    for match in AWKWARD.finditer(text.translate(STRAIGHT_QUOTES)):
        before, kept, after = _mended(match)
        typed = text[done : match.start()] + (match["field"] or "")
        inserted += [(written + len(typed), len(before)), (written + len(typed + before + kept), len(after))]
        pieces += [typed, before, kept, after]
        written += len(typed + before + kept + after)
        done = match.start() + len(match["field"] or "") + len(kept)
    return Source("".join([*pieces, text[done:]]), tuple(inserted))


def _mended(match: re.Match[str]) -> tuple[str, str, str]:
    """Say what to write before, for and after an awkward piece; the middle is as long as what was typed."""
    if match["apostrophe"]:
        return "", " ", ""
    if match["time"]:
        return '"', match["time"], '"'
    if match["address"]:
        return '"' if match["field"] else 'url:"', _without_closing(match["address"]), '"'
    return "", match[0], ""


def _without_closing(address: str) -> str:
    """Leave off the parentheses that close a group of the query and not one of the address."""
    while address.endswith(")") and address.count(")") > address.count("("):
        address = address[:-1]
    return address


def shown(text: str) -> str:
    """Quote a piece of a query inside an error: one line, printable, cut."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return f"“{line[:SHOWN]}{'…' if len(line) > SHOWN else ''}”"
