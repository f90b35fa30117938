"""Re-runs: indexed articles that enrich reads again, when nothing newer is due, and what came of each.

A queued article stays where it is until a worker takes it: only one that rests is taken (indexed, nothing
under way, at most a page that is tried again later), and from then on its stage is enrich, as for any other
work. An article without an outcome is queued, so one that went astray is simply taken again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, and_, case, delete, exists, func, insert, not_, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from pipeline.errors import WireroomError
from pipeline.model import Document, Stage, State
from pipeline.store.claimed import ArticleClaim
from pipeline.store.claims import article_claim, due_article, may_claim
from pipeline.store.codec import unpack_document
from pipeline.store.events import Happening, record
from pipeline.store.leases import LEASE_S, finish, free, lock_articles, rested
from pipeline.store.store import Store, claimable, insert_new
from pipeline.store.tables import articles, documents, reprocessing, reruns

THE_RUN = 1
"""The number of the only run."""

INDEX_BACKLOG = 1_000
"""Articles that may wait for index while more are read again: some seconds of its work. Else an index that is
away, or is made anew, would find the news among everything that was read again."""

BURST_S = 2.0
"""What a rate lets through at once, in seconds of it: ticks come every half second or second."""

AT_ONCE = 500
"""Documents read, or rows written, in one go."""

PACE_S = 60.0
"""The time over which the present pace is taken."""


class Rerun(StrEnum):
    """Say how a re-run ended."""

    CHANGED = "changed"  # a new version
    UNCHANGED = "unchanged"
    FAILED = "failed"  # the document that stood stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Reprocessing:
    """Hold how the run stands that is under way, or the last one."""

    conditions: tuple[str, ...]
    rate: float | None  # articles a second at most
    begun_at: float
    chosen: int
    left: int  # queued or under way
    changed: int
    unchanged: int
    failed: Mapping[str, int]  # by slug
    removed: int  # by a person, meanwhile or since
    ended_at: float | None
    per_s: float  # over the last minute

    @property
    def left_s(self) -> float | None:
        """Estimate how long the rest will take; None when nothing moves."""
        return self.left / self.per_s if self.left and self.per_s else None


def read_indexed(store: Store) -> Iterator[Document]:
    """Read the documents of all indexed articles whose text is kept: of the others nothing better would be
    read than what stands."""
    after = ""
    while True:
        query = select(documents.c.article_id, documents.c.document).join(articles)
        query = query.where(articles.c.state == State.INDEXED, documents.c.article_id > after)
        query = query.where(articles.c.text_dropped_at.is_(None))
        with store.read() as connection:
            rows = connection.execute(query.order_by(documents.c.article_id).limit(AT_ONCE)).all()
        if not rows:
            return
        after = rows[-1].article_id
        yield from (unpack_document(row.document) for row in rows)


def begin(store: Store, ids: Sequence[str], *, conditions: Sequence[str], rate: float | None) -> None:
    """Queue articles to be read again; the last run's outcomes make way.

    Raises WireroomError while another run is under way."""
    with store.write() as connection:
        at = store.read_clock(connection)
        run = {"conditions": list(conditions), "rate": rate, "begun_at": at, "next_at": at}
        insert_new(connection, reprocessing, [{"id": THE_RUN, **run}])
        connection.execute(select(reprocessing.c.id).with_for_update())  # one begins, another waits
        if left := connection.execute(select(func.count()).select_from(_queued().subquery())).scalar_one():
            raise WireroomError(
                f"a run is under way, {left:,} left: see `wireroom reprocess status`, or end it by its `stop`"
            )
        connection.execute(delete(reruns))
        connection.execute(update(reprocessing).values(**run))
        for start in range(0, len(ids), AT_ONCE):
            connection.execute(insert(reruns), [{"article_id": id} for id in ids[start : start + AT_ONCE]])


def stop(store: Store) -> int:
    """Take what is queued out of the queue; what is under way ends. Return how many were taken out."""
    under_way = select(articles.c.id).where(articles.c.rerun)
    with store.write() as connection:
        waits = (reruns.c.outcome.is_(None), reruns.c.article_id.not_in(under_way))
        return connection.execute(delete(reruns).where(*waits)).rowcount


def due_rerun(now: ColumnElement[float]) -> ColumnElement[bool]:
    """Say in SQL that a queued article may be taken, now."""
    open_now = exists(select(reprocessing.c.id).where(reprocessing.c.next_at <= now))
    backlog = select(articles.c.id).where(articles.c.stage == Stage.INDEX).offset(INDEX_BACKLOG).limit(1)
    news = select(articles.c.id).where(due_article(Stage.ENRICH, now)).limit(1)
    may = (open_now, may_claim(Stage.ENRICH, now), not_(exists(backlog)), not_(exists(news)))
    return and_(*may, exists(_takeable(now).limit(1)))


def count_queued(connection: Connection, now: ColumnElement[float]) -> int:
    """Count the queued articles that rest: nothing else tells that they are yet to be done."""
    resting = select(func.count()).select_from(_takeable(now).subquery())
    count: int = connection.execute(resting).scalar_one()
    return count


def claim_reruns(store: Store, *, owner: str, limit: int) -> tuple[ArticleClaim, ...]:
    """Claim queued articles for enrich, as many as its rate allows; none while anything newer is due."""
    with store.read() as connection:  # most often there is nothing: then SQLite's one lock is left alone
        if not connection.execute(select(due_rerun(store.now()))).scalar_one():
            return ()
    with store.write() as connection:
        now = store.now()
        run = connection.execute(select(reprocessing).with_for_update()).one()
        at = store.read_clock(connection)
        if run.next_at > at:
            return ()
        most = limit if run.rate is None else min(limit, max(1, int(run.rate * BURST_S)))
        chosen = select(articles).where(
            articles.c.id.in_(_takeable(now).order_by(reruns.c.article_id).limit(most))
        )
        rows: Sequence[Any] = connection.execute(claimable(chosen.where(_rests(now)))).all()
        _take(connection, [row.id for row in rows], owner, now)
        if run.rate is not None:
            next_at = max(run.next_at, at - BURST_S) + len(rows) / run.rate
            connection.execute(update(reprocessing).values(next_at=next_at))
    return tuple(replace(article_claim(row, owner), rerun=True) for row in rows)


def gives_way(connection: Connection, store: Store, claim: ArticleClaim) -> bool:
    """Leave an article that was edited meanwhile to its fetch, which was put off: what was read of the edit
    so far must not pass for ours. It stays queued, and is read again after that."""
    lock_articles(connection, [claim.id])
    now = store.now()
    edited = select(articles.c.id).where(articles.c.id == claim.id, articles.c.refetch_at <= now)
    if connection.execute(edited).first() is None:
        return False
    return finish(connection, claim, rested(now))


def note_outcome(
    connection: Connection,
    store: Store,
    claim: ArticleClaim,
    outcome: Rerun,
    *,
    slug: str | None = None,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Write what came of a re-run, in the transaction that ends it."""
    values = {"outcome": outcome, "at": store.now(), "slug": slug, "changes": changes}
    connection.execute(update(reruns).where(reruns.c.article_id == claim.id).values(**values))


