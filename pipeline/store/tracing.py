"""What happened to an article, step by step; every URL can be traced."""

import re
from dataclasses import dataclass

from sqlalchemy import Connection, select

from pipeline.identity import article_id, url_key
from pipeline.model import ArchivePosition, Stage, State
from pipeline.store.store import Store
from pipeline.store.tables import articles, events, feeds, pages, urls

_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Hold one thing that happened."""

    at: float
    stage: str
    outcome: str
    slug: str | None
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPage:
    """Hold where a page of an article is archived."""

    url: str
    status: int
    fetched_at: float
    position: ArchivePosition


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Hold where an article is and how it came there."""

    url: str
    id: str
    state: State
    reason: str | None
    detail: str | None
    partial: str | None
    duplicate_of: str | None
    stage: Stage | None  # what is to be done next
    due_at: float | None
    attempts: int
    steps: tuple[Step, ...]  # oldest first


def find_article(store: Store, target: str) -> str | None:
    """Return the id of the article that an id or a URL names, or None.

    An article that was dropped as a duplicate is found by its own URL; by any other of its page's URLs its
    twin is found.
    """
    with store.read() as connection:
        return _find(connection, target.strip())


def standing_for(store: Store, id: str) -> str:
    """Return the article that a duplicate was dropped for, or the article itself."""
    with store.read() as connection:
        seen = {id}
        while twin := connection.execute(
            select(articles.c.duplicate_of).where(articles.c.id == id)
        ).scalar_one_or_none():
            if twin in seen:
                break
            seen.add(twin)
            id = twin
    return id


def trace(store: Store, target: str) -> Trace | None:
    """Tell what happened to the article that an id or a URL names; None when it was never seen."""
    with store.read() as connection:
        id = _find(connection, target.strip())
        if id is None:
            return None
        row = connection.execute(select(articles).where(articles.c.id == id)).one()
        told = select(events).where(events.c.article_id == id).order_by(events.c.at, events.c.id)
        return Trace(
            url=row.url,
            id=row.id,
            state=State(row.state),
            reason=row.reason,
            detail=row.detail,
            partial=row.partial,
            duplicate_of=row.duplicate_of,
            stage=Stage(row.stage) if row.stage else None,
            due_at=row.due_at,
            attempts=row.attempts,
            steps=tuple(
                Step(at=each.at, stage=each.stage, outcome=each.outcome, slug=each.slug, detail=each.detail)
                for each in connection.execute(told)
            ),
        )


def read_pages(store: Store, id: str) -> tuple[KeptPage, ...]:
    """Read which pages of an article are archived, oldest first."""
    with store.read() as connection:
        return _pages(connection, id)


def is_feed(store: Store, url: str) -> bool:
    """Tell whether a URL is that of a feed, which a person may have taken for an article's."""
    with store.read() as connection:
        query = select(feeds.c.id).where(feeds.c.url == url)
        return connection.execute(query).first() is not None


def _pages(connection: Connection, id: str) -> tuple[KeptPage, ...]:
    query = select(pages).where(pages.c.article_id == id).order_by(pages.c.id)
    return tuple(
        KeptPage(
            url=row.url,
            status=row.status,
            fetched_at=row.fetched_at,
            position=ArchivePosition(file=row.file, offset=row.offset, length=row.length, digest=row.digest),
        )
        for row in connection.execute(query)
    )


def _find(connection: Connection, target: str) -> str | None:
    key = url_key(target)
    ids = [target.lower()] if _ID.fullmatch(target.lower()) else []
    ids += [article_id(key)] if key else []
    for id in ids:
        if connection.execute(select(articles.c.id).where(articles.c.id == id)).first():
            return id
    owner = select(urls.c.article_id).where(urls.c.url_key == key)
    # The last resort reads the whole table: keys of older rules are not made again.
    exact = select(articles.c.id).where(articles.c.url == target).limit(1)
    for query in (owner, exact) if key else ():
        if found := connection.execute(query).scalar_one_or_none():
            return str(found)
    return None
