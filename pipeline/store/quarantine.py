"""The quarantine: what should not have happened, why, and how it is tried again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, Select, exists, select, update

from pipeline.model import Stage, State
from pipeline.outcomes import Cause
from pipeline.store.events import Happening, record
from pipeline.store.store import Store
from pipeline.store.tables import articles, documents, events, pages


@dataclass(frozen=True, slots=True)
class Meaning:
    """Say in plain words what a cause means and what helps."""

    text: str
    do: str


MEANINGS: Mapping[Cause, Meaning] = {
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
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """Hold an article in quarantine."""

    id: str
    url: str
    cause: Cause
    detail: str | None
    at: float  # since when, seconds since the epoch
    stage: str | None  # where it went wrong


def list_quarantined(store: Store, *, cause: Cause | None = None) -> tuple[Quarantined, ...]:
    """List the articles in quarantine by cause, newest first."""
    with store.read() as connection:
        rows = connection.execute(_quarantined(cause)).all()
        listed = [_read(connection, row) for row in rows]
    return tuple(sorted(listed, key=lambda each: (each.cause, -each.at)))


def replay(store: Store, ids: Sequence[str]) -> tuple[str, ...]:
    """Try quarantined articles again from the last step that was done; return the ids of those found."""
    with store.write() as connection:
        now = store.now()
        rows = connection.execute(_quarantined(None).where(articles.c.id.in_(ids))).all()
        for row in rows:
            state, stage = _resume_at(connection, row)
            values = {
                "state": state,
                "stage": stage,
                "due_at": now,
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


def _quarantined(cause: Cause | None) -> Select[tuple[str, str, str, str | None, str | None, float]]:
    wanted = articles.c.state == State.QUARANTINED
    query = select(
        articles.c.id,
        articles.c.url,
        articles.c.reason,
        articles.c.detail,
        articles.c.partial,
        articles.c.first_seen_at,
    ).where(wanted)
    return query if cause is None else query.where(articles.c.reason == cause)


def _read(
    connection: Connection, row: Row[tuple[str, str, str, str | None, str | None, float]]
) -> Quarantined:
    jailed = (events.c.article_id == row.id, events.c.outcome == "quarantined")
    last = select(events.c.at, events.c.stage).where(*jailed).order_by(events.c.id.desc()).limit(1)
    event = connection.execute(last).first()
    return Quarantined(
        id=row.id,
        url=row.url,
        cause=Cause(row.reason),
        detail=row.detail,
        at=event.at if event else row.first_seen_at,  # events are trimmed by age
        stage=event.stage if event else None,
    )


def _resume_at(
    connection: Connection, row: Row[tuple[str, str, str, str | None, str | None, float]]
) -> tuple[State, Stage]:
    has_document = select(exists().where(documents.c.article_id == row.id))
    if connection.execute(has_document).scalar_one():
        return State.ENRICHED, Stage.INDEX
    has_page = select(exists().where(pages.c.article_id == row.id))
    if row.partial or connection.execute(has_page).scalar_one():
        return State.FETCHED, Stage.ENRICH
    return State.FOUND, Stage.FETCH