def record_kept(store: Store, claim: ArticleClaim, *, slug: str | None, detail: str) -> bool:
    """End a re-run whose article keeps its document: nothing is new, or (with a slug) it failed."""
    with store.write() as connection:
        if gives_way(connection, store, claim):
            return True
        if not finish(connection, claim, rested(store.now())):
            return False
        outcome = Rerun.FAILED if slug else Rerun.UNCHANGED
        note_outcome(connection, store, claim, outcome, slug=slug)
        said = "kept" if slug else "unchanged"
        happening = Happening(stage=Stage.ENRICH, outcome=said, slug=slug, detail=detail, article_id=claim.id)
        record(connection, store, [happening])
    return True


def read_reprocessing(store: Store) -> Reprocessing | None:
    """Read how the run stands; None when there was none."""
    with store.read() as connection:
        run = connection.execute(select(reprocessing)).one_or_none()
        if run is None:
            return None
        slug = case((reruns.c.outcome == Rerun.FAILED, reruns.c.slug), else_=None)
        grouped = select(reruns.c.outcome, slug, func.count(), func.max(reruns.c.at))
        rows = connection.execute(grouped.group_by(reruns.c.outcome, slug)).all()
        left: int = connection.execute(select(func.count()).select_from(_queued().subquery())).scalar_one()
        at = store.read_clock(connection)
        since = max(run.begun_at, at - PACE_S)
        recent: int = connection.execute(select(func.count()).where(reruns.c.at > since)).scalar_one()
    counts = {(outcome, slug): count for outcome, slug, count, _ in rows}
    return Reprocessing(
        conditions=tuple(run.conditions),
        rate=run.rate,
        begun_at=run.begun_at,
        chosen=sum(counts.values()),
        left=left,
        changed=counts.get((Rerun.CHANGED, None), 0),
        unchanged=counts.get((Rerun.UNCHANGED, None), 0),
        failed={str(slug): count for (outcome, slug), count in counts.items() if outcome == Rerun.FAILED},
        removed=counts.get((None, None), 0) - left,
        ended_at=None if left else max((last for *_, last in rows if last), default=run.begun_at),
        per_s=recent / max(at - since, 1.0),
    )


def read_changes(store: Store) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Read id, address and changes of each article that the run changed."""
    after = ""
    while True:
        query = select(articles.c.id, articles.c.url, reruns.c.changes).join(reruns)
        query = query.where(reruns.c.outcome == Rerun.CHANGED, reruns.c.article_id > after)
        with store.read() as connection:
            rows = connection.execute(query.order_by(reruns.c.article_id).limit(AT_ONCE)).all()
        if not rows:
            return
        after = rows[-1].id
        yield from ((row.id, row.url, row.changes) for row in rows)


def _rests(now: ColumnElement[float]) -> ColumnElement[bool]:
    # An edit sets `refetches` to 0, and its page comes first: what it changes is the publisher's doing.
    is_retry = and_(articles.c.stage == Stage.FETCH, articles.c.due_at > now, articles.c.refetches > 0)
    rests = or_(articles.c.stage.is_(None), is_retry)
    return and_(articles.c.state == State.INDEXED, articles.c.attempts == 0, rests, free(articles, now))


def _queued() -> Any:
    queued = select(reruns.c.article_id).join(articles)
    return queued.where(reruns.c.outcome.is_(None), articles.c.state == State.INDEXED)


def _takeable(now: ColumnElement[float]) -> Any:
    return _queued().where(_rests(now))


def _take(connection: Connection, ids: Sequence[str], owner: str, now: ColumnElement[float]) -> None:
    retries = articles.c.stage == Stage.FETCH
    connection.execute(
        update(articles)
        .where(articles.c.id.in_(ids))
        .values(
            lease_owner=owner,
            lease_until=now + LEASE_S,
            attempts=1,
            rerun=True,
            stage=Stage.ENRICH,
            due_at=now,
            refetch_at=case((retries, articles.c.due_at), else_=articles.c.refetch_at),
        )
    )
