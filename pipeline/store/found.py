"""What a poll found: new articles, further sightings, edits. Written inside the poll's own transaction."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from time import gmtime, strftime
from typing import Any

from sqlalchemy import Connection, Row, Select, Update, and_, bindparam, case, or_, select, update

from pipeline.feeds.edits import MAX_EDITS, Seen, Shown, edited
from pipeline.feeds.queueing import Queued, fair_places
from pipeline.identity import host_of
from pipeline.model import Entry, Stage, State
from pipeline.outcomes import Reason
from pipeline.store.claimed import FeedClaim
from pipeline.store.codec import entry_hash, pack_entry
from pipeline.store.events import Happening, record
from pipeline.store.leases import lock_articles
from pipeline.store.store import Store, insert_missing, insert_new, portions
from pipeline.store.tables import articles, feeds, hosts, sightings, urls


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEntry:
    """Hold an entry with its identity and, where it is not wanted, the reason."""

    entry: Entry
    url_key: str
    article_id: str
    refused: Reason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PollCounts:
    """Count what a poll brought."""

    new: int = 0
    sighted: int = 0
    edited: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Say which URL keys have an article, whether a person removed any of these, and what time it is in the
    store."""

    url_keys: frozenset[str]
    is_any_removed: bool
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """Hold how the article of a URL key stands; `shown`: its entry when this feed showed it before."""

    article_id: str
    is_removed: bool = False
    shown: Shown | None = None


def nothing_known(*, at: float) -> Known:
    """Say what is known where an answer has no entries."""
    return Known(url_keys=frozenset(), is_any_removed=False, at=at)


def known_articles(store: Store, url_keys: Sequence[str]) -> Known:
    """Tell which URL keys are known already, and whether a person removed the article of any."""
    with store.read() as connection:
        at = store.read_clock(connection)
        reasons = {
            row.url_key: row.reason
            for portion in portions(url_keys)
            for row in connection.execute(_known(), {"keys": portion})
        }
    return Known(url_keys=frozenset(reasons), is_any_removed=Reason.REMOVED in reasons.values(), at=at)


def record_entries(
    connection: Connection, store: Store, claim: FeedClaim, found: Sequence[FoundEntry], at: float
) -> PollCounts:
    shown, standing, fresh_ids = _enter(connection, claim, found, at)
    seen = {each.article_id: each.shown for each in standing.values() if each.shown}
    removed = {each.article_id for each in standing.values() if each.is_removed}
    first = [(article_id, each) for article_id, each in shown.items() if article_id not in seen]
    changed = edited(
        {article_id: before for article_id, before in seen.items() if article_id not in removed},
        {article_id: _seen(each.entry) for article_id, each in shown.items()},
    )
    gone = lock_articles(connection, [*(article_id for article_id, _ in first), *changed])
    first = [(article_id, _bare(each) if article_id in gone else each) for article_id, each in first]
    edits = [(id, shown[id], before) for id, before in changed.items() if id not in gone]
    _insert_sightings(connection, claim, first, at)
    _touch(connection, [article_id for article_id, _ in first if article_id not in fresh_ids], at)
    _update_sightings(connection, claim, edits, at)
    said = [*first, *((article_id, each) for article_id, each, _ in edits)]
    _note_words(
        connection, [article_id for article_id, each in said if each.entry.summary or each.entry.content]
    )
    _count_folded(connection, claim, found, standing)
    told = [*_found_events(claim, first, fresh_ids), *_edit_events(claim, [id for id, *_ in edits])]
    record(connection, store, told)
    return PollCounts(new=len(fresh_ids), sighted=len(first) - len(fresh_ids), edited=len(edits))


def _enter(
    connection: Connection, claim: FeedClaim, found: Sequence[FoundEntry], at: float
) -> tuple[Mapping[str, FoundEntry], Mapping[str, _Standing], frozenset[str]]:
    """Insert articles for what is new; give what the feed shows by article, how all of it stands by URL key,
    and the ids that are new."""
    # In the order of their ids, so that two polls with the same articles cannot wait for each other.
    ordered = sorted(found, key=lambda each: each.article_id)
    standing = _standing(connection, claim.id, [each.url_key for each in ordered])
    fresh = [each for each in ordered if each.url_key not in standing]
    places = _places(found, {each.article_id for each in fresh}, at)
    fresh_ids = _insert_articles(connection, claim, fresh, places, at)
    standing |= {each.url_key: _Standing(article_id=each.article_id) for each in fresh}
    late = [each.url_key for each in fresh if each.article_id not in fresh_ids]  # others were, meanwhile
    standing |= _standing(connection, claim.id, late)
    return _merged(ordered, standing), standing, fresh_ids


