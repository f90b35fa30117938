"""The ledger of polls: each is counted, by feed and day, in the transaction that records what it brought."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, bindparam, select

from pipeline.fetching.pacing import LONGEST_PAUSE_S
from pipeline.model import Request
from pipeline.store.claimed import FeedClaim
from pipeline.store.claims import due_feed
from pipeline.store.days import DAY_S, day_of, split_by_day
from pipeline.store.found import FoundEntry, PollCounts
from pipeline.store.ledger_tables import feed_days, feed_marks, nothing
from pipeline.store.politeness import (
    NO_HINTS,
    NOT_MODIFIED,
    Hints,
    record_requests,
    was_kept,
)
from pipeline.store.store import Moment, Store, insert_adding, insert_over
from pipeline.store.tables import feeds, hosts

if TYPE_CHECKING:
    from pipeline.store.polled import Polled

LATE_S = 60.0
"""A poll may begin so long after it was due and its host free: ticks and shifts take seconds. What is more
counts as our own downtime, all of it."""

OLDEST_DAYS = 400
"""Days back to which downtime is written down, should a feed not have been asked for longer."""

KEPT_KEYS = 1_024
"""Of a document's keys, the smallest so many, eight kilobytes: all of a document of 512 entries, most of a
long sitemap. Longer ones that overlap share small keys most often, but where not, nobody can tell."""

KEY_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """Hold what was known of a feed before its poll."""

    due_at: float  # from then on it was to be polled, and its host might be asked
    free_at: float  # from then on its host might be asked
    shown: bytes  # digests of the entries of its last document
    entries: int  # of that document
    hint_until: float | None


def read_before(connection: Connection, claim: FeedClaim) -> Before:
    """Read what a poll is compared with, before its results are written."""
    found = connection.execute(_before(), {"feed_id": claim.id}).first()
    if found is None:  # removed meanwhile: its lease is gone as well
        return Before(due_at=math.inf, free_at=math.inf, shown=b"", entries=0, hint_until=None)
    free_at = found.next_request_at or 0.0
    return Before(
        due_at=max(found.next_poll_at, free_at),
        free_at=free_at,
        shown=found.shown or b"",
        entries=found.shown_entries or 0,
        hint_until=found.hint_until,
    )


@cache
def _before() -> Select[Any]:
    marks = (feed_marks.c.shown, feed_marks.c.shown_entries, feed_marks.c.hint_until)
    return (
        select(feeds.c.next_poll_at, hosts.c.next_request_at, *marks)
        .outerjoin_from(feeds, hosts, hosts.c.host == feeds.c.host)
        .outerjoin(feed_marks, feed_marks.c.feed_id == feeds.c.id)
        .where(feeds.c.id == bindparam("feed_id"))
    )


def record_polled(
    connection: Connection,
    store: Store,
    claim: FeedClaim,
    polled: "Polled",
    counts: PollCounts,
    asked: Sequence[Request],
    *,
    moment: Moment,
    before: Before,
    host_delay_s: float,
) -> None:
    """Count a poll and its requests: the last thing of its transaction, as `record_requests` is."""
    at, began = moment.now, _began(asked, moment)
    keys = entry_keys(polled.found)
    row = _poll_row(claim, polled, counts, asked, at) | _gap(before, keys, len(polled.found))
    _add_days(connection, row, _down(connection, store, claim, before, began))
    insert_over(
        connection, feed_marks, _next_marks(claim, before, keys, len(polled.found), _wish(polled, asked, at))
    )
    record_requests(
        connection, moment, asked, delay_s=host_delay_s, hints=_kept(before, began), host=claim.host
    )


def record_led_on(
    connection: Connection,
    store: Store,
    claim: FeedClaim,
    asked: Sequence[Request],
    counts: PollCounts,
    found: Sequence[FoundEntry],
    *,
    moment: Moment,
    before: Before,
    host_delay_s: float,
) -> None:
    """Count what a part of a poll took and brought that leads on to another address, and how late it began:
    the poll itself is counted when it ends. The last thing of its transaction."""
    row = nothing(feed_days) | {
        "feed_id": claim.id,
        "day": day_of(moment.now),
        "entries": counts.new + counts.sighted,
        "edited": counts.edited,
        "bytes": sum(each.bytes for each in asked),
        **_gap(before, entry_keys(found), len(found)),
    }
    _add_days(connection, row, _down(connection, store, claim, before, _began(asked, moment)))
    record_requests(connection, moment, asked, delay_s=host_delay_s, host=claim.host)


def _down(
    connection: Connection, store: Store, claim: FeedClaim, before: Before, began: float
) -> Mapping[int, Sequence[tuple[int, float]]]:
    """Tell how late a feed is by days, and with it the others of its host."""
    down = {claim.id: down_days(before.due_at, began)}
    if down[claim.id]:  # it is the first of its host's feeds that are due: no other is later
        down |= _late_beside(connection, store, claim.host, free_at=before.free_at, began=began)
    return down


def _began(asked: Sequence[Request], moment: Moment) -> float:
    return moment.at(asked[0].began) if asked else moment.now


def _poll_row(
    claim: FeedClaim, polled: "Polled", counts: PollCounts, asked: Sequence[Request], at: float
) -> dict[str, Any]:
    is_failed = polled.error is not None
    return nothing(feed_days) | {
        "feed_id": claim.id,
        "day": day_of(at),
        "polls": 1,
        "failed": int(is_failed),
        "not_modified": int(polled.status == NOT_MODIFIED),
        "unchanged": int(not is_failed and polled.entries is None and polled.status != NOT_MODIFIED),
        "entries": counts.new + counts.sighted,
        "edited": counts.edited,
        "bytes": sum(request.bytes for request in asked),
    }


def count_crashed_poll(store: Store, claim: FeedClaim, asked: Sequence[Request]) -> None:
    """Count a poll that Wireroom itself failed at, and its requests."""
    with store.write() as connection:
        moment = store.read_moment(connection)
        row = {"feed_id": claim.id, "day": day_of(moment.now), "polls": 1, "failed": 1}
        insert_adding(connection, feed_days, [nothing(feed_days) | row])
        record_requests(connection, moment, asked)


def entry_keys(found: Sequence[FoundEntry]) -> frozenset[bytes]:
    """Digest what entries go by, their links and their guids."""
    links = (f"link {each.url_key}" for each in found)
    guids = (f"guid {each.entry.guid}" for each in found if each.entry.guid)
    return frozenset(_digest(key) for key in (*links, *guids))


def shown_keys(keys: Collection[bytes]) -> bytes:
    """Give the digests of a document's entries as they are kept: the smallest, in order."""
    return b"".join(sorted(keys)[:KEPT_KEYS])


