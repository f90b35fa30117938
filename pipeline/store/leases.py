"""Leases: who holds a row, how it is given back or finished, how what the dead held is freed.

Whoever finishes a row must still own its lease, in the same WHERE. `attempts` grows with the claim, so that a
row whose worker died shows it; finishing a row sets it back to 0.
"""

import os
import secrets
import socket
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    FromClause,
    Select,
    Table,
    Update,
    bindparam,
    case,
    false,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.sql.elements import ColumnElement

from pipeline.identity import host_of
from pipeline.model import Stage, State
from pipeline.outcomes import Cause, FeedSlug, Reason
from pipeline.store.claimed import ArticleClaim, FeedClaim
from pipeline.store.events import Happening, record
from pipeline.store.store import Store, claimable
from pipeline.store.tables import articles, feeds, hosts

FREED = {"lease_owner": None, "lease_until": None, "attempts": 0, "rerun": False}

LEASE_S = 120.0
"""Longer than the slowest batch: a host's turn (2 s and one request of 30 s), four articles of 20 s each."""

END_TURN = (  # built once: polls end one each
    update(hosts)
    .where(hosts.c.host == bindparam("name"), hosts.c.lease_owner == bindparam("owner"))
    .values(lease_owner=None, lease_until=None)
)

BACK_OFF_S = 1.0
"""The wait after a first crashed attempt; it grows with the square of the attempts."""


def new_owner(stage: Stage | str) -> str:
    """Name a claimant, machine:pid:stage:nonce, so that others on its machine can see whether it lives."""
    return f"{machine()}:{os.getpid()}:{stage}:{secrets.token_hex(4)}"


def machine() -> str:
    """Name where process numbers mean what they mean here: a running kernel and its PID namespace.

    Host names do not tell: machines made from one image, and containers on the host's network, share theirs,
    and would take each other's workers for dead. Elsewhere than on Linux the host name must do.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()}/{boot}-{namespace}"


def free(table: FromClause, now: ColumnElement[float]) -> ColumnElement[bool]:
    """Say in SQL that nobody holds a row."""
    return or_(table.c.lease_until.is_(None), table.c.lease_until <= now)


def lease(
    connection: Connection,
    store: Store,
    table: Table,
    keys: Sequence[Any],
    owner: str,
) -> None:
    """Lease the rows with these primary keys; a scaled clock does not shorten it."""
    if keys:
        connection.execute(
            _leasing(table, store.now(), LEASE_S * store.clock.factor), {"keys": keys, "owner": owner}
        )


@cache
def _leasing(table: Table, now: ColumnElement[float], lasting_s: float) -> Update:
    values: dict[str, Any] = {"lease_owner": bindparam("owner"), "lease_until": now + lasting_s}
    if table is articles:
        # A fetch sees the page as it is now; what comes after it sees the newest sightings.
        fetches = articles.c.stage == Stage.FETCH
        # A re-run may end without a document: then the sightings are yet to be written down.
        keeps = or_(fetches, articles.c.rerun)
        values |= {
            "attempts": articles.c.attempts + 1,
            "touched": case((keeps, articles.c.touched), else_=false()),
            "refetch_at": case((fetches, None), else_=articles.c.refetch_at),
        }
    (key,) = table.primary_key
    return update(table).where(key.in_(bindparam("keys", expanding=True))).values(**values)


def finish(connection: Connection, claim: ArticleClaim, values: dict[str, Any]) -> bool:
    """Write an article's next state and free its lease; False when the lease was no longer ours."""
    mine = (articles.c.id == claim.id, articles.c.lease_owner == claim.owner)
    return connection.execute(update(articles).where(*mine).values(**FREED, **values)).rowcount == 1


def finish_all(
    connection: Connection, claims: Sequence[ArticleClaim], values: dict[str, Any]
) -> frozenset[str]:
    """Finish articles of one claim alike, in one statement; return the ids of those that were still ours."""
    if not claims:
        return frozenset()
    mine = (articles.c.id.in_([claim.id for claim in claims]), articles.c.lease_owner == claims[0].owner)
    statement = update(articles).where(*mine).values(**FREED, **values)
    return frozenset(connection.execute(statement.returning(articles.c.id)).scalars())