def _merged(ordered: Sequence[FoundEntry], standing: Mapping[str, _Standing]) -> Mapping[str, FoundEntry]:
    """Give the first entry of each article; of what a person removed, its link alone."""
    merged: dict[str, FoundEntry] = {}
    for each in ordered:
        of = standing[each.url_key]
        merged.setdefault(of.article_id, _bare(each) if of.is_removed else each)
    return merged


def _count_folded(
    connection: Connection,
    claim: FeedClaim,
    found: Sequence[FoundEntry],
    standing: Mapping[str, _Standing],
) -> None:
    """Count as repeated the entries whose article another entry leads to, too, less the sightings that they
    have all the same: a feed that showed both before anybody knew that they are one article keeps both."""
    led: dict[str, dict[str, str]] = defaultdict(dict)
    for each in found:
        led[standing[each.url_key].article_id][each.url_key] = each.article_id
    families = {id: {id, *own.values()} for id, own in led.items() if len(own) > 1}
    sighted: set[str] = set()
    for portion in portions(list(chain.from_iterable(families.values()))):
        mine = (sightings.c.feed_id == claim.id, sightings.c.article_id.in_(portion))
        sighted.update(connection.execute(select(sightings.c.article_id).where(*mine)).scalars())
    folded = sum(max(0, len(led[id]) - len(family & sighted)) for id, family in families.items())
    if folded:
        counted = {"entries_repeated": feeds.c.entries_repeated + folded}
        connection.execute(update(feeds).where(feeds.c.id == claim.id).values(counted))


def _bare(found: FoundEntry) -> FoundEntry:
    return replace(found, entry=bare_entry(found.entry))


def _places(found: Sequence[FoundEntry], fresh: Collection[str], at: float) -> Mapping[str, float]:
    shown = [(each.article_id, each.entry.published_at) for each in found if each.article_id in fresh]
    return fair_places([Queued(article_id, published_at) for article_id, published_at in shown], at)


def _insert_articles(
    connection: Connection,
    claim: FeedClaim,
    fresh: Sequence[FoundEntry],
    places: Mapping[str, float],
    at: float,
) -> frozenset[str]:
    """Insert articles and return the ids of those that no other poll inserted meanwhile."""
    month = strftime("%Y-%m", gmtime(at))
    rows = [
        {**_article(each, at, month), "fair_at": places[each.article_id], "found_by": claim.id}
        for each in fresh
    ]
    insert_new(connection, hosts, [{"host": host} for host in sorted({row["host"] for row in rows})])
    inserted = insert_missing(connection, articles.c.id, rows)
    insert_new(
        connection,
        urls,
        [
            {"url_key": each.url_key, "article_id": each.article_id, "how": "link", "rules": 1}
            for each in fresh
        ],
    )
    return inserted


def _article(found: FoundEntry, at: float, month: str) -> dict[str, Any]:
    published = found.entry.published_at
    refused = found.refused
    return {
        "id": found.article_id,
        "url": found.entry.link,
        "host": host_of(found.entry.link),
        "state": State.DROPPED if refused else State.FOUND,
        "reason": refused,
        "stage": None if refused else Stage.FETCH,
        "due_at": None if refused else at,
        "news_at": min(published, at) if published else at,
        "first_seen_at": at,
        "month": month,
    }


def _insert_sightings(
    connection: Connection, claim: FeedClaim, first: Iterable[tuple[str, FoundEntry]], at: float
) -> None:
    insert_new(
        connection,
        sightings,
        [
            {
                "feed_id": claim.id,
                "article_id": article_id,
                "feed_url": claim.url,
                "seen_at": at,
                **_sighting(each.entry),
            }
            for article_id, each in first
        ],
    )


def _sighting(entry: Entry) -> dict[str, Any]:
    seen = _seen(entry)
    return {
        "guid": entry.guid,
        "entry": pack_entry(entry),
        "entry_hash": seen.text_hash,
        "published_at": entry.published_at,
        "updated_at": seen.updated_at,
    }


def _seen(entry: Entry) -> Seen:
    only_date = entry.published_at if entry.published_by == "updated" else None
    return Seen(entry_hash(entry), entry.updated_at or only_date or 0.0)


