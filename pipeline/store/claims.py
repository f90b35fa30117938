"""Claims: take due rows in batches under a lease (SKIP LOCKED on PostgreSQL, one writer on SQLite)."""

from collections.abc import Sequence
from functools import cache
from itertools import chain, zip_longest
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    exists,
    func,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.sql.elements import ColumnElement

from pipeline.model import FeedKind, FeedState, Stage, State
from pipeline.store.claimed import ArticleClaim, FeedClaim, HostTurn
from pipeline.store.generations import paused
from pipeline.store.leases import end_turn, free, lease
from pipeline.store.store import Store, claimable, insert_new
from pipeline.store.tables import articles, feeds, hosts

BACKLOG = 10_000
"""New articles that may wait for a stage before the one that feeds it rests: some minutes of work for it, and
with the index away some 200 MB of documents. Polling never rests: what a feed shows may be gone tomorrow."""

FEEDS_INTO = {Stage.FETCH: State.FETCHED, Stage.ENRICH: State.ENRICHED}
"""In which state a new article leaves a stage. Re-runs and refills stay `indexed`, so they count nowhere."""


NEWEST_LOOKED_AT = 1_000
"""Newest pages looked at for those of hosts that may be asked; if there are none, it is the turn of those
that have waited longest. With 20,000 pages of hosts that rest, to look at all took five times as long."""

HOSTS_LOOKED_AT = 4
"""Hosts looked at for each that is wanted: others look at the same time, and take some of the same."""

FETCHED_ALONE_AFTER = 2
"""Attempts after which a page is fetched alone. A worker's death blames all pages of the turns under way;
healthy ones, where a lack of memory was at fault, must not end in quarantine by the hundred."""

_others = articles.alias("others")


def due_article(stage: Stage, now: ColumnElement[float]) -> ColumnElement[bool]:
    """Say in SQL that an article waits for a stage, now."""
    return and_(articles.c.stage == stage, articles.c.due_at <= now, free(articles, now))


def may_claim(stage: Stage, now: ColumnElement[float]) -> ColumnElement[bool]:
    """Say in SQL that a stage may claim articles: no pause, and no backlog before the next one."""
    if stage is Stage.INDEX:
        return not_(paused(now))
    if stage not in FEEDS_INTO:
        return true()
    waits = select(articles.c.id).where(articles.c.state == FEEDS_INTO[stage])
    return not_(exists(waits.offset(BACKLOG).limit(1)))


def fair_place() -> ColumnElement[float]:
    """Say in SQL in whose order articles are claimed, the greatest first. Written by a version before this
    one, a row has only its date."""
    return func.coalesce(articles.c.fair_at, articles.c.news_at)


def due_feed(now: ColumnElement[float]) -> ColumnElement[bool]:
    """Say in SQL that a feed is to be polled, now."""
    return and_(feeds.c.state == FeedState.ACTIVE, feeds.c.next_poll_at <= now, free(feeds, now))


def free_host(now: ColumnElement[float]) -> ColumnElement[bool]:
    """Say in SQL that a host may be asked, now, by somebody."""
    return and_(free(hosts, now), hosts.c.next_request_at <= now)


def claim_feeds(store: Store, *, owner: str, limit: int) -> tuple[FeedClaim, ...]:
    """Claim due feeds, one a host, each together with its host's turn."""
    first_of_host = _feeds_in_turn(store, limit)
    if not first_of_host:
        return ()
    with store.write() as connection:
        taken = _take_hosts(connection, store, list(first_of_host), owner, limit=limit)
        chosen = {"ids": [first_of_host[host] for host in taken]}
        found = connection.execute(_with_hosts(store.now()), chosen).all()
        # Since it was looked at, a redirect may have led a feed to another host, which is not ours.
        rows: Sequence[Any] = [row for row in found if first_of_host.get(row.host) == row.id]
        lease(connection, store, feeds, [row.id for row in rows], owner)
        for host in sorted(set(taken) - {row.host for row in rows}):
            end_turn(connection, host, owner)
    return tuple(_feed_claim(row, owner) for row in rows)


