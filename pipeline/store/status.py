"""How it stands: counts that add up, what is late, and what a person should do about it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median

from sqlalchemy import Connection, and_, case, func, literal, or_, select
from sqlalchemy.sql.elements import ColumnElement

from pipeline.disk import Room
from pipeline.forecast import Outlook
from pipeline.model import FeedState, Stage, State
from pipeline.store.claims import due_article, due_feed, may_claim
from pipeline.store.leases import free
from pipeline.store.mending import read_hold
from pipeline.store.pauses import Pause, read_pauses
from pipeline.store.quarantine import EDIT_REFUSED
from pipeline.store.store import Store
from pipeline.store.tables import BUILDING, LIVE, articles, events, feeds, generations, projections, sightings

FAILING_AFTER = 3
"""Failures in a row that make a feed a problem: one bad answer is weather, three are an outage."""

LATE_S = 3_600.0
"""Due longer than this is a problem: a host with 500 new pages is done in 42 minutes at 5 s a page."""

SOON_DAYS = 7.0
"""A disk that is full in less is a problem: time enough to order another."""

GIB = 1024**3

LAG_OF = 500
"""Newest indexings over which the lag is taken."""

LAG_WITHIN_S = 86_400.0
"""How long ago those may be: an older figure says nothing of today."""


class PartState(StrEnum):
    """Say how one of the parts is."""

    OK = "ok"
    ABSENT = "absent"  # not created yet
    STOPPED = "stopped"  # embedded, and no `up` runs it
    UNREACHABLE = "unreachable"
    FULL = "full"  # a disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Hold how the parts are, and how many documents the index holds (`None`: it cannot say)."""

    store: PartState
    broker: PartState
    index: PartState
    archive: PartState
    disk: PartState = PartState.OK
    documents: int | None
    outlook: Outlook | None = None  # of the disk that is full first; None: not looked at

    def states(self) -> dict[str, PartState]:
        """Give the states by the parts' names."""
        return {
            "store": self.store,
            "broker": self.broker,
            "index": self.index,
            "archive": self.archive,
            "disk": self.disk,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedCounts:
    """Count feeds by state; `failing` are those of the active whose last poll failed."""

    active: int = 0
    paused: int = 0
    gone: int = 0
    failing: int = 0
    outages: int = 0  # failing for FAILING_AFTER polls or more


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Count what can be done now, how long the oldest of that has waited, and what comes later."""

    poll: int = 0
    fetch: int = 0
    enrich: int = 0
    index: int = 0
    oldest_s: float | None = None
    oldest_by_stage: Mapping[Stage, float] = field(default_factory=dict)  # seconds
    later: int = 0  # pages to be tried again
    next_retry_at: float | None = None
    held: int = 0  # feeds and pages that are due at hosts which asked to be left alone: nobody may ask these
    held_hosts: int = 0
    held_until: float | None = None  # the first of these hosts
    resting: Mapping[Stage, int] = field(default_factory=dict)  # due, and its stage may claim nothing

    @property
    def now(self) -> int:
        """Count everything that is due."""
        return self.poll + self.fetch + self.enrich + self.index


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Hold what the store counts, on one snapshot."""

    feeds: FeedCounts
    entries_without_link: int
    articles: Mapping[State, int]
    partial: Mapping[str, int]  # of the indexed
    dropped: Mapping[str, int]
    quarantined: Mapping[str, int]
    refused: Mapping[str, int] = field(default_factory=dict)  # edits; of the indexed, by cause
    projected: int  # documents that the live index should hold
    rebuild_failed: bool  # a generation was built, and is not what the store says
    is_held_back: bool = False  # the store was restored, and index rests
    lag_s: float | None  # from first sight to the index: the median of the newest
    due: Due

    @property
    def total(self) -> int:
        """Count the articles."""
        return sum(self.articles.values())


@dataclass(frozen=True, slots=True)
class Problem:
    """Say what is wrong and what helps."""

    slug: str
    text: str
    do: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """Hold what became of every feed entry. While no entry has left its feed's document:

    entries = without_link + repeated + sightings, and articles = indexed + dropped + quarantined + waiting.
    """

    entries: int
    without_link: int
    repeated: int  # the same article again in the same feed
    sightings: int
    articles: int
    whole: int
    partial: Mapping[str, int]
    dropped: Mapping[str, int]
    quarantined: Mapping[str, int]
    waiting: int


NO_COUNTS = Counts(
    feeds=FeedCounts(),
    entries_without_link=0,
    articles=dict.fromkeys(State, 0),
    partial={},
    dropped={},
    quarantined={},
    projected=0,
    rebuild_failed=False,
    lag_s=None,
    due=Due(),
)
"""What a store that is not there counts."""


def read_counts(store: Store) -> Counts:
    """Count feeds, articles by state and slug, and what is due."""
    with store.read() as connection:
        now = store.now()
        without_link = select(func.coalesce(func.sum(feeds.c.entries_without_link), 0))
        live = select(generations.c.name).where(generations.c.state == LIVE).scalar_subquery()
        projected = select(func.count()).where(projections.c.generation == live)
        partial, refused = _slugs(connection, State.INDEXED, articles.c.partial, EDIT_REFUSED)
        return Counts(
            feeds=_feeds(connection),
            entries_without_link=connection.execute(without_link).scalar_one(),
            articles=_articles(connection),
            partial=partial,
            dropped=_slugs(connection, State.DROPPED, articles.c.reason)[0],
            quarantined=_slugs(connection, State.QUARANTINED, articles.c.reason)[0],
            refused=refused,
            projected=connection.execute(projected).scalar_one(),
            rebuild_failed=_rebuild_failed(connection),
            is_held_back=read_hold(connection, store),
            lag_s=_lag(connection, now),
            due=_due(connection, store),
        )


def read_funnel(store: Store) -> Funnel:
    """Count what became of every entry of the feeds' newest documents."""
    counts = read_counts(store)
    with store.read() as connection:
        told = select(
            func.coalesce(func.sum(feeds.c.entries), 0), func.coalesce(func.sum(feeds.c.entries_repeated), 0)
        )
        entries, repeated = connection.execute(told).one()
        shown = connection.execute(select(func.count()).select_from(sightings)).scalar_one()
    partial = sum(counts.partial.values())
    return Funnel(
        entries=entries,
        without_link=counts.entries_without_link,
        repeated=repeated,
        sightings=shown,
        articles=counts.total,
        whole=counts.articles[State.INDEXED] - partial,
        partial=counts.partial,
        dropped=counts.dropped,
        quarantined=counts.quarantined,
        waiting=sum(counts.articles[state] for state in (State.FOUND, State.FETCHED, State.ENRICHED)),
    )


def find_problems(counts: Counts, parts: Parts) -> tuple[Problem, ...]:
    """Say what is wrong, worst first, and what helps."""
    return (*part_problems(parts), *_index_problems(counts, parts), *_work_problems(counts))


def part_problems(parts: Parts) -> Iterator[Problem]:
    """Say which parts do not answer, or have no room: whoever needs one of them is not ready."""
    if parts.store is PartState.UNREACHABLE:
        yield Problem("store-unreachable", "the store cannot be opened", "wireroom doctor")
    if parts.broker is PartState.UNREACHABLE:
        yield Problem("broker-unreachable", "the broker does not answer", "wireroom doctor")
    if parts.index is PartState.UNREACHABLE:
        yield Problem("index-unreadable", "the index cannot be opened", "wireroom doctor")
    if parts.archive is PartState.UNREACHABLE:
        yield Problem("archive-unreachable", "the archive's folder is not ours to use", "wireroom doctor")
    yield from _disk_problems(parts)


def _index_problems(counts: Counts, parts: Parts) -> Iterator[Problem]:
    if counts.is_held_back:
        text = "the store was restored, and index rests until you have looked"
        yield Problem("restored", text, "wireroom verify --repair")
    if parts.index is PartState.ABSENT and counts.projected and not counts.is_held_back:
        text = f"the index is gone; the store can fill a new one with {counts.projected:,} documents"
        yield Problem("index-absent", text, "wireroom up")
    is_filling = counts.due.index or Stage.INDEX in counts.due.resting or counts.is_held_back
    if parts.documents is not None and not is_filling and parts.documents != counts.projected:
        text = f"the index holds {parts.documents:,} documents, it should hold {counts.projected:,}"
        yield Problem("index-differs", text, "wireroom reindex")
    if parts.broker is PartState.STOPPED and counts.due.now:
        due = "1 thing is" if counts.due.now == 1 else f"{counts.due.now:,} things are"
        yield Problem("not-running", f"{due} due and nothing runs", "wireroom up")
    if parts.store in (PartState.OK, PartState.ABSENT) and not (counts.feeds.active or counts.total):
        yield Problem("no-feeds", "no feed is watched yet", "wireroom add URL")


def _disk_problems(parts: Parts) -> Iterator[Problem]:
    disk = parts.outlook
    if disk is None:
        if parts.disk is PartState.FULL:
            text = "a disk that Wireroom writes to is low: it rests until there is more room"
            yield Problem("disk-low", text, "wireroom doctor")
        return
    free = f"{disk.free_bytes / GIB:,.1f} GiB are free at {disk.place}"
    if disk.room is not Room.AMPLE:
        rests = "nothing is fetched" if disk.room is Room.LOW else "everything rests"
        text = f"{free}, less than WIREROOM_DISK_RESERVE: {rests} until there is more room"
        yield Problem("disk-low", text, "wireroom doctor")
    elif disk.forecast.days is not None and disk.forecast.days < SOON_DAYS:
        text = f"{free}, and none in about {disk.forecast.days:.0f} days"
        yield Problem(
            "disk-filling", text, "a larger disk, or keep less: WIREROOM_KEEP_PAGES, WIREROOM_KEEP_TEXT"
        )


def _work_problems(counts: Counts) -> Iterator[Problem]:
    if waiting := counts.articles[State.QUARANTINED]:
        text = f"{waiting:,} {'article waits' if waiting == 1 else 'articles wait'} in quarantine"
        yield Problem("quarantined", text, "wireroom quarantine")
    if refused := sum(counts.refused.values()):
        text = f"{refused:,} {'edit was' if refused == 1 else 'edits were'} refused: the text before stays"
        yield Problem("edits-refused", text, "wireroom quarantine")
    if (counts.due.oldest_s or 0) > LATE_S:
        text = f"something has been due for {(counts.due.oldest_s or 0) / 3600:.1f} hours"
        yield Problem("late", text, "wireroom doctor")
    if counts.rebuild_failed:
        text = "the last rebuild of the index failed its proof; the one before is searched"
        yield Problem("rebuild-failed", text, "wireroom reindex status --json")
    if outages := counts.feeds.outages:
        text = (
            f"{outages:,} {'feed has' if outages == 1 else 'feeds have'} failed {FAILING_AFTER} times or more"
        )
        yield Problem("feeds-failing", text, "wireroom feeds health --failing")


def _feeds(connection: Connection) -> FeedCounts:
    failing = and_(feeds.c.state == FeedState.ACTIVE, feeds.c.last_error.is_not(None))
    out = and_(failing, feeds.c.failures >= FAILING_AFTER)
    states = (feeds.c.state == state for state in FeedState)
    row = connection.execute(select(*(_count(condition) for condition in (*states, failing, out)))).one()
    active, paused, gone, failing_count, outages = tuple(row)
    return FeedCounts(active=active, paused=paused, gone=gone, failing=failing_count, outages=outages)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _articles(connection: Connection) -> dict[State, int]:
    query = select(articles.c.state, func.count()).group_by(articles.c.state)
    counted = {State(state): count for state, count in connection.execute(query)}
    return {state: counted.get(state, 0) for state in State}


def _slugs(connection: Connection, state: State, *slugs: ColumnElement[str | None]) -> list[dict[str, int]]:
    """Count the articles of a state by each of some slugs, in one look at them all."""
    has_any = or_(*(slug.is_not(None) for slug in slugs))
    query = select(func.count(), *slugs).where(articles.c.state == state, has_any).group_by(*slugs)
    counted: list[Counter[str]] = [Counter() for _ in slugs]
    for count, *names in connection.execute(query):
        for counter, name in zip(counted, names, strict=True):
            counter.update({} if name is None else {name: count})
    return [dict(sorted(each.items(), key=lambda pair: (-pair[1], pair[0]))) for each in counted]


def _rebuild_failed(connection: Connection) -> bool:
    query = select(generations.c.proof).where(generations.c.state == BUILDING)
    return any(proof is not None for proof in connection.execute(query).scalars())


def _lag(connection: Connection, now: ColumnElement[float]) -> float | None:
    indexed = (events.c.stage == Stage.INDEX, events.c.outcome == "indexed")
    newest = select(events.c.article_id).where(events.c.at > now - LAG_WITHIN_S, *indexed)
    ids = newest.order_by(events.c.at.desc()).limit(LAG_OF).subquery()
    query = select((articles.c.indexed_at - articles.c.first_seen_at).label("lag")).where(
        articles.c.id.in_(select(ids.c.article_id)), articles.c.indexed_at > now - LAG_WITHIN_S
    )
    lags: Sequence[float] = connection.execute(query).scalars().all()
    return median(lags) if lags else None


def _due(connection: Connection, store: Store) -> Due:
    at = store.read_clock(connection)
    now = literal(at)  # one for all statements: what they count must add up
    pauses = read_pauses(connection, store)
    waits = _waits(connection, now, pauses)
    rests = {stage for stage in waits if not connection.execute(select(may_claim(stage, now))).scalar_one()}
    work = {stage: (0, None) if stage in rests else each for stage, each in waits.items()}
    oldest = {stage: since for stage, (_, since) in work.items() if since is not None}
    later = (articles.c.stage.is_not(None), articles.c.due_at > now, free(articles, now))
    retries, next_retry_at = connection.execute(
        select(func.count(), func.min(articles.c.due_at)).where(*later)
    ).one()
    held = _held(connection, now, pauses)
    return Due(
        poll=work[Stage.POLL][0],
        fetch=work[Stage.FETCH][0],
        enrich=work[Stage.ENRICH][0],
        index=work[Stage.INDEX][0],
        oldest_s=max(0.0, at - min(oldest.values())) if oldest else None,
        oldest_by_stage={stage: max(0.0, at - since) for stage, since in oldest.items()},
        later=retries,
        next_retry_at=next_retry_at,
        held=sum(held.values()),
        held_hosts=len(held),
        held_until=min((pauses[host].until for host in held), default=None),
        resting={stage: number for stage, (number, _) in waits.items() if stage in rests and number},
    )


def _waits(
    connection: Connection, now: ColumnElement[float], pauses: Mapping[str, Pause]
) -> dict[Stage, tuple[int, float | None]]:
    """Count by stage what is due where somebody may be asked, with the time since which the oldest is."""
    polls = select(func.count(), func.min(feeds.c.next_poll_at)).where(due_feed(now))
    tasks = select(func.count(), func.min(articles.c.due_at))
    waits = {
        Stage.POLL: polls.where(feeds.c.host.not_in(pauses)),
        Stage.FETCH: tasks.where(due_article(Stage.FETCH, now), articles.c.host.not_in(pauses)),
        Stage.ENRICH: tasks.where(due_article(Stage.ENRICH, now)),
        Stage.INDEX: tasks.where(due_article(Stage.INDEX, now)),
    }
    counted = {stage: connection.execute(query).one() for stage, query in waits.items()}
    return {stage: (row[0], row[1]) for stage, row in counted.items()}


def _held(
    connection: Connection, now: ColumnElement[float], pauses: Mapping[str, Pause]
) -> Mapping[str, int]:
    """Count by host what is due where nobody may be asked."""
    if not pauses:
        return {}
    waiting: Counter[str] = Counter()
    for host, is_due in ((feeds.c.host, due_feed(now)), (articles.c.host, due_article(Stage.FETCH, now))):
        query = select(host, func.count()).where(is_due, host.in_(pauses)).group_by(host)
        waiting.update({row[0]: row[1] for row in connection.execute(query)})
    return waiting