def _digest(key: str) -> bytes:
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


def _gap(before: Before, keys: frozenset[bytes], entries: int) -> dict[str, int]:
    """Tell whether a document shares no entry with the one before it; the first one has none before it."""
    if not entries or not before.entries:
        return {}
    starts = range(0, len(before.shown), KEY_BYTES)
    if keys & {before.shown[start : start + KEY_BYTES] for start in starts}:
        return {}
    cannot_tell = 1 in (entries, before.entries) or len(starts) == KEPT_KEYS
    return {"gaps_untold" if cannot_tell else "gaps": 1}


def _wish(polled: "Polled", asked: Sequence[Request], at: float) -> float | None:
    """Tell until when the publisher wants no poll; a pause for the whole host is in the host's ledger."""
    if not polled.asked_s or any(request.pause_s for request in asked):
        return None
    return at + min(polled.asked_s, LONGEST_PAUSE_S)


def _next_marks(
    claim: FeedClaim, before: Before, keys: frozenset[bytes], entries: int, until: float | None
) -> list[dict[str, Any]]:
    """Give what the next poll is compared with; nothing, if it is what it was."""
    shown = shown_keys(keys) if entries else before.shown
    entries = entries or before.entries
    if (shown, entries, until) == (before.shown, before.entries, before.hint_until):
        return []
    return [{"feed_id": claim.id, "shown": shown, "shown_entries": entries, "hint_until": until}]


def _kept(before: Before, began: float) -> Hints:
    if before.hint_until is None:
        return NO_HINTS
    return Hints(given=1, kept=int(was_kept(before.hint_until, began)))


def down_days(due_at: float, began: float) -> list[tuple[int, float]]:
    """Split into days how much later than it was due a poll began; a minute is no delay."""
    if began - due_at < LATE_S:
        return []
    return list(split_by_day(max(due_at, began - OLDEST_DAYS * DAY_S), began))


def record_late(
    connection: Connection, store: Store, moment: Moment, host: str, asked: Sequence[Request]
) -> None:
    """Write down how late the feeds of a host are when it is asked for pages, before its next time is set."""
    mine = [moment.at(request.began) for request in asked if request.host == host]
    free_at = connection.execute(select(hosts.c.next_request_at).where(hosts.c.host == host)).scalar()
    began = min(mine, default=0.0)
    if mine and free_at is not None and began - free_at >= LATE_S:
        late = _late_beside(connection, store, host, free_at=free_at, began=began)
        insert_adding(connection, feed_days, _down_rows(late))


def _late_beside(
    connection: Connection, store: Store, host: str, *, free_at: float, began: float
) -> dict[int, list[tuple[int, float]]]:
    """Tell how late the waiting feeds of a host were when it was asked again. From then on it is busy with
    our own requests, so that nobody could tell any more."""
    query = select(feeds.c.id, feeds.c.next_poll_at).where(feeds.c.host == host, due_feed(store.now()))
    return {row.id: down_days(max(row.next_poll_at, free_at), began) for row in connection.execute(query)}


def _down_rows(down: Mapping[int, Sequence[tuple[int, float]]]) -> list[dict[str, Any]]:
    """Make the rows of downtime, in the order of their keys."""
    return [
        nothing(feed_days) | {"feed_id": feed_id, "day": day, "down_s": seconds}
        for feed_id, days in sorted(down.items())
        for day, seconds in days
    ]


def _add_days(
    connection: Connection, row: dict[str, Any], down: Mapping[int, Sequence[tuple[int, float]]]
) -> None:
    rows = {(each["feed_id"], each["day"]): each for each in _down_rows(down)}
    key = (row["feed_id"], row["day"])
    rows[key] = row | {"down_s": rows[key]["down_s"] if key in rows else 0.0}
    insert_adding(connection, feed_days, [rows[key] for key in sorted(rows)])