def claim_hosts(store: Store, *, owner: str, limit: int, pages: int) -> tuple[HostTurn, ...]:
    """Claim hosts whose turn has come and, for each, its newest due pages (news before re-runs).

    Half of the hosts are those with the newest pages, half those that have waited longest for their turn: so
    a feed that shows a thousand other hosts delays nobody's news, and nobody waits for ever."""
    with store.read() as connection:
        names = _hosts_in_turn(connection, store.now(), limit * HOSTS_LOOKED_AT)
    for start in range(0, len(names), limit):  # others may have taken all of the first since they were read
        if turns := _claim_turns(store, names[start : start + limit], owner=owner, pages=pages):
            return turns
    return ()


def _claim_turns(store: Store, names: Sequence[str], *, owner: str, pages: int) -> tuple[HostTurn, ...]:
    newest = _pages_in_turn(store, names, pages)
    if not newest:
        return ()
    with store.write() as connection:
        now = store.now()
        taken = _take_hosts(connection, store, list(newest), owner, limit=len(newest))
        chosen = [page for host in taken for page in newest[host]]
        # What was read may have changed: PostgreSQL checks a row again when it locks it, so all is asked.
        mine = (articles.c.id.in_(chosen), articles.c.host.in_(taken), due_article(Stage.FETCH, now))
        rows = connection.execute(claimable(select(articles).where(*mine))).all()
        lease(connection, store, articles, [row.id for row in rows], owner)
        asked = sorted({row.host for row in rows})
        for host in sorted(set(taken) - set(asked)):
            end_turn(connection, host, owner)
        age = (now - hosts.c.robots_fetched_at).label("age")
        found = connection.execute(select(hosts, age).where(hosts.c.host.in_(asked)))
        turns = [_host_turn(row, rows, owner) for row in found]
    return tuple(turns)


def claim_host(store: Store, host: str, *, owner: str) -> bool:
    """Claim one host for a request that belongs to no row: a robots.txt elsewhere, a search for feeds.

    False while somebody has its turn, or it is to be left alone. `release_host` gives it back.
    """
    with store.write() as connection:
        insert_new(connection, hosts, [{"host": host}])
        return bool(_take_hosts(connection, store, [host], owner, limit=1))


def rest_of(store: Store, host: str) -> float:
    """Tell for how many seconds a host is still to be left alone; what has passed is negative."""
    with store.read() as connection:
        left = select(hosts.c.next_request_at - store.now()).where(hosts.c.host == host)
        return float(connection.execute(left).scalar_one_or_none() or 0.0)


def claim_articles(
    store: Store, stage: Stage, *, owner: str, limit: int, suspects: int = 1
) -> tuple[ArticleClaim, ...]:
    """Claim due articles for enrich or index, the newest first. Where none is left it is the turn of
    suspects, as in `claim_suspects`."""
    with store.write() as connection:
        now = store.now()
        rows = connection.execute(claimable(in_turn(stage, now).limit(limit))).all()
        if not rows:
            rows = _suspects(connection, stage, now, suspects)
        lease(connection, store, articles, [row.id for row in rows], owner)
    # By id: who finishes many in one transaction does it in their order, as `lock_articles` explains.
    return tuple(article_claim(row, owner) for row in sorted(rows, key=lambda row: str(row.id)))


def in_turn(stage: Stage, now: ColumnElement[float]) -> Select[Any]:
    """Say in SQL what is claimed together, newest first: what has not failed, of hosts where nothing has."""
    sound = (articles.c.attempts == 0, articles.c.host.not_in(_failing_hosts(stage)))
    query = select(articles).where(_due_in_order(stage, now), may_claim(stage, now), *sound)
    return query.order_by(fair_place().desc())


def _due_in_order(stage: Stage, now: ColumnElement[float]) -> ColumnElement[bool]:
    """Say what `due_article` says, with nothing to find by when: SQLite, without statistics, would find all
    that is due, and sort it, instead of walking along the order."""
    return and_(articles.c.stage == stage, articles.c.due_at + 0.0 <= now, free(articles, now))