def _update_sightings(
    connection: Connection, claim: FeedClaim, edits: Sequence[tuple[str, FoundEntry, Shown]], at: float
) -> None:
    for article_id, each, shown in edits:
        mine = (sightings.c.feed_id == claim.id, sightings.c.article_id == article_id)
        remembered = {"earlier": shown.earlier, "edits": shown.edits}
        connection.execute(update(sightings).where(*mine).values(**_sighting(each.entry), **remembered))
    for ids in portions([article_id for article_id, *_ in edits]):
        # At rest, or waiting for a retry: ask for the page now. Under way: `refetch_at` has index do it.
        retries = and_(articles.c.stage == Stage.FETCH, articles.c.lease_owner.is_(None))
        rests = or_(articles.c.stage.is_(None), retries)
        connection.execute(
            update(articles)
            .where(
                articles.c.id.in_(ids),
                articles.c.state.in_((State.FETCHED, State.ENRICHED, State.INDEXED)),
                articles.c.revision < MAX_EDITS,
            )
            .values(
                stage=case((rests, Stage.FETCH), else_=articles.c.stage),
                due_at=case((rests, at), else_=articles.c.due_at),
                refetch_at=case((rests, None), else_=at),
                refetches=0,
            )
        )


def _touch(connection: Connection, ids: Sequence[str], at: float) -> None:
    """Mark articles that one more feed shows: their document names its feeds, so it is to be indexed anew."""
    for portion in portions(ids):
        connection.execute(_touching(), {"ids": portion, "at": at})


def _note_words(connection: Connection, ids: Sequence[str]) -> None:
    """Note that feeds' words are there again, whatever became of their articles: they go the next night."""
    for portion in portions(ids):
        connection.execute(_with_words(), {"ids": portion})


def _standing(connection: Connection, feed_id: int, url_keys: Sequence[str]) -> dict[str, _Standing]:
    return {
        row.url_key: _Standing(
            article_id=row.article_id, is_removed=row.reason == Reason.REMOVED, shown=_shown(row)
        )
        for portion in portions(url_keys)
        for row in connection.execute(_with_sightings(), {"keys": portion, "feed_id": feed_id})
    }


def _shown(row: Row[Any]) -> Shown | None:
    if row.entry_hash is None:
        return None
    return Shown(text_hash=row.entry_hash, earlier=row.earlier, edits=row.edits, updated_at=row.updated_at)


# Built once: to build one of these, with its keys one by one, costs more than to run it.
@cache
def _known() -> Select[Any]:
    owned = select(urls.c.url_key, articles.c.reason).join_from(
        urls, articles, articles.c.id == urls.c.article_id
    )
    return owned.where(urls.c.url_key.in_(bindparam("keys", expanding=True)))


@cache
def _with_sightings() -> Select[Any]:
    mine = and_(sightings.c.article_id == urls.c.article_id, sightings.c.feed_id == bindparam("feed_id"))
    kept = (sightings.c.entry_hash, sightings.c.earlier, sightings.c.edits, sightings.c.updated_at)
    return _known().outerjoin(sightings, mine).add_columns(urls.c.article_id, *kept)


@cache
def _touching() -> Update:
    rests = articles.c.stage.is_(None)
    return (
        update(articles)
        .where(
            articles.c.id.in_(bindparam("ids", expanding=True)),
            or_(articles.c.state == State.INDEXED, articles.c.stage.is_not(None)),
        )
        .values(
            touched=True,
            stage=case((rests, Stage.INDEX), else_=articles.c.stage),
            due_at=case((rests, bindparam("at")), else_=articles.c.due_at),
        )
    )


@cache
def _with_words() -> Update:
    mine = articles.c.id.in_(bindparam("ids", expanding=True))
    return update(articles).where(mine, articles.c.text_dropped_at.is_not(None)).values(text_dropped_at=None)


def bare_entry(entry: Entry) -> Entry:
    """Keep an entry's link alone."""
    return Entry(
        link=entry.link,
        guid=None,
        title="",
        summary="",
        content="",
        authors=(),
        tags=(),
        published_text=None,
        published_at=None,
        language=None,
    )


def _found_events(
    claim: FeedClaim, first: Iterable[tuple[str, FoundEntry]], fresh: Collection[str]
) -> list[Happening]:
    return [
        Happening(
            stage=Stage.POLL,
            outcome=("dropped" if each.refused else "found") if article_id in fresh else "sighted",
            slug=each.refused if article_id in fresh else None,
            detail=f"in {claim.url}",
            article_id=article_id,
            feed_id=claim.id,
        )
        for article_id, each in first
    ]


def _edit_events(claim: FeedClaim, changed: Iterable[str]) -> list[Happening]:
    return [
        Happening(
            stage=Stage.POLL,
            outcome="edited",
            detail=f"its entry in {claim.url} changed",
            article_id=article_id,
            feed_id=claim.id,
        )
        for article_id in changed
    ]
