"""Claims: take due rows in batches under a lease, give them back, free what the dead held.

Whoever finishes a row must still own its lease, in the same WHERE. `attempts` grows with the claim, so that a
row whose worker died shows it; finishing a row sets it back to 0.
"""

import os
import secrets
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, bindparam, case, exists, func, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from pipeline.model import FeedState, Stage, State
from pipeline.store.events import Happening, record
from pipeline.store.store import Store, claimable
from pipeline.store.tables import articles, feeds, hosts

LEASE_S = 120.0
"""Longer than the slowest batch: a host's turn (2 s and one request of 30 s), four articles of 20 s each."""

BACK_OFF_S = 1.0
"""The wait after a first crashed attempt; it grows with the square of the attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedClaim:
    """Hold a feed whose poll is due, and its host's turn, under one owner."""

    id: int
    url: str
    host: str
    title: str
    site: str | None
    language: str | None
    etag: str | None
    last_modified: str | None
    body_hash: str | None
    interval_s: float
    min_interval_s: float | None
    failures: float
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleClaim:
    """Hold an article under a lease, with what the stages need to know of it."""

    id: str
    url: str
    host: str
    state: State
    attempts: int  # this one included
    touched: bool  # a feed showed it since its document was made
    next_url: str | None  # where a redirect to another host led
    hops: int
    refetches: int
    partial: str | None
    revision: int
    version: int
    first_seen_at: float
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTurn:
    """Hold one host for one worker: its rules and the pages it is to be asked for, newest first."""

    host: str
    robots_status: int | None
    robots_body: bytes | None
    robots_age_s: float | None  # None: never asked
    claims: tuple[ArticleClaim, ...]
    owner: str


def new_owner(stage: Stage) -> str:
    """Name a claimant, machine:pid:stage:nonce, so that others on its machine can see whether it lives."""
    return f"{socket.gethostname()}:{os.getpid()}:{stage}:{secrets.token_hex(4)}"


def free(table: Table, now: ColumnElement[float]) -> ColumnElement[bool]:
    """Say in SQL that nobody holds a row."""
    return or_(table.c.lease_until.is_(None), table.c.lease_until <= now)


def due_article(stage: Stage, now: ColumnElement[float]) -> ColumnElement[bool]:
    """Say in SQL that an article waits for a stage, now."""
    return and_(articles.c.stage == stage, articles.c.due_at <= now, free(articles, now))


def due_feed(now: ColumnElement[float]) -> ColumnElement[bool]:
    """Say in SQL that a feed is to be polled, now."""
    return and_(feeds.c.state == FeedState.ACTIVE, feeds.c.next_poll_at <= now, free(feeds, now))


def free_host(now: ColumnElement[float]) -> ColumnElement[bool]:
    """Say in SQL that a host may be asked, now, by somebody."""
    return and_(
        free(hosts, now),
        hosts.c.next_request_at <= now,
        or_(hosts.c.paused_until.is_(None), hosts.c.paused_until <= now),
    )


def claim_feeds(store: Store, *, owner: str, limit: int) -> tuple[FeedClaim, ...]:
    """Claim due feeds, one a host, each together with its host's turn."""
    with store.write() as connection:
        now = store.now()
        query = select(feeds.c.id, feeds.c.host).join(hosts, hosts.c.host == feeds.c.host)
        query = query.where(due_feed(now), free_host(now)).order_by(feeds.c.next_poll_at).limit(limit * 4)
        first_of_host = {row.host: row.id for row in reversed(connection.execute(query).all())}
        taken = _take_hosts(connection, store, sorted(first_of_host)[:limit], owner)
        chosen = [first_of_host[host] for host in taken]
        query = claimable(select(feeds).where(feeds.c.id.in_(chosen), due_feed(now)))
        rows: Sequence[Any] = connection.execute(query).all()
        _lease(connection, feeds, feeds.c.id, [row.id for row in rows], owner, now)
        _give_hosts_back(connection, set(taken) - {row.host for row in rows}, owner)
    return tuple(_feed_claim(row, owner) for row in rows)


