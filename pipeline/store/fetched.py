"""The transaction that ends a host's turn: its pages, the articles it failed, the host's next time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, case, func, insert
from sqlalchemy.sql.elements import ColumnElement

from pipeline.model import ArchivePosition, Request, Stage, State
from pipeline.outcomes import Cause, Partial, Reason
from pipeline.store.claimed import ArticleClaim, HostTurn
from pipeline.store.events import Happening, record
from pipeline.store.leases import end_turn, finish, lock_articles, refused
from pipeline.store.ledger import record_late
from pipeline.store.politeness import record_requests
from pipeline.store.store import Store, insert_new
from pipeline.store.tables import articles, hosts, pages


@dataclass(frozen=True, slots=True, kw_only=True)
class GotPage:
    """Say that the page was had and where it is archived."""

    claim: ArticleClaim
    url: str
    status: int
    position: ArchivePosition
    fetched_at: float
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPage:
    """Say that the page could not be had, and when to try again (`None`: never)."""

    claim: ArticleClaim
    partial: Partial
    detail: str
    retry_in_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Say that the page is at another host, whose turn must be waited for."""

    claim: ArticleClaim
    next_url: str
    host: str
    hops: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """Say that the article is not wanted."""

    claim: ArticleClaim
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """Say that the article must wait for a person."""

    claim: ArticleClaim
    stage: Stage
    cause: Cause
    detail: str


FetchResult = GotPage | NoPage | Moved | Dropped | Quarantined


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotsAnswer:
    """Hold what a host's robots.txt answered, to be kept for a day."""

    status: int
    body: bytes
    crawl_delay_s: float | None = None


def record_turn(
    store: Store,
    turn: HostTurn,
    results: Sequence[FetchResult],
    *,
    delay_s: float,
    robots: RobotsAnswer | None,
    asked: Sequence[Request] = (),
    spacing_s: float | None = None,
) -> int:
    """Write a turn's results and free its articles and the host; return how many were still ours. `asked` are
    the requests that it took, `spacing_s` the pause that was to be kept between them."""
    moves = {result.host for result in results if isinstance(result, Moved)}
    with store.write() as connection:
        insert_new(
            connection, hosts, [{"host": host} for host in sorted(moves)]
        )  # before articles, as polls do
        lock_articles(connection, [result.claim.id for result in results])
        ours = [result for result in results if _record_result(connection, store, result)]
        moment = store.read_moment(connection)
        record_late(connection, store, moment, turn.host, asked)
        kept = _robots_values(robots, moment.now)
        end_turn(connection, turn.host, turn.owner, next_request_at=moment.now + delay_s, **kept)
        record(connection, store, [_event(result) for result in ours])
        record_requests(connection, moment, asked, delay_s=spacing_s, host=turn.host)
    return len(ours)


def _robots_values(robots: RobotsAnswer | None, at: float) -> dict[str, Any]:
    if robots is None:
        return {}
    return {
        "robots_status": robots.status,
        "robots_body": robots.body,
        "robots_fetched_at": at,
        "crawl_delay_s": robots.crawl_delay_s,
    }


def _record_result(connection: Connection, store: Store, result: FetchResult) -> bool:
    if not finish(connection, result.claim, _next_state(store, result)):
        return False
    if isinstance(result, GotPage):
        connection.execute(insert(pages), [_page(result)])
    return True


def _next_state(store: Store, result: FetchResult) -> dict[str, Any]:
    now, claim = store.now(), result.claim
    done = State.FETCHED if claim.state is State.FOUND else claim.state
    arrived: dict[str, Any] = {
        "state": done,
        "stage": Stage.ENRICH,
        "due_at": now,
        "hops": 0,
        "next_url": None,
    }
    ended: dict[str, Any] = {"stage": None, "due_at": None}
    match result:
        case GotPage():
            return {**arrived, "partial": None}
        case NoPage(partial=partial, retry_in_s=wait):
            again = None if wait is None else now + wait
            tried = {**arrived, "refetches": claim.refetches + 1}
            if claim.state is State.INDEXED and claim.partial is None:
                return tried | _standing(now, again)
            return {**tried, "partial": partial, "refetch_at": func.coalesce(articles.c.refetch_at, again)}
        case Moved(next_url=next_url, host=host, hops=hops):
            return {"next_url": next_url, "host": host, "hops": hops, "due_at": now}
        case Dropped(reason=reason, detail=detail):
            return {**ended, "state": State.DROPPED, "reason": reason, "detail": detail}
        case Quarantined(cause=cause, detail=detail):
            return refused(claim, cause, detail, now)


def _standing(now: ColumnElement[float], again: ColumnElement[float] | None) -> dict[str, Any]:
    """Let the last good document stand, made from a page that was had before, until the page is tried again.

    One more feed may have shown it meanwhile: index writes that down, then it waits again.
    """
    waits = None if again is None else Stage.FETCH
    return {
        "stage": case((articles.c.touched, Stage.INDEX), else_=waits),
        "due_at": case((articles.c.touched, now), else_=again),
        "refetch_at": None if again is None else case((articles.c.touched, again), else_=None),
    }


def _page(result: GotPage) -> dict[str, Any]:
    position = result.position
    return {
        "article_id": result.claim.id,
        "url": result.url,
        "status": result.status,
        "file": position.file,
        "offset": position.offset,
        "length": position.length,
        "digest": position.digest,
        "fetched_at": result.fetched_at,
    }


def _event(result: FetchResult) -> Happening:
    article_id = result.claim.id
    match result:
        case GotPage(detail=detail):
            return Happening(stage=Stage.FETCH, outcome="fetched", detail=detail, article_id=article_id)
        case NoPage(partial=partial, detail=detail):
            return Happening(
                stage=Stage.FETCH, outcome="no-page", slug=partial, detail=detail, article_id=article_id
            )
        case Moved(next_url=next_url):
            detail = f"redirected to {next_url}"
            return Happening(stage=Stage.FETCH, outcome="moved", detail=detail, article_id=article_id)
        case Dropped(reason=reason, detail=detail):
            return Happening(
                stage=Stage.FETCH, outcome="dropped", slug=reason, detail=detail, article_id=article_id
            )
        case Quarantined(stage=stage, cause=cause, detail=detail):
            return Happening(
                stage=stage, outcome="quarantined", slug=cause, detail=detail, article_id=article_id
            )
