"""The transaction that ends a poll: new articles, sightings, edits and the feed's validators, all or nothing.

Validators (ETag, Last-Modified, body hash) are stored with the articles they vouch for, never before them: a
crash in between must make the feed be read again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, select, update

from pipeline.model import FeedState, Request, Stage
from pipeline.store.claimed import FeedClaim
from pipeline.store.events import Happening, record
from pipeline.store.found import FoundEntry, PollCounts, record_entries
from pipeline.store.frame import Change, log_changes
from pipeline.store.ledger import read_before, record_polled
from pipeline.store.store import Store
from pipeline.store.tables import feeds, hosts


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """Hold all that a poll changes of its feed. `None` leaves a validator or a fact as it was."""

    status: int | None
    error: str | None
    detail: str | None
    state: FeedState
    wait_s: float
    interval_s: float
    failures: float
    why: str
    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = None
    title: str | None = None
    site: str | None = None
    language: str | None = None
    entries: int | None = None  # with those that repeat a link or have none; None: no new document
    entries_repeated: int = 0
    entries_without_link: int = 0
    found: tuple[FoundEntry, ...] = ()
    hint_s: float | None = None  # how long the publisher wants no further poll


def record_poll(
    store: Store, claim: FeedClaim, polled: Polled, *, host_delay_s: float, asked: Sequence[Request] = ()
) -> PollCounts | None:
    """Write a poll's outcome and free the feed and its host; None when the lease was no longer ours. `asked`
    are the requests that it took."""
    with store.write() as connection:
        mine = select(feeds.c.id).where(feeds.c.id == claim.id, feeds.c.lease_owner == claim.owner)
        if connection.execute(mine.with_for_update()).first() is None:
            return None
        at = store.read_clock(connection)
        before = read_before(connection, claim)
        counts = record_entries(connection, store, claim, polled.found, at)
        connection.execute(update(feeds).where(feeds.c.id == claim.id).values(_feed_values(polled, at)))
        connection.execute(
            update(hosts)
            .where(hosts.c.host == claim.host, hosts.c.lease_owner == claim.owner)
            .values(lease_owner=None, lease_until=None, next_request_at=at + host_delay_s)
        )
        record(connection, store, [_poll_event(claim, polled, counts)])
        if polled.state is FeedState.GONE:
            gone = select(feeds).where(feeds.c.id == claim.id, feeds.c.state == FeedState.GONE)
            log_changes(connection, store, Change.GONE, connection.execute(gone).all())
        record_polled(
            connection, store, claim, polled, counts, asked, before=before, host_delay_s=host_delay_s
        )
    return counts


def _feed_values(polled: Polled, at: float) -> dict[str, Any]:
    values: dict[str, Any] = {
        "lease_owner": None,
        "lease_until": None,
        "last_polled_at": at,
        "last_status": polled.status,
        "last_error": polled.error,
        "last_error_detail": polled.detail,
        "next_poll_at": at + polled.wait_s,
        "interval_s": polled.interval_s,
        "failures": polled.failures,
        "why": polled.why,
        "state": case((feeds.c.state == FeedState.ACTIVE, polled.state), else_=feeds.c.state),
    }
    if polled.state is not FeedState.ACTIVE:
        values["state_since"] = at
    if polled.error is None:
        values["last_success_at"] = at
    if polled.entries is not None:
        values |= {
            name: getattr(polled, name)
            for name in (
                "etag",
                "last_modified",
                "body_hash",
                "entries",
                "entries_repeated",
                "entries_without_link",
            )
        }
        values |= {name: value for name in ("title", "site", "language") if (value := getattr(polled, name))}
    return values


def _poll_event(claim: FeedClaim, polled: Polled, counts: PollCounts) -> Happening:
    if polled.error:
        return Happening(
            stage=Stage.POLL, outcome="failed", slug=polled.error, detail=polled.detail, feed_id=claim.id
        )
    detail = f"{counts.new} new, {counts.sighted} seen elsewhere, {counts.edited} edited; {polled.why}"
    outcome = "unchanged" if polled.entries is None else "polled"
    return Happening(stage=Stage.POLL, outcome=outcome, detail=detail, feed_id=claim.id)