def claim_suspects(store: Store, stage: Stage, *, owner: str, limit: int = 1) -> tuple[ArticleClaim, ...]:
    """Claim alone an article whose earlier attempt failed, or one of the same host: the page that kills its
    worker is found, and its neighbours go through. One at a time over all workers: a host all of whose pages
    kill must leave the others to the news of others.

    With a limit above 1 so many that failed once at most are claimed together: few of a large batch are to
    blame for the death of its worker. What failed again goes alone."""
    with store.write() as connection:
        rows = _suspects(connection, stage, store.now(), limit)
        lease(connection, store, articles, [row.id for row in rows], owner)
    return tuple(article_claim(row, owner) for row in sorted(rows, key=lambda row: str(row.id)))


def _waiting(stage: Stage, now: ColumnElement[float]) -> Select[Any]:
    return select(articles).where(due_article(stage, now), may_claim(stage, now))


def _suspects(
    connection: Connection, stage: Stage, now: ColumnElement[float], limit: int
) -> Sequence[Row[Any, Any]]:
    suspect = or_(articles.c.attempts > 0, articles.c.host.in_(_failing_hosts(stage)))
    at_it = (_others.c.stage == stage, _others.c.attempts > 1, _others.c.lease_until > now)
    due = _waiting(stage, now).where(suspect, not_(exists().where(*at_it)))
    due = due.order_by(articles.c.due_at, articles.c.attempts.desc())
    rows = connection.execute(claimable(due.limit(1))).all()
    if limit > 1 and rows and rows[0].attempts <= 1:
        return connection.execute(claimable(due.where(articles.c.attempts <= 1).limit(limit))).all()
    return rows


def _failing_hosts(stage: Stage) -> Select[Any]:
    """Say in SQL which hosts have an article that failed at a stage; those that are at it for the first time
    have an attempt, too, and a lease."""
    failed = or_(_others.c.attempts > 1, and_(_others.c.attempts == 1, _others.c.lease_owner.is_(None)))
    return select(_others.c.host).where(_others.c.stage == stage, failed)


def _feeds_in_turn(store: Store, limit: int) -> dict[str, int]:
    """Look, without locking anything, for hosts that may be asked and the feed that waits longest at each.

    The host that waits longest comes first. There are more than are wanted: others look at the same time.
    """
    with store.read() as connection:
        rows = connection.execute(_longest_due(store.now()), {"most": limit * HOSTS_LOOKED_AT})
        first_of_host: dict[str, int] = {}
        for row in rows:
            first_of_host.setdefault(row.host, row.id)
    return first_of_host


# Built once each, as polls are claimed a few at a time: to build one costs more than to run it.
@cache
def _longest_due(now: ColumnElement[float]) -> Select[Any]:
    query = select(feeds.c.id, feeds.c.host).join(hosts, hosts.c.host == feeds.c.host)
    query = query.where(due_feed(now), free_host(now)).order_by(feeds.c.next_poll_at)
    return query.limit(bindparam("most", type_=Integer))


@cache
def _with_hosts(now: ColumnElement[float]) -> Select[Any]:
    crawl_delay = select(hosts.c.crawl_delay_s).where(hosts.c.host == feeds.c.host).scalar_subquery()
    query = select(feeds, crawl_delay.label("crawl_delay_s"), now.label("claimed_at"))
    return claimable(query.where(feeds.c.id.in_(bindparam("ids", expanding=True)), due_feed(now)))


@cache
def _free_among(now: ColumnElement[float]) -> Select[Any]:
    some = (hosts.c.host.in_(bindparam("names", expanding=True)), free_host(now))
    return claimable(select(hosts.c.host).where(*some).limit(bindparam("most", type_=Integer)))