def rested(now: ColumnElement[float]) -> dict[str, Any]:
    """Give the values with which an indexed article rests, unless a feed showed it or its page is to be
    asked for: index and fetch see to that first."""
    touched, again = articles.c.touched, articles.c.refetch_at.is_not(None)
    return {
        "stage": case((touched, Stage.INDEX), (again, Stage.FETCH), else_=None),
        "due_at": case((touched, now), (again, articles.c.refetch_at), else_=None),
        "refetch_at": case((touched, articles.c.refetch_at), else_=None),
    }


def refused(
    claim: ArticleClaim, cause: Cause, detail: str | None, now: ColumnElement[float]
) -> dict[str, Any]:
    """Give the values with which an article ends that cannot be had. One that is indexed stays so, in the
    version before, and says why: an edit that cannot be read takes no text away."""
    told = {"reason": cause, "detail": detail}
    if claim.state is State.INDEXED:
        return {**rested(now), **told}
    return {"state": State.QUARANTINED, "stage": None, "due_at": None, **told}


def lock_articles(connection: Connection, ids: Collection[str]) -> frozenset[str]:
    """Lock articles in the order of their ids, as whoever changes several in one transaction must: two that
    lock the same ones in different orders wait for each other (SQLite has one lock for all). Return those
    that a person removed, meanwhile, too: of these nothing is written down any more."""
    if connection.dialect.name == "sqlite" or not ids:
        return frozenset()
    mine = select(articles.c.id, articles.c.reason).where(articles.c.id.in_(ids)).order_by(articles.c.id)
    rows = connection.execute(mine.with_for_update(key_share=True))
    return frozenset(row.id for row in rows if row.reason == Reason.REMOVED)


def release(store: Store, claims: Sequence[ArticleClaim], *, delay_s: float = 0.0) -> None:
    """Give articles back untried, due after a delay; what is no longer owned is left alone."""
    if claims:
        with store.write() as connection:
            give_back(connection, store, claims, delay_s=delay_s)


def give_back(
    connection: Connection, store: Store, claims: Sequence[ArticleClaim], *, delay_s: float
) -> None:
    """Give articles back inside a transaction, as `release` does."""
    if not claims:
        return
    statement = (
        update(articles)
        .where(articles.c.id == bindparam("row_id"), articles.c.lease_owner == bindparam("owner"))
        .values(
            lease_owner=None,
            lease_until=None,
            attempts=articles.c.attempts - 1,
            touched=or_(articles.c.touched, bindparam("was_touched")),
            due_at=store.now() + delay_s,
        )
    )
    lock_articles(connection, [each.id for each in claims])
    rows = [{"row_id": each.id, "owner": each.owner, "was_touched": each.touched} for each in claims]
    connection.execute(statement, rows)


def blame(store: Store, claim: ArticleClaim, stage: Stage, *, detail: str) -> None:
    """Give an article back after a failed attempt: it is tried again, alone, after a back-off."""
    with store.write() as connection:
        now = store.now()
        mine = (articles.c.id == claim.id, articles.c.lease_owner == claim.owner)
        values = {"lease_owner": None, "lease_until": None, "due_at": now + BACK_OFF_S * claim.attempts**2}
        connection.execute(update(articles).where(*mine).values(**values))
        record(
            connection, store, [Happening(stage=stage, outcome="failed", detail=detail, article_id=claim.id)]
        )


def release_feed(store: Store, claim: FeedClaim, *, delay_s: float) -> None:
    """Give a feed back unpolled; its host may be asked again after the delay."""
    with store.write() as connection:
        _end_feed(connection, store, claim, {}, delay_s=delay_s)


def postpone_feed(store: Store, claim: FeedClaim, *, until: float, why: str) -> None:
    """Give a feed back unasked, to be asked at a later moment (seconds since the epoch)."""
    with store.write() as connection:
        _end_feed(connection, store, claim, {"next_poll_at": until, "why": why}, delay_s=0.0)


def blame_feed(store: Store, claim: FeedClaim, *, detail: str, wait_s: float, host_delay_s: float) -> None:
    """Give a feed back after a fault of ours: it is asked again after the wait, other feeds of its host after
    the host's own pause."""
    with store.write() as connection:
        at = store.now()
        values = {
            "last_polled_at": at,
            "last_error": FeedSlug.STAGE_CRASHED,
            "last_error_detail": detail,
            "failures": claim.failures + 1,
            "failing_since": at if claim.failing_since is None else claim.failing_since,
            "next_poll_at": at + wait_s,
            "why": "Wireroom itself failed on it",
            **at_home(claim),
        }
        if _end_feed(connection, store, claim, values, delay_s=host_delay_s):
            slug = FeedSlug.STAGE_CRASHED
            failed = Happening(stage=Stage.POLL, outcome="failed", slug=slug, detail=detail, feed_id=claim.id)
            record(connection, store, [failed])


