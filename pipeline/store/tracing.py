"""What happened to an article, step by step; every URL can be traced."""

import heapq
import re
from dataclasses import dataclass
from difflib import SequenceMatcher

from sqlalchemy import Connection, or_, select

from pipeline.identity import article_id, outlet_of, url_key
from pipeline.model import ArchivePosition, Label, Stage, Stamps, State, names
from pipeline.store.codec import unpack_document, unpack_entry
from pipeline.store.store import Store
from pipeline.store.tables import (
    articles,
    documents,
    events,
    feeds,
    generations,
    pages,
    projections,
    sightings,
    urls,
)
from pipeline.store.watched import rows_by_key

NEAR_OF = 5_000
"""Newest articles of a site among which the nearest are sought."""

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
class Shown:
    """Say which feed showed an article, when it was first seen there, and what it says of it by now."""

    feed: str
    seen_at: float
    title: str
    published_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Hold one of an article's addresses, in the form by which it is known, and how it was learnt."""

    key: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Sum up the document that stands."""

    version: int
    revision: int
    sha256: str
    title: str
    words: int
    text_source: str
    language: str | None
    entities: dict[str, tuple[str, ...]]
    stamps: Stamps


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldIn:
    """Say which version a generation of the index holds."""

    generation: str
    state: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """Hold an article whose address is like one that was never seen."""

    url: str
    id: str
    state: State


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
    shown: tuple[Shown, ...]
    addresses: tuple[Address, ...]
    pages: tuple[KeptPage, ...]
    document: Standing | None
    index: tuple[HeldIn, ...]
    duplicates: tuple[str, ...]  # addresses of those that are duplicates of it


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
            shown=_shown(connection, id),
            addresses=_addresses(connection, id),
            pages=_pages(connection, id),
            document=_standing(connection, id),
            index=_held(connection, id),
            duplicates=_duplicates(connection, id),
            steps=_steps(connection, id),
        )


def read_pages(store: Store, id: str) -> tuple[KeptPage, ...]:
    """Read which pages of an article are archived, oldest first."""
    with store.read() as connection:
        return _pages(connection, id)


def nearest(store: Store, url: str, *, number: int) -> tuple[Near, ...]:
    """Name the articles of a URL's site whose addresses are most like it, best first."""
    site = outlet_of(url)
    is_site = or_(
        articles.c.host.startswith(f"{site}:", autoescape=True),
        articles.c.host.contains(f".{site}:", autoescape=True),
        articles.c.host == site,  # an address literal, with its port
    )
    query = select(articles.c.url, articles.c.id, articles.c.state).where(is_site)
    with store.read() as connection:
        rows = connection.execute(query.order_by(articles.c.first_seen_at.desc()).limit(NEAR_OF)).all()
    best = heapq.nlargest(number, rows, key=lambda row: SequenceMatcher(None, row.url, url).quick_ratio())
    return tuple(Near(url=row.url, id=row.id, state=State(row.state)) for row in best)


def feeds_near(store: Store, url: str) -> tuple[str, ...]:
    """Name the feeds that are of a URL's site, or have shown articles of its host."""
    with store.read() as connection:
        listed = connection.execute(select(feeds.c.url)).scalars().all()
    site = outlet_of(url)
    return tuple(each for each in listed if url_key(each) and outlet_of(each) == site)


def is_feed(store: Store, url: str) -> bool:
    """Tell whether a URL, however spelled, is a feed's, which a person may have taken for an article's."""
    if url_key(url) is None:
        return False
    with store.read() as connection:
        return bool(rows_by_key(connection, [url]))


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


def _steps(connection: Connection, id: str) -> tuple[Step, ...]:
    told = select(events).where(events.c.article_id == id).order_by(events.c.at, events.c.id)
    return tuple(
        Step(at=each.at, stage=each.stage, outcome=each.outcome, slug=each.slug, detail=each.detail)
        for each in connection.execute(told)
    )


def _duplicates(connection: Connection, id: str) -> tuple[str, ...]:
    query = select(articles.c.url).where(articles.c.duplicate_of == id).order_by(articles.c.url)
    return tuple(connection.execute(query).scalars())


def _shown(connection: Connection, id: str) -> tuple[Shown, ...]:
    query = select(sightings).where(sightings.c.article_id == id).order_by(sightings.c.seen_at)
    return tuple(
        Shown(
            feed=row.feed_url,
            seen_at=row.seen_at,
            title=unpack_entry(row.entry).title,
            published_at=row.published_at,
        )
        for row in connection.execute(query)
    )


def _addresses(connection: Connection, id: str) -> tuple[Address, ...]:
    query = select(urls.c.url_key, urls.c.how).where(urls.c.article_id == id).order_by(urls.c.url_key)
    return tuple(Address(key=row.url_key, how=row.how) for row in connection.execute(query))


def _standing(connection: Connection, id: str) -> Standing | None:
    query = select(documents.c.document, documents.c.sha256).where(documents.c.article_id == id)
    row = connection.execute(query).first()
    if row is None:
        return None
    document = unpack_document(row.document)
    return Standing(
        version=document.version,
        revision=document.revision,
        sha256=row.sha256,
        title=document.title,
        words=len(document.text.split()),
        text_source=document.text_source,
        language=document.language,
        entities={str(label): names(document.entities, label) for label in Label},
        stamps=document.stamps,
    )


def _held(connection: Connection, id: str) -> tuple[HeldIn, ...]:
    query = select(projections.c.generation, generations.c.state, projections.c.version)
    query = query.join(generations, generations.c.name == projections.c.generation)
    rows = connection.execute(query.where(projections.c.article_id == id).order_by(generations.c.created_at))
    return tuple(HeldIn(generation=row.generation, state=row.state, version=row.version) for row in rows)


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
