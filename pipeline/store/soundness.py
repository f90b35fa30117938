"""Whether the store's rows agree with one another: states, sums, leases, partners, contents.

Each check asks for what can never be between two transactions; so it may be asked while workers are at work.
"""

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, and_, exists, func, or_, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import ColumnElement

from pipeline.model import FeedKind, Stage, State
from pipeline.outcomes import Reason
from pipeline.store.leases import has_died
from pipeline.store.refusals import PUT_BACK, first_line, is_damage
from pipeline.store.store import Store
from pipeline.store.tables import articles, documents, feeds, generations, hosts, pages, sightings, urls
from pipeline.store.tables import projections as held

AT_WORK = {State.FOUND: Stage.FETCH, State.FETCHED: Stage.ENRICH, State.ENRICHED: Stage.INDEX}
"""In these states something is to be done next."""

WAITS_FOR_NOTHING = or_(articles.c.stage.is_(None), articles.c.due_at.is_(None))
"""Without a stage, or a time, nobody would ever do it."""

LATE_LEASE_S = 60.0
"""A tick frees what has ended every second or so; what is held so much longer, no tick sees."""

BATCH = 500

REPORT = "please report it; `wireroom trace ID` tells what happened"
REMOVE_AGAIN = "`wireroom remove ID --reason TEXT` erases it again"
SEND_UP = "`wireroom verify --repair`"
FREE = f"{SEND_UP}, or `wireroom up`, which does so by itself"
RESTORE = "restore the store from a backup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Hold one kind of fault: what it is, which rows have it, what to do, whether `--repair` mends it."""

    slug: str
    text: str
    do: str
    ids: tuple[str, ...]
    is_mendable: bool = False


def check_rows(store: Store) -> Iterator[Fault]:
    """Look for rows that contradict each other or lack their partner."""
    with store.read() as connection:
        for slug, text, do, query in (*_lost(), *_contradictions(), *_left_over()):
            if ids := tuple(map(str, connection.execute(query).scalars())):
                yield Fault(slug=slug, text=text, do=do, ids=ids, is_mendable=slug == "stuck")
        if short := tuple(_short_feeds(connection)):
            text = "feeds whose newest document had more entries than are written down"
            yield Fault(slug="entries-missing", text=text, do=REPORT, ids=short)


def check_leases(store: Store) -> Iterator[Fault]:
    """Look for leases that have ended, or whose owner has, and that nobody frees."""
    ids: list[str] = []
    with store.read() as connection:
        now = store.read_clock(connection)
        for table in (feeds, hosts, articles):
            (key,) = table.primary_key
            shown = feeds.c.url if table is feeds else key
            query = select(shown, table.c.lease_owner, table.c.lease_until)
            rows = connection.execute(query.where(table.c.lease_owner.is_not(None)))
            ids += [row[0] for row in rows if has_died(row[1]) or (row[2] or now) < now - LATE_LEASE_S]
    if ids:
        text = "leases whose worker is gone, or that ended long ago"
        yield Fault(slug="lease-ended", text=text, do=FREE, ids=tuple(ids), is_mendable=True)


def check_documents(store: Store) -> Iterator[str]:
    """Hash every stored document; give the ids of those that are not what was written."""
    after = ""
    while True:
        with store.read() as connection:
            query = select(documents.c.article_id, documents.c.document, documents.c.sha256)
            query = query.where(documents.c.article_id > after).order_by(documents.c.article_id)
            rows = connection.execute(query.limit(BATCH)).all()
        yield from (row.article_id for row in rows if not _is_whole(row.document, row.sha256))
        if len(rows) < BATCH:
            return
        after = rows[-1].article_id


def check_file(store: Store) -> Iterator[Fault]:
    """Let SQLite look at its file; PostgreSQL looks after its own."""
    if store.engine.dialect.name != "sqlite":
        return
    try:
        with store.read() as connection:
            told = tuple(connection.exec_driver_sql("PRAGMA quick_check(10)").scalars())
    except DBAPIError as error:  # damaged so much that not even this can be asked
        if not is_damage(error):
            raise
        told = (first_line(error),)
    if told != ("ok",):
        text = "the store's file is damaged, and nothing else was looked at"
        yield Fault(slug="file-damaged", text=text, do=PUT_BACK, ids=told)