def claim_hosts(
    store: Store, *, owner: str, limit: int, pages: int, busy: Collection[str] = ()
) -> tuple[HostTurn, ...]:
    """Claim hosts whose turn has come and, for each, its newest due pages (news before re-runs)."""
    with store.write() as connection:
        now = store.now()
        waiting = exists().where(articles.c.host == hosts.c.host, due_article(Stage.FETCH, now))
        query = select(hosts.c.host).where(free_host(now), waiting, hosts.c.host.not_in(busy))
        query = query.order_by(hosts.c.next_request_at).limit(limit)
        taken = _take_hosts(connection, store, [row.host for row in connection.execute(query)], owner)
        rank = func.row_number().over(
            partition_by=articles.c.host,
            order_by=(articles.c.state != State.FOUND, articles.c.news_at.desc()),
        )
        ranked = select(articles.c.id, rank.label("rank")).where(
            articles.c.host.in_(taken), due_article(Stage.FETCH, now)
        )
        subquery = ranked.subquery()
        newest = select(subquery.c.id).where(subquery.c.rank <= pages)
        rows = connection.execute(claimable(select(articles).where(articles.c.id.in_(newest)))).all()
        _lease(connection, articles, articles.c.id, [row.id for row in rows], owner, now)
        asked = sorted({row.host for row in rows})
        _give_hosts_back(connection, set(taken) - set(asked), owner)
        age = (now - hosts.c.robots_fetched_at).label("age")
        found = connection.execute(select(hosts, age).where(hosts.c.host.in_(asked)))
        turns = [_host_turn(row, rows, owner) for row in found]
    return tuple(turns)


def claim_articles(store: Store, stage: Stage, *, owner: str, limit: int) -> tuple[ArticleClaim, ...]:
    """Claim due articles for enrich or index; one whose earlier attempt failed is claimed alone."""
    with store.write() as connection:
        now = store.now()
        waiting = select(articles).where(due_article(stage, now))
        failed = waiting.where(articles.c.attempts > 0).order_by(articles.c.due_at).limit(1)
        rows = connection.execute(claimable(failed)).all()
        if not rows:
            fresh = waiting.where(articles.c.attempts == 0).order_by(articles.c.news_at.desc()).limit(limit)
            rows = connection.execute(claimable(fresh)).all()
        _lease(connection, articles, articles.c.id, [row.id for row in rows], owner, now)
    return tuple(_article_claim(row, owner) for row in rows)


def release(store: Store, claims: Sequence[ArticleClaim], *, delay_s: float = 0.0) -> None:
    """Give articles back untried, due after a delay; what is no longer owned is left alone."""
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
    with store.write() as connection:
        connection.execute(
            statement,
            [{"row_id": each.id, "owner": each.owner, "was_touched": each.touched} for each in claims],
        )


def blame(store: Store, claim: ArticleClaim, stage: Stage, *, detail: str) -> None:
    """Give an article back after a failed attempt: it is tried again, alone, after a back-off."""
    with store.write() as connection:
        now = store.now()
        mine = (articles.c.id == claim.id, articles.c.lease_owner == claim.owner)
        values = {"lease_owner": None, "lease_until": None, "due_at": now + BACK_OFF_S * claim.attempts**2}
        connection.execute(update(articles).where(*mine).values(**values))
        record(
            connection, now, [Happening(stage=stage, outcome="failed", detail=detail, article_id=claim.id)]
        )


def release_feed(store: Store, claim: FeedClaim) -> None:
    """Give a feed and its host's turn back unpolled."""
    with store.write() as connection:
        connection.execute(
            update(feeds)
            .where(feeds.c.id == claim.id, feeds.c.lease_owner == claim.owner)
            .values(lease_owner=None, lease_until=None)
        )
        _give_hosts_back(connection, {claim.host}, claim.owner)


def release_host(store: Store, turn: HostTurn, *, delay_s: float) -> None:
    """End a host's turn; the next request may begin after the delay."""
    with store.write() as connection:
        connection.execute(
            update(hosts)
            .where(hosts.c.host == turn.host, hosts.c.lease_owner == turn.owner)
            .values(lease_owner=None, lease_until=None, next_request_at=store.now() + delay_s)
        )


