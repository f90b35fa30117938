"""The transaction that ends a poll: new articles, sightings, edits and the feed's validators, all or nothing.

Validators (ETag, Last-Modified, body hash) are those of one answer, together. They are stored with the
articles they vouch for, never before them: a crash in between must make the feed be read again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Text, bindparam, case, update

from pipeline.feeds.children import Round
from pipeline.feeds.moves import STAYING, Moving, has_moved
from pipeline.identity import host_of
from pipeline.model import FeedKind, FeedState, Request, Stage
from pipeline.store.children import Reading, write_reading
from pipeline.store.claimed import FeedClaim
from pipeline.store.events import Happening, record
from pipeline.store.found import FoundEntry, PollCounts, record_entries
from pipeline.store.frame import Change, log_change
from pipeline.store.leases import at_home, end_turn
from pipeline.store.ledger import (
    Before,
    entry_keys,
    read_before,
    record_led_on,
    record_polled,
    shown_keys,
)
from pipeline.store.moves import move
from pipeline.store.politeness import record_requests
from pipeline.store.store import Store, insert_new
from pipeline.store.tables import feeds, hosts

# Built once: a poll that meets nothing new is most of them, and building took a third of its time.
END_POLL = (
    update(feeds)
    .where(feeds.c.id == bindparam("feed_id"), feeds.c.lease_owner == bindparam("owner"))
    .values(
        lease_owner=None,
        lease_until=None,
        # Paused by a person while it was asked: it stays so.
        state=case(
            (feeds.c.state == FeedState.ACTIVE, bindparam("asked_state", type_=Text)), else_=feeds.c.state
        ),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """Hold what one answer said of its body, together; None: it did not."""

    etag: str | None
    last_modified: str | None
    body_hash: str
    given_by: str  # the address that was asked, as it was written


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """Hold all that a poll changes of its feed. `None` leaves a fact as it was."""

    status: int | None
    error: str | None
    detail: str | None
    state: FeedState
    wait_s: float
    interval_s: float
    failures: float
    why: str
    asked_s: float | None = None  # how long its publisher asks to be left alone
    failing_since: float | None = None  # before this poll
    host_pause_s: float = 0.0
    moving: Moving = STAYING
    is_healthy: bool = False  # then the hints below are all that there are
    hints: dict[str, object] | None = None
    rhythm: list[float] | None = None
    validators: Validators | None = None
    kind: FeedKind | None = None
    reading: Reading | None = None  # of a sitemap of an index, to which validators and digests belong then
    title: str | None = None
    site: str | None = None
    language: str | None = None
    entries: int | None = None  # with those that repeat a link or have none; None: no new document
    entries_repeated: int = 0
    entries_without_link: int = 0
    found: tuple[FoundEntry, ...] = ()


def record_poll(
    store: Store, claim: FeedClaim, polled: Polled, *, host_delay_s: float, asked: Sequence[Request] = ()
) -> PollCounts | None:
    """Write a poll's outcome and free the feed and its host. `asked` are the requests that it took.

    None when the feed's lease was no longer ours: then its host alone is freed, and the requests are counted.
    """
    with store.write() as connection:
        moment = store.read_moment(connection)
        at = moment.now
        before = _before(connection, claim, polled)
        pause_s = max(host_delay_s, polled.host_pause_s)
        if not _end_poll(connection, claim, _feed_values(polled, at)):
            end_turn(connection, claim.host, claim.owner, next_request_at=at + pause_s)
            record_requests(connection, moment, asked, delay_s=host_delay_s, host=claim.host)
            return None
        counts = PollCounts()
        if polled.found:
            counts = record_entries(connection, store, claim, polled.found, at)
        _write_reading(connection, polled, at)
        _change_subscription(connection, store, claim, polled, at)
        end_turn(connection, claim.host, claim.owner, next_request_at=at + pause_s)
        record(connection, store, [_poll_event(claim, polled, counts)])
        record_polled(
            connection,
            store,
            claim,
            polled,
            counts,
            asked,
            moment=moment,
            before=before,
            host_delay_s=host_delay_s,
        )
    return counts


def _change_subscription(
    connection: Connection, store: Store, claim: FeedClaim, polled: Polled, at: float
) -> None:
    """Give a feed that has moved its new address; log that, or that it is gone."""
    if has_moved(polled.moving, at):
        moved = move(connection, store, claim, str(polled.moving.to), at, why=polled.why)
        connection.execute(update(feeds).where(feeds.c.id == claim.id).values(moved))
        if "url" in moved:
            log_change(connection, store, Change.MOVED, claim.id)
    if polled.state is FeedState.GONE:
        log_change(connection, store, Change.GONE, claim.id)


def record_hop(
    store: Store,
    claim: FeedClaim,
    *,
    to: str,
    temporary: bool,
    host_delay_s: float,
    asked: Sequence[Request] = (),
) -> None:
    """Leave a redirect to the turn of the host that it leads to; `asked` is the request that it answered."""
    way = {
        "hops": claim.hops + 1,
        "hop_was_temporary": claim.hop_was_temporary or temporary,
        "round": claim.round,
    }
    _lead_on(store, claim, to, way, None, host_delay_s=host_delay_s, asked=asked)


def record_part(
    store: Store,
    claim: FeedClaim,
    polled: Polled,
    *,
    onward: tuple[str, Round],
    host_delay_s: float,
    asked: Sequence[Request] = (),
) -> PollCounts | None:
    """Write down what a part of a poll brought, an index of sitemaps or one of these, and leave the rest to
    the turn of the next one's host; None as `record_poll`."""
    to, round = onward
    way = {**_told_values(polled), "hops": 0, "hop_was_temporary": True, "round": round.packed()}
    return _lead_on(store, claim, to, way, polled, host_delay_s=host_delay_s, asked=asked)