def send_on(store: Store, ids: Sequence[str]) -> None:
    """Make articles due that are at work and wait for nothing: at the stage that their state waits for."""
    for state, stage in AT_WORK.items():
        with store.write() as connection:
            stuck = and_(articles.c.id.in_(ids), articles.c.state == state, WAITS_FOR_NOTHING)
            connection.execute(update(articles).where(stuck).values(stage=stage, due_at=store.now()))


def _is_whole(packed: bytes, sha256: str) -> bool:
    try:
        return hashlib.sha256(zlib.decompress(packed)).hexdigest() == sha256
    except zlib.error:
        return False


Check = tuple[str, str, str, Any]


def _lost() -> Iterator[Check]:
    """Ask for what is on its way nowhere, or has no way here."""
    at_work = articles.c.state.in_(AT_WORK)
    stuck = select(articles.c.id).where(at_work, WAITS_FOR_NOTHING)
    yield "stuck", "articles that wait for nothing", SEND_UP, stuck
    unknown = articles.c.state.not_in(tuple(State))
    yield "state-unknown", "articles in a state that is none", REPORT, select(articles.c.id).where(unknown)
    silent = and_(articles.c.state.in_((State.DROPPED, State.QUARANTINED)), articles.c.reason.is_(None))
    text = "articles that were dropped or quarantined without a reason"
    yield "reason-missing", text, REPORT, select(articles.c.id).where(silent)
    no_twin = and_(articles.c.reason == Reason.DUPLICATE, ~_has(_twins.c.id, articles.c.duplicate_of))
    text = "duplicates of an article that is not there"
    yield "twin-missing", text, REPORT, select(articles.c.id).where(no_twin)
    own = articles.c.duplicate_of.is_(None)  # else its twin has them
    for slug, what, column in (
        ("url-missing", "no address leads to", urls.c.article_id),
        ("sighting-missing", "no feed showed", sightings.c.article_id),
    ):
        yield slug, f"articles that {what}", REPORT, select(articles.c.id).where(own, ~_has(column))


def _contradictions() -> Iterator[Check]:
    """Ask for articles and documents that do not agree."""
    joined = select(documents.c.article_id).join(articles, articles.c.id == documents.c.article_id)
    differs = or_(documents.c.version != articles.c.version, documents.c.revision != articles.c.revision)
    alive = articles.c.state != State.DROPPED
    yield (
        "version-differs",
        "articles whose version or revision is not their document's",
        REPORT,
        joined.where(alive, differs),
    )
    done = articles.c.state.in_((State.ENRICHED, State.INDEXED))
    yield (
        "document-missing",
        "articles that were read and have no document",
        RESTORE,
        select(articles.c.id).where(done, ~_has(documents.c.article_id)),
    )
    dropped = articles.c.state == State.DROPPED
    kept = or_(
        _has(documents.c.article_id), and_(articles.c.reason == Reason.REMOVED, _has(pages.c.article_id))
    )
    text = "dropped articles of which a text or a page is left"
    yield "text-left", text, REMOVE_AGAIN, select(articles.c.id).where(dropped, kept)


def _left_over() -> Iterator[Check]:
    """Ask for rows whose article or generation is not there (nobody checks that in a damaged file)."""
    for table in (documents, pages, urls, sightings, held):
        lonely = ~exists().where(articles.c.id == table.c.article_id)
        text = f"{table.name} of an article that is not there"
        yield f"orphan-{table.name}", text, RESTORE, select(table.c.article_id).where(lonely)
    lonely = ~exists().where(generations.c.name == held.c.generation)
    text = "projections of a generation that is not there"
    yield "orphan-generation", text, "`wireroom reindex`", select(held.c.generation).where(lonely).distinct()


_twins = articles.alias("twins")


def _has(column: Column[Any], key: ColumnElement[Any] = articles.c.id) -> ColumnElement[bool]:
    return exists().where(column == key)


def _short_feeds(connection: Connection) -> Iterator[str]:
    """Yield the feeds with fewer sightings than usable entries in their newest document. An index of sitemaps
    may be one: several of these list the same article, and nobody counts how often."""
    shown = select(sightings.c.feed_id, func.count().label("number")).group_by(sightings.c.feed_id).subquery()
    usable = feeds.c.entries - feeds.c.entries_repeated - feeds.c.entries_without_link
    query = select(feeds.c.url).outerjoin(shown, shown.c.feed_id == feeds.c.id)
    is_short = func.coalesce(shown.c.number, 0) < usable
    is_one_document = feeds.c.kind.is_distinct_from(FeedKind.INDEX)
    yield from connection.execute(query.where(is_short, is_one_document)).scalars()