def at_home(claim: FeedClaim) -> dict[str, Any]:
    """Give the values with which a feed's next poll begins at its own address."""
    host = claim.host if claim.next_url is None else host_of(claim.url)
    here = {"next_url": None, "hops": 0, "hop_was_temporary": False, "round": None}
    return {"host": host, "forced": False, **here}


def _end_feed(
    connection: Connection, store: Store, claim: FeedClaim, values: dict[str, Any], *, delay_s: float
) -> bool:
    freed: dict[str, Any] = {"lease_owner": None, "lease_until": None}
    mine = (feeds.c.id == claim.id, feeds.c.lease_owner == claim.owner)
    ours = connection.execute(update(feeds).where(*mine).values(**freed, **values)).rowcount == 1
    end_turn(connection, claim.host, claim.owner, next_request_at=store.read_clock(connection) + delay_s)
    return ours


def end_turn(connection: Connection, host: str, owner: str, **values: Any) -> None:
    """End a host's turn if it is still the owner's, and write these values to its row."""
    connection.execute(END_TURN, {"name": host, "owner": owner, **values})


def release_host(store: Store, host: str, owner: str, *, delay_s: float) -> None:
    """End a host's turn; the next request may begin after the delay, or its Crawl-delay if that is longer."""
    crawl_delay = select(hosts.c.crawl_delay_s).where(hosts.c.host == host)
    with store.write() as connection:
        pause_s = max(delay_s, connection.execute(crawl_delay).scalar() or 0.0)
        end_turn(connection, host, owner, next_request_at=store.read_clock(connection) + pause_s)


def sweep(store: Store) -> int:
    """Free expired leases and those of dead processes of this machine; return how many articles were freed.

    Their attempts stay counted, and they are due again after a back-off that grows with each attempt.
    """
    freed = 0
    for table in (feeds, hosts, articles):  # one transaction each: a turn takes articles before its host
        if not _is_any_held(store, table):  # most ticks find nothing, and need not wait for who writes
            continue
        with store.write() as connection:
            now = store.now()
            ended = or_(table.c.lease_until <= now, table.c.lease_owner.in_(_dead_owners(connection, table)))
            values: dict[str, Any] = {"lease_owner": None, "lease_until": None}
            if table is articles:
                back_off = BACK_OFF_S * articles.c.attempts * articles.c.attempts
                values |= {"due_at": now + back_off, "touched": _touched_again()}
            (key,) = table.primary_key
            held = claimable(select(key).where(table.c.lease_owner.is_not(None), ended))  # or being finished
            freed = connection.execute(update(table).where(key.in_(held)).values(**values)).rowcount
    return freed


def _is_any_held(store: Store, table: Table) -> bool:
    with store.read() as connection:
        return connection.execute(_held(table)).first() is not None


@cache
def _held(table: Table) -> Select[Any]:
    return select(literal(1)).where(table.c.lease_owner.is_not(None)).limit(1)


def _touched_again() -> ColumnElement[bool]:
    # Index takes the mark when it claims; whether it wrote the sightings down, nobody can tell any more.
    return or_(articles.c.touched, articles.c.stage == Stage.INDEX)


def free_all(store: Store) -> None:
    """Free every lease, blaming nobody: for a start when no worker of this store can be alive."""
    with store.write() as connection:
        for table in (feeds, hosts, articles):
            values: dict[str, Any] = {"lease_owner": None, "lease_until": None}
            if table is articles:
                values["attempts"] = case((articles.c.attempts > 0, articles.c.attempts - 1), else_=0)
                values["touched"] = _touched_again()
            connection.execute(update(table).where(table.c.lease_owner.is_not(None)).values(**values))


def _dead_owners(connection: Connection, table: Table) -> list[str]:
    held = select(table.c.lease_owner).where(table.c.lease_owner.is_not(None)).distinct()
    return [owner for owner in connection.execute(held).scalars() if has_died(owner)]


def has_died(owner: str) -> bool:
    """Tell whether a claimant was a process of this machine that is there no more."""
    return owner.startswith(f"{machine()}:") and not _alive(int(owner.split(":")[1]))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