def _lead_on(
    store: Store,
    claim: FeedClaim,
    to: str,
    way: dict[str, Any],
    part: Polled | None,
    *,
    host_delay_s: float,
    asked: Sequence[Request],
) -> PollCounts | None:
    """Give a feed to the turn of the host of its next address, with what this one brought."""
    with store.write() as connection:
        moment = store.read_moment(connection)
        at = moment.now
        before = _before(connection, claim, part)
        ours = _end_poll(connection, claim, {**_onward(connection, to, at), **way})
        end_turn(connection, claim.host, claim.owner, next_request_at=at + host_delay_s)
        if not ours:
            record_requests(connection, moment, asked, delay_s=host_delay_s, host=claim.host)
            return None
        counts = _record_part(connection, store, claim, part, at) if part else PollCounts()
        found = part.found if part else ()
        record_led_on(
            connection,
            store,
            claim,
            asked,
            counts,
            found,
            moment=moment,
            before=before,
            host_delay_s=host_delay_s,
        )
    return counts


def _onward(connection: Connection, to: str, at: float) -> dict[str, Any]:
    insert_new(connection, hosts, [{"host": host_of(to)}])
    return {"asked_state": FeedState.ACTIVE, "next_poll_at": at, "next_url": to, "host": host_of(to)}


def _record_part(
    connection: Connection, store: Store, claim: FeedClaim, part: Polled, at: float
) -> PollCounts:
    counts = record_entries(connection, store, claim, part.found, at) if part.found else PollCounts()
    _write_reading(connection, part, at)
    if part.reading:
        record(connection, store, [_part_event(claim, part.reading, counts)])
    return counts


def _end_poll(connection: Connection, claim: FeedClaim, values: dict[str, Any]) -> bool:
    """Write a feed's new values and free its lease; False when that was no longer ours."""
    mine = {"feed_id": claim.id, "owner": claim.owner}
    return connection.execute(END_POLL, {**at_home(claim), **values, **mine}).rowcount == 1


def _feed_values(polled: Polled, at: float) -> dict[str, Any]:
    values: dict[str, Any] = {
        "asked_state": polled.state,
        "last_polled_at": at,
        "last_status": polled.status,
        "last_error": polled.error,
        "last_error_detail": polled.detail,
        "next_poll_at": at + polled.wait_s,
        "not_before": None if polled.asked_s is None else at + polled.asked_s,
        "interval_s": polled.interval_s,
        "failures": polled.failures,
        "failing_since": (at if polled.failing_since is None else polled.failing_since)
        if polled.error
        else None,
        "why": polled.why,
    }
    if polled.state is not FeedState.ACTIVE:
        values["state_since"] = at
    if polled.error is None:
        values["last_success_at"] = at
    return values | _told_values(polled)


def _told_values(polled: Polled) -> dict[str, Any]:
    """Give what an answer says of its feed, whether or not the poll ends with it."""
    values: dict[str, Any] = {
        "moving_to": polled.moving.to,
        "moving_seen": polled.moving.seen,
        "moving_since": polled.moving.since,
    }
    if polled.is_healthy:
        values["hints"] = polled.hints
    if polled.kind:
        values["kind"] = polled.kind
    if polled.validators and polled.reading is None:
        values |= _validator_values(polled.validators)
    return values | _document_values(polled)


def _validator_values(given: Validators) -> dict[str, Any]:
    return {
        "etag": given.etag,
        "last_modified": given.last_modified,
        "body_hash": given.body_hash,
        "validators_from": given.given_by,
    }


def _document_values(polled: Polled) -> dict[str, Any]:
    if polled.entries is None:
        return {}
    counted = ("entries", "entries_repeated", "entries_without_link")
    told = {
        name: value for name in ("title", "site", "language", "rhythm") if (value := getattr(polled, name))
    }
    return {name: getattr(polled, name) for name in counted} | told


def _before(connection: Connection, claim: FeedClaim, polled: Polled | None) -> Before:
    """Read what a poll is compared with: of a sitemap of an index, its own last document."""
    before = read_before(connection, claim)
    if polled is None or polled.reading is None:
        return before
    child = polled.reading.child
    return replace(before, shown=child.shown or b"", entries=child.shown_entries)


def _write_reading(connection: Connection, polled: Polled, at: float) -> None:
    if polled.reading:
        document = _validator_values(polled.validators) if polled.validators else {}
        if polled.found:
            document |= {"shown": shown_keys(entry_keys(polled.found)), "shown_entries": len(polled.found)}
        write_reading(connection, polled.reading, document, at)


def _part_event(claim: FeedClaim, reading: Reading, counts: PollCounts) -> Happening:
    if reading.error:
        return Happening(
            stage=Stage.POLL,
            outcome="failed",
            slug=reading.error,
            detail=reading.child.url,
            feed_id=claim.id,
        )
    detail = f"{_counted(counts)}; sitemap {reading.child.url}"
    outcome = "polled" if reading.is_new else "unchanged"
    return Happening(stage=Stage.POLL, outcome=outcome, detail=detail, feed_id=claim.id)


def _counted(counts: PollCounts) -> str:
    return f"{counts.new} new, {counts.sighted} seen elsewhere, {counts.edited} edited"


def _poll_event(claim: FeedClaim, polled: Polled, counts: PollCounts) -> Happening:
    if polled.error:
        return Happening(
            stage=Stage.POLL, outcome="failed", slug=polled.error, detail=polled.detail, feed_id=claim.id
        )
    detail = f"{_counted(counts)}; {polled.why}"
    outcome = "unchanged" if polled.entries is None else "polled"
    return Happening(stage=Stage.POLL, outcome=outcome, detail=detail, feed_id=claim.id)
