"""What a new document says that the one before did not, and the sum of it over many articles. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields

from pipeline.model import Document, Entity

NO_CONTENT = frozenset({"version", "revision", "stamps", "fingerprint"})
"""What may differ though a reader sees nothing new; a fingerprint follows from the text."""

NONE = "none"
"""What a value that is missing is called, in conditions and in reports."""

EXAMPLES = 5
"""Articles named in a report; `trace` and `show` tell of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Hold what differs between two documents of an article; nothing at all when only the stamps do."""

    fields: tuple[str, ...]
    text_source: tuple[str, str] | None
    partial: tuple[str, str] | None
    language: tuple[str, str] | None
    gained: tuple[str, ...]  # entities, as `person Ada Okafor`
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """Name an article and what changed in it."""

    id: str
    url: str
    changes: Changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Sum up the changes of many articles; pairs are written `old → new`."""

    only_stamps: int
    fields: dict[str, int]
    text_source: dict[str, int]
    partial: dict[str, int]
    language: dict[str, int]
    entities_changed: int  # articles
    entities_gained: int
    entities_lost: int
    examples: tuple[Example, ...]


def compare(before: Document, after: Document) -> Changes:
    """Say what differs between an article's document and its next."""
    names = (field.name for field in fields(Document) if field.name not in NO_CONTENT)
    was, now = _named(before.entities), _named(after.entities)
    return Changes(
        fields=tuple(name for name in names if getattr(before, name) != getattr(after, name)),
        text_source=_pair(before.text_source, after.text_source),
        partial=_pair(before.partial, after.partial),
        language=_pair(before.language, after.language),
        gained=tuple(name for key, name in now.items() if key not in was),
        lost=tuple(name for key, name in was.items() if key not in now),
    )


def tally(changed: Iterable[Example]) -> Tally:
    """Sum up what changed; the examples are those that say most."""
    sums: dict[str, Counter[str]] = {name: Counter() for name in ("text_source", "partial", "language")}
    touched: Counter[str] = Counter()
    bare = moved = gained = lost = 0
    best: list[Example] = []
    for each in changed:
        found = each.changes
        touched.update(found.fields)
        for name, counter in sums.items():
            if pair := getattr(found, name):
                counter[" → ".join(pair)] += 1
        bare += not found.fields
        moved += bool(found.gained or found.lost)
        gained, lost = gained + len(found.gained), lost + len(found.lost)
        if found.fields:
            best = sorted([*best, each], key=_weight, reverse=True)[:EXAMPLES]
    return Tally(
        only_stamps=bare,
        fields=dict(touched.most_common()),
        **{name: dict(counter.most_common()) for name, counter in sums.items()},
        entities_changed=moved,
        entities_gained=gained,
        entities_lost=lost,
        examples=tuple(best),
    )


def _weight(example: Example) -> tuple[int, int]:
    found = example.changes
    return sum(map(bool, (found.text_source, found.partial, found.language))), len(found.fields)


def _named(entities: Iterable[Entity]) -> dict[tuple[str, str], str]:
    return {(each.label, each.key): f"{each.label} {each.name}" for each in entities}


def _pair(before: str | None, after: str | None) -> tuple[str, str] | None:
    return None if before == after else (before or NONE, after or NONE)
