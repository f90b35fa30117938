"""What became of what was served: asked of the index itself and of the store, not of the product's counts."""

import re
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import func, or_, select

from pipeline.identity import article_id, url_key
from pipeline.model import State
from pipeline.search.request import Hit, Sort, read_request
from pipeline.services import open_searcher, open_services
from pipeline.settings import Settings
from pipeline.store.codec import unpack_document
from pipeline.store.store import Store
from pipeline.store.tables import articles, documents, feeds, hosts
from pipeline.verifying.projection import compare_index

TO_COME_S = 60.0
RETRY_S = 600.0
"""A page that is due so much later is tried again; sooner, its news is on the way."""

REVISION = re.compile(r"revision (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Count the articles that were served, by what became of them.

    `lost`: neither in the index, nor dropped, nor in quarantine. `doubled`: documents or articles beyond one
    an address. `stale`: the index or the store says less than the newest revision that was served. `waiting`:
    articles under way. `differing`: documents whose content in the index is not the store's.
    """

    served: int
    indexed: int
    partial: int
    dropped: int
    quarantined: int
    lost: int
    doubled: int
    stale: int
    leases: int
    waiting: int
    differing: int

    @property
    def ok(self) -> bool:
        """Tell whether nothing is wrong."""
        wrong = (self.lost, self.doubled, self.stale, self.leases, self.waiting, self.differing)
        return not any(wrong)


@dataclass(frozen=True, slots=True)
class Under:
    """Count what is under way: articles that wait or are held, feeds that were not read since a moment."""

    articles: int
    feeds: int


def under_way(store: Store, *, since: float) -> Under:
    """Count what is left to do; `since` in seconds since the epoch. Retries of pages count not, nor does it
    as read when a feed was read at a moment to come, by a clock that was wrong."""
    with store.read() as connection:
        soon = or_(
            articles.c.lease_owner.is_not(None),
            articles.c.state != State.INDEXED,
            articles.c.due_at < time.time() + RETRY_S,
        )
        waits = select(func.count()).where(articles.c.stage.is_not(None), soon)
        read_at = feeds.c.last_success_at
        unread = or_(read_at.is_(None), read_at < since, read_at > time.time() + TO_COME_S)
        return Under(
            connection.execute(waits).scalar_one(),
            connection.execute(select(func.count()).select_from(feeds).where(unread)).scalar_one(),
        )


def judge(settings: Settings, served: Mapping[str, int]) -> Verdict:
    """Compare what was served (address → highest revision) with index and store; nothing may run."""
    hits = list(_all_hits(settings))
    with closing(open_services(settings)) as services:
        compared = compare_index(services, sample=None, damaged=())
        states, texts = _states(services.store), _texts(services.store)
        leases, waiting = _leases(services.store), under_way(services.store, since=time.time()).articles
    ids = {article_id(url_key(url) or ""): revision for url, revision in served.items()}
    found = {hit.id: hit for hit in hits}
    ends = Counter(states[id] for id in ids if id in states)
    gone = {id for id in ids if states.get(id) in (State.DROPPED, State.QUARANTINED)}
    return Verdict(
        served=len(ids),
        indexed=len(ids.keys() & found.keys()),
        partial=sum(hit.partial is not None for hit in hits),
        dropped=ends[State.DROPPED],
        quarantined=ends[State.QUARANTINED],
        lost=len(ids.keys() - found.keys() - gone),
        doubled=len(hits) - len(ids.keys() & found.keys()) + len(states.keys() - ids.keys()),
        stale=sum(_is_stale(found[id], texts.get(id, ""), ids[id]) for id in ids.keys() & found.keys()),
        leases=leases,
        waiting=waiting,
        differing=sum(len(each) for each in compared.differing.values()),
    )


def _is_stale(hit: Hit, text: str, revision: int) -> bool:
    shown = [int(match[1]) if (match := REVISION.search(said)) else 0 for said in (hit.title, text)]
    return min(shown) < revision


def _all_hits(settings: Settings) -> list[Hit]:
    """Read the whole of the index that searches see."""
    request = read_request("*", now=time.time(), sort=Sort.NEWEST)
    with open_searcher(settings).snapshot() as snapshot:
        return list(snapshot.scan(request))


def _states(store: Store) -> dict[str, State]:
    with store.read() as connection:
        return {
            row.id: State(row.state) for row in connection.execute(select(articles.c.id, articles.c.state))
        }


def _texts(store: Store) -> dict[str, str]:
    with store.read() as connection:
        packed = connection.execute(select(documents.c.document)).scalars()
        return {each.id: each.text for each in map(unpack_document, packed)}


def _leases(store: Store) -> int:
    with store.read() as connection:
        held = (
            select(func.count()).where(table.c.lease_owner.is_not(None)) for table in (feeds, hosts, articles)
        )
        return sum(connection.execute(query).scalar_one() for query in held)