def _pages_in_turn(store: Store, names: Sequence[str], pages: int) -> dict[str, list[str]]:
    """Look, without locking anything, for each host's newest due pages; a suspect has a turn to itself."""
    is_suspect = articles.c.attempts >= FETCHED_ALONE_AFTER
    with store.read() as connection:
        now = store.now()
        rank = func.row_number().over(
            partition_by=articles.c.host,
            order_by=(is_suspect, articles.c.state != State.FOUND, fair_place().desc()),
        )
        ranked = select(
            articles.c.id, articles.c.host, is_suspect.label("is_suspect"), rank.label("rank")
        ).where(articles.c.host.in_(names), due_article(Stage.FETCH, now))
        best = ranked.subquery()
        newest: dict[str, list[str]] = {}
        query = select(best).where(best.c.rank <= pages).order_by(best.c.rank)
        for row in connection.execute(query):
            if not (row.is_suspect and newest.get(row.host)):
                newest.setdefault(row.host, []).append(row.id)
    return newest


def _hosts_in_turn(connection: Connection, now: ColumnElement[float], limit: int) -> Sequence[str]:
    """Choose hosts that may be asked: by turns one with the newest page and one that has waited longest."""
    waiting = exists().where(articles.c.host == hosts.c.host, due_article(Stage.FETCH, now))
    longest = select(hosts.c.host).where(may_claim(Stage.FETCH, now), free_host(now), waiting)
    longest = longest.order_by(hosts.c.next_request_at).limit(limit)
    newest = newest_pages(now)
    found = (connection.execute(query).scalars().all() for query in (newest, longest))
    by_turns = chain.from_iterable(zip_longest(*(dict.fromkeys(each) for each in found)))
    return [name for name in dict.fromkeys(by_turns) if name is not None][:limit]


def newest_pages(now: ColumnElement[float]) -> Select[Any]:
    """Say in SQL of which hosts that may be asked the newest pages are, the newest first."""
    # All conditions at once would walk along all that waits when no host may be asked.
    column = articles.c
    waits = select(column.host, column.state, column.due_at, column.lease_until, fair_place().label("place"))
    waits = waits.where(column.stage == Stage.FETCH, column.attempts == 0)
    looked_at = waits.order_by(fair_place().desc()).limit(NEWEST_LOOKED_AT).subquery()
    fresh = (looked_at.c.due_at <= now, looked_at.c.state == State.FOUND, free(looked_at, now))
    # No join: SQLite, without statistics, would begin it with all hosts.
    may_be_asked = exists().where(hosts.c.host == looked_at.c.host, free_host(now))
    query = select(looked_at.c.host).where(may_claim(Stage.FETCH, now), *fresh, may_be_asked)
    return query.order_by(looked_at.c.place.desc())


def _take_hosts(
    connection: Connection, store: Store, names: Sequence[str], owner: str, *, limit: int
) -> list[str]:
    """Lease the first hosts that are still free; what others hold is passed over, never waited for."""
    taken: list[str] = []
    for start in range(0, len(names), limit):
        some = {"names": names[start : start + limit], "most": limit - len(taken)}
        taken += connection.execute(_free_among(store.now()), some).scalars()
        if len(taken) == limit:
            break
    lease(connection, store, hosts, taken, owner)
    return taken


def _feed_claim(row: Row[Any, Any], owner: str) -> FeedClaim:
    changed: dict[str, Any] = {
        "owner": owner,
        "headers": tuple((str(name), str(value)) for name, value in row.headers or ()),
        "kind": FeedKind(row.kind) if row.kind else None,
        "round": row.round if row.next_url else None,  # versions without rounds end a poll beside it
    }
    same = FeedClaim.__dataclass_fields__.keys() - changed.keys() - {"child"}
    return FeedClaim(**changed, **{name: getattr(row, name) for name in same})


def article_claim(row: Row[Any, Any], owner: str) -> ArticleClaim:
    """Make a claim of an article's row as it was before it was leased."""
    same = (
        "id",
        "url",
        "host",
        "waits",
        "touched",
        "next_url",
        "hops",
        "refetches",
        "rerun",
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
    mine = sorted((each for each in rows if each.host == row.host), key=lambda each: -_place(each))
    return HostTurn(
        host=row.host,
        robots_status=row.robots_status,
        robots_body=row.robots_body,
        robots_age_s=row.age,
        claims=tuple(article_claim(each, owner) for each in mine),
        owner=owner,
    )


def _place(row: Row[Any, Any]) -> float:
    return float(row.news_at if row.fair_at is None else row.fair_at)
