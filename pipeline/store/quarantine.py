"""The quarantine: what should not have happened, why, and how it is tried again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, Select, and_, case, exists, func, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from pipeline.model import Stage, State
from pipeline.outcomes import Cause, Reason
from pipeline.store.codec import unpack_entry
from pipeline.store.events import Happening, record
from pipeline.store.leases import lock_articles
from pipeline.store.store import Store, portions
from pipeline.store.tables import articles, documents, events, pages, projections, sightings


@dataclass(frozen=True, slots=True)
class Meaning:
    """Say in plain words what a cause means and what helps."""

    text: str
    do: str


MEANINGS: Mapping[Cause | Reason, Meaning] = {
    Cause.ENRICH_CRASHED: Meaning(
        "every try to read the page and its entry ended the process",
        "replay it after an upgrade; `quarantine drop` gives it up",
    ),
    Cause.INDEX_REJECTED: Meaning(
        "the index will not have the document, whatever is tried",
        "read the detail, mend or upgrade the index, then replay it",
    ),
    Cause.STAGE_CRASHED: Meaning(
        "a stage failed on it again and again in a way nobody foresaw",
        "replay it once; if it comes back, please report the detail",
    ),
    Reason.TOO_OLD: Meaning(
        "it was older than WIREROOM_MAX_AGE when it was first seen", "replay it to have it all the same"
    ),
    Reason.NOT_AN_ARTICLE: Meaning(
        "its link is a site's front page, under a title without a text", "replay it if it is an article"
    ),
    Reason.REFUSED_ADDRESS: Meaning(
        "its link leads to a private address or an unusual port",
        "name the network in WIREROOM_ALLOW_ADDRESSES, then replay it",
    ),
}


REPLAYABLE = (Reason.TOO_OLD, Reason.NOT_AN_ARTICLE, Reason.REFUSED_ADDRESS)
"""Reasons that a person may turn round. A duplicate's words are its twin's, a removal is for good."""

EDIT_REFUSED = case((articles.c.stage.is_(None), articles.c.reason))
"""Of an indexed article: why its newest version was refused. The one before is searched."""

WAITS = or_(
    articles.c.state == State.QUARANTINED,
    and_(articles.c.state == State.INDEXED, EDIT_REFUSED.is_not(None)),
)
"""What waits for a person."""

Columns = tuple[str, str, str, str, str | None, str | None, float, str]
Chosen = Row[Columns]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """Hold an article in quarantine, one whose edit was refused, or one that was dropped and may be tried
    again."""

    id: str
    url: str
    host: str
    cause: Cause | Reason
    detail: str | None
    at: float  # since when, seconds since the epoch
    stage: str | None  # where it went wrong
    is_indexed: bool = False  # only an edit of it was refused: the version before is searched


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Say which articles are meant: all that it names must fit. Nothing named: all that waits."""

    cause: Cause | None = None
    dropped: Reason | None = None  # not those in quarantine, but those dropped for this reason
    host: str | None = None  # with or without its port
    words: tuple[str, ...] = ()  # in the address, the detail, or what a feed said of it


def list_quarantined(store: Store, choice: Choice | None = None) -> tuple[Quarantined, ...]:
    """List the articles in quarantine, and those an edit of which was refused, by cause, then by host, newest
    first."""
    choice = choice or Choice()
    with store.read() as connection:
        rows = connection.execute(_chosen(choice)).all()
        listed = [_read(connection, row) for row in rows if _has_words(connection, row, choice.words)]
    return tuple(sorted(listed, key=lambda each: (each.cause, each.host, -each.at)))


