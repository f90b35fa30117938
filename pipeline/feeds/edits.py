"""Tell an edit of an entry from a feed that flaps. Pure.

An edit costs its publisher a request, so it must be one: another text than ever before, or a later date of
its own beside the same text.
"""

from collections.abc import Mapping
from dataclasses import dataclass

MAX_EDITS = 24
"""Edits followed for one entry; what changes more often flaps."""

STAMPED_AT_LEAST = 4
"""Entries with new dates and old texts in one poll that, if they are most of a feed, are no edits: it stamps
all anew."""

_PREFIX = 8  # digits kept of an earlier text's hash: enough to tell 24 apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Hold what is known of an entry from the last time that it counted."""

    text_hash: str
    earlier: str = ""  # the beginnings of the hashes of texts that it had before
    edits: int = 0
    updated_at: float | None = None  # None: not known, as it was stored before there was a place for it


@dataclass(frozen=True, slots=True)
class Seen:
    """Hold what a feed shows of an entry now."""

    text_hash: str
    updated_at: float


def edited(before: Mapping[str, Shown], now: Mapping[str, Seen]) -> Mapping[str, Shown]:
    """Choose the entries of one poll that were edited, and say what is to be remembered of each.

    A text that was there before comes back as an edit never: a feed that goes to and fro between two texts is
    followed once. A later date alone counts, unless most of the feed's entries got one in this poll.
    """
    known = {name: (shown, now[name]) for name, shown in before.items() if name in now}
    new_texts = {name for name, (shown, seen) in known.items() if _has_new_text(shown, seen)}
    new_dates = {name for name, (shown, seen) in known.items() if _has_new_date(shown, seen)}
    is_stamped = len(new_dates) >= STAMPED_AT_LEAST and 2 * len(new_dates) > len(known)
    chosen = new_texts if is_stamped else new_texts | new_dates
    return {name: _remembered(*known[name]) for name in sorted(chosen)}


def _has_new_text(shown: Shown, seen: Seen) -> bool:
    is_other = seen.text_hash != shown.text_hash and shown.edits < MAX_EDITS
    return is_other and seen.text_hash[:_PREFIX] not in _prefixes(shown.earlier)


def _has_new_date(shown: Shown, seen: Seen) -> bool:
    is_later = shown.updated_at is not None and seen.updated_at > shown.updated_at
    return is_later and seen.text_hash == shown.text_hash and shown.edits < MAX_EDITS


def _remembered(shown: Shown, seen: Seen) -> Shown:
    is_other = seen.text_hash != shown.text_hash
    return Shown(
        text_hash=seen.text_hash,
        earlier=shown.earlier + (shown.text_hash[:_PREFIX] if is_other else ""),
        edits=shown.edits + 1,
        updated_at=seen.updated_at,
    )


def _prefixes(earlier: str) -> frozenset[str]:
    return frozenset(earlier[start : start + _PREFIX] for start in range(0, len(earlier), _PREFIX))