def sweep(store: Store) -> int:
    """Free expired leases and those of dead processes of this machine; return how many articles were freed.

    Their attempts stay counted, and they are due again after a back-off that grows with each attempt.
    """
    with store.write() as connection:
        now = store.now()
        dead = _dead_owners(connection)
        freed = 0
        for table in (feeds, hosts, articles):
            ended = or_(table.c.lease_until <= now, table.c.lease_owner.in_(dead))
            values: dict[str, Any] = {"lease_owner": None, "lease_until": None}
            if table is articles:
                values["due_at"] = now + BACK_OFF_S * articles.c.attempts * articles.c.attempts
            result = connection.execute(
                update(table).where(table.c.lease_owner.is_not(None), ended).values(**values)
            )
            freed = result.rowcount
    return freed


def free_all(store: Store) -> None:
    """Free every lease, blaming nobody: for a start when no worker of this store can be alive."""
    with store.write() as connection:
        for table in (feeds, hosts, articles):
            values: dict[str, Any] = {"lease_owner": None, "lease_until": None}
            if table is articles:
                values["attempts"] = case((articles.c.attempts > 0, articles.c.attempts - 1), else_=0)
            connection.execute(update(table).where(table.c.lease_owner.is_not(None)).values(**values))


def _dead_owners(connection: Connection) -> list[str]:
    here = socket.gethostname()
    owners = {
        owner
        for table in (feeds, hosts, articles)
        for (owner,) in connection.execute(
            select(table.c.lease_owner).where(table.c.lease_owner.is_not(None)).distinct()
        )
    }
    return [
        owner for owner in owners if owner.startswith(f"{here}:") and not _alive(int(owner.split(":")[1]))
    ]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _take_hosts(connection: Connection, store: Store, names: Sequence[str], owner: str) -> list[str]:
    now = store.now()
    query = claimable(select(hosts.c.host).where(hosts.c.host.in_(names), free_host(now)))
    taken = [row.host for row in connection.execute(query)]
    _lease(connection, hosts, hosts.c.host, taken, owner, now)
    return taken


def _give_hosts_back(connection: Connection, names: Collection[str], owner: str) -> None:
    if names:
        connection.execute(
            update(hosts)
            .where(hosts.c.host.in_(names), hosts.c.lease_owner == owner)
            .values(lease_owner=None, lease_until=None)
        )


def _lease(
    connection: Connection,
    table: Table,
    key: ColumnElement[Any],
    keys: Sequence[Any],
    owner: str,
    now: ColumnElement[float],
) -> None:
    if not keys:
        return
    values: dict[str, Any] = {"lease_owner": owner, "lease_until": now + LEASE_S}
    if table is articles:
        values |= {"attempts": articles.c.attempts + 1, "touched": False}
    connection.execute(update(table).where(key.in_(keys)).values(**values))


def _feed_claim(row: Row[Any, Any], owner: str) -> FeedClaim:
    return FeedClaim(
        owner=owner,
        **{name: getattr(row, name) for name in FeedClaim.__dataclass_fields__ if name != "owner"},
    )


def _article_claim(row: Row[Any, Any], owner: str) -> ArticleClaim:
    same = (
        "id",
        "url",
        "host",
        "touched",
        "next_url",
        "hops",
        "refetches",
        "partial",
        "revision",
        "version",
        "first_seen_at",
    )
    return ArticleClaim(
        owner=owner,
        state=State(row.state),
        attempts=row.attempts + 1,
        **{name: getattr(row, name) for name in same},
    )


def _host_turn(row: Row[Any, Any], rows: Sequence[Row[Any, Any]], owner: str) -> HostTurn:
    mine = sorted((each for each in rows if each.host == row.host), key=lambda each: -each.news_at)
    return HostTurn(
        host=row.host,
        robots_status=row.robots_status,
        robots_body=row.robots_body,
        robots_age_s=row.age,
        claims=tuple(_article_claim(each, owner) for each in mine),
        owner=owner,
    )
