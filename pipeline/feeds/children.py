"""Follow the sitemaps that an index lists: which of them a poll asks, in which order, and what waits. Pure.

An index is asked first, then so many of its sitemaps, each in a turn of its own and with its own validators.
What a poll does not come to is asked by the next ones.
"""

from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from pipeline.model import ListedSitemap

CHILDREN_A_POLL = 12
"""Sitemaps asked in one poll of an index: with two seconds between two requests it takes half a minute."""

LONGEST_WAITING = 2
"""Of these the places of those that wait for longest, so that others that change all the time starve none."""

DEPTH = 2  # indexes in an index; the protocol allows none (sitemaps.org)
MOVING_S = 2 * 86_400.0
"""A sitemap of news lists the articles of two days, as Google asks, and changes under one date if that has no
hours: those that changed so shortly before the newest are asked at every poll."""

RETRY_S = 3_600.0  # before a sitemap that failed is asked again, doubled with each failure in a row
LONGEST_RETRY_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """Hold a sitemap of an index, with what one answer of it said. Times are seconds since the epoch."""

    id: int
    url: str
    depth: int  # 1: the feed's own index lists it
    changed_at: float | None  # as its index says
    read_changed_at: float | None  # as its index said when it was read
    read_at: float | None
    asked_at: float | None
    brought_at: float | None  # when it was read and had changed
    not_before: float | None
    failures: int
    last_error: str | None
    etag: str | None
    last_modified: str | None
    body_hash: str | None
    validators_from: str | None  # the address that was asked for them, as it was written
    shown: bytes | None  # digests of its entries
    shown_entries: int

    @property
    def is_unread(self) -> bool:
        """Tell whether it changed, by what its index says, since it was read; or never was read."""
        if self.changed_at is None:
            return self.read_at is None
        return self.changed_at != self.read_changed_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Hold the sitemaps that a poll asks, in order, and how many that changed are left to the next ones."""

    children: tuple[Child, ...]
    waiting: int


def choose(children: Sequence[Child], *, now: float, room: int = CHILDREN_A_POLL) -> Choice:
    """Choose the sitemaps that a poll asks: those that changed, newest first, then those that may have.

    The last places are for those of them that wait for longest.
    """
    due = [child for child in _due(children, now) if child.not_before is None or child.not_before <= now]
    ordered = sorted(due, key=lambda child: _place(child, now))
    if len(ordered) > room:
        first, rest = ordered[: max(0, room - LONGEST_WAITING)], ordered[max(0, room - LONGEST_WAITING) :]
        rest.sort(key=lambda child: (not child.is_unread, child.asked_at or 0.0, child.changed_at or 0.0))
        ordered = first + rest
    left = ordered[room:]
    return Choice(children=tuple(ordered[:room]), waiting=sum(child.is_unread for child in left))


def read_before(listed: Sequence[ListedSitemap], *, now: float) -> frozenset[str]:
    """Tell which sitemaps of an index that is read for the first time are taken for read: the older ones, as
    a first poll of any feed brings what it shows, and not its past."""
    since = _moving_since(listed, now)
    return frozenset(each.url for each in listed if each.changed_at is not None and each.changed_at < since)


def _moving_since(dated: Sequence[Child] | Sequence[ListedSitemap], now: float) -> float:
    """Tell since when a change counts as one of the newest. Nothing changed in the future: one such date
    would make all others old."""
    changed = (min(each.changed_at, now) for each in dated if each.changed_at is not None)
    return max(changed, default=0.0) - MOVING_S


def _due(children: Sequence[Child], now: float) -> list[Child]:
    since = _moving_since(children, now)
    return [
        child
        for child in children
        if child.is_unread or child.changed_at is None or child.changed_at >= since
    ]


def _place(child: Child, now: float) -> tuple[bool, bool, float, int]:
    """Sort what failed last, and before it what is as it was when it was read."""
    if child.is_unread:
        return child.failures > 0, False, -(child.changed_at or 0.0), child.id
    return child.failures > 0, True, -_likelihood(child, now), child.id


def _likelihood(child: Child, now: float) -> float:
    """Tell how likely a sitemap has changed: by how much of the time since its last change nobody looked."""
    quiet_s = now - (child.brought_at or 0.0)
    return (now - (child.asked_at or 0.0)) / quiet_s if quiet_s > 0 else 1.0


def retry_wait(failures: int) -> float:
    """Tell how many seconds a sitemap is left alone after so many failures in a row."""
    return float(min(RETRY_S * 2 ** min(failures - 1, 16), LONGEST_RETRY_S))


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Hold how far a poll of an index has come: which sitemap it asks now, and what those before brought."""

    child: int  # its id
    left: tuple[tuple[int, str], ...] = ()  # those after it: ids and addresses
    waiting: int = 0  # that changed and are left to the next polls
    asked: int = 0
    read: int = 0  # of these, with a usable answer
    new: int = 0
    entries: int = 0
    entries_repeated: int = 0
    entries_without_link: int = 0

    def packed(self) -> dict[str, Any]:
        """Write it as JSON has it."""
        return asdict(self)

    def only(self, ids: Container[int]) -> Self:
        """Leave out of what is still to be asked all but these."""
        return replace(self, left=tuple(each for each in self.left if each[0] in ids))

    def then(self, more: Choice) -> Self:
        """Ask these, too, at the end."""
        added = tuple((child.id, child.url) for child in more.children)
        return replace(self, left=self.left + added, waiting=self.waiting + more.waiting)


def unpacked(written: dict[str, Any]) -> Round:
    """Read what `Round.packed` wrote."""
    return Round(**{**written, "left": tuple((id, url) for id, url in written["left"])})


def begin(choice: Choice) -> tuple[str, Round] | None:
    """Begin with the first of the chosen: its address and the round; None when nothing is chosen."""
    if not choice.children:
        return None
    first, *rest = ((child.id, child.url) for child in choice.children)
    return first[1], Round(child=first[0], left=tuple(rest), waiting=choice.waiting)


def go_on(round: Round) -> tuple[str, Round] | None:
    """Go on with the next sitemap of a round; None at its end."""
    if not round.left:
        return None
    (id, url), *rest = round.left
    return url, replace(round, child=id, left=tuple(rest))