def replay(store: Store, ids: Sequence[str], *, rate: float | None = None) -> tuple[str, ...]:
    """Try articles again from the last step that was done, `rate` a second at most; return the ids of those
    that waited for it, or were dropped for a reason that may be turned round."""
    with store.write() as connection:
        now = store.now()
        for some in portions(sorted(ids)):
            lock_articles(connection, some)  # what is removed meanwhile is read as removed
        rows = [*_among(connection, ids)]
        for place, row in enumerate(rows):
            state, stage = _resume_at(connection, row)
            values = {
                "state": state,
                "stage": stage,
                "due_at": now + (place / rate if rate else 0.0),
                "attempts": 0,
                "reason": None,
                "detail": None,
                "lease_owner": None,
                "lease_until": None,
            }
            connection.execute(update(articles).where(articles.c.id == row.id).values(**values))
        replayed = [
            Happening(stage="quarantine", outcome="replayed", slug=row.reason, article_id=row.id)
            for row in rows
        ]
        record(connection, store, replayed)
    return tuple(row.id for row in rows)


def _among(connection: Connection, ids: Sequence[str]) -> Iterator[Chosen]:
    """Read those of some articles that may be tried again, in their order."""
    may = or_(
        WAITS,
        and_(articles.c.state == State.DROPPED, articles.c.reason.in_(REPLAYABLE)),
    )
    for some in portions(ids):
        found = {row.id: row for row in connection.execute(_query(may).where(articles.c.id.in_(some)))}
        yield from (found[id] for id in dict.fromkeys(some) if id in found)


def _chosen(choice: Choice) -> Select[Columns]:
    query = _query(articles.c.state == State.DROPPED if choice.dropped else WAITS)
    if slug := choice.dropped or choice.cause:
        query = query.where(articles.c.reason == slug)
    if choice.host is not None:
        named = choice.host.lower()
        query = query.where(
            or_(articles.c.host == named, articles.c.host.startswith(f"{named}:", autoescape=True))
        )
    return query


def _query(wanted: ColumnElement[bool]) -> Select[Columns]:
    same = (articles.c.id, articles.c.url, articles.c.host, articles.c.reason, articles.c.detail)
    return select(*same, articles.c.partial, articles.c.first_seen_at, articles.c.state).where(wanted)


def _has_words(connection: Connection, row: Chosen, words: Sequence[str]) -> bool:
    if not words:
        return True
    said = select(sightings.c.entry, sightings.c.feed_url).where(sightings.c.article_id == row.id)
    parts = [row.url, row.detail or ""]
    for packed, feed in connection.execute(said):
        entry = unpack_entry(packed)
        parts += [entry.title, entry.summary, feed]
    text = " ".join(parts).casefold()
    return all(word.casefold() in text for word in words)


def _read(connection: Connection, row: Chosen) -> Quarantined:
    ended = (events.c.article_id == row.id, events.c.outcome.in_(("quarantined", "dropped")))
    last = select(events.c.at, events.c.stage).where(*ended).order_by(events.c.id.desc()).limit(1)
    event = connection.execute(last).first()
    return Quarantined(
        id=row.id,
        url=row.url,
        host=row.host,
        cause=Cause(row.reason) if row.reason in tuple(Cause) else Reason(row.reason),
        detail=row.detail,
        at=event.at if event else row.first_seen_at,  # events are trimmed by age
        stage=event.stage if event else None,
        is_indexed=row.state == State.INDEXED,
    )


def _edit_resumes_at(connection: Connection, row: Chosen) -> Stage:
    if row.reason == Cause.ENRICH_CRASHED:
        return Stage.ENRICH
    if row.reason == Cause.INDEX_REJECTED:
        return Stage.INDEX
    held = select(func.max(projections.c.version)).where(projections.c.article_id == row.id).scalar_subquery()
    is_written = and_(documents.c.article_id == row.id, documents.c.version > func.coalesce(held, 0))
    return Stage.INDEX if connection.execute(select(exists().where(is_written))).scalar_one() else Stage.FETCH


def _resume_at(connection: Connection, row: Chosen) -> tuple[State, Stage]:
    if row.state == State.INDEXED:
        return State.INDEXED, _edit_resumes_at(connection, row)
    has_document = select(exists().where(documents.c.article_id == row.id))
    if connection.execute(has_document).scalar_one():
        return State.ENRICHED, Stage.INDEX
    has_page = select(exists().where(pages.c.article_id == row.id))
    if row.partial or connection.execute(has_page).scalar_one():
        return State.FETCHED, Stage.ENRICH
    return State.FOUND, Stage.FETCH
