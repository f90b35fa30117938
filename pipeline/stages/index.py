"""index: batches of documents into the live generation of the index."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from pipeline.errors import GenerationMovedError, IndexBusyError, IndexUnavailableError
from pipeline.indexing.index import Index, PutOutcome, PutResult, Tombstone
from pipeline.indexing.live import open_live
from pipeline.model import Document, Stage, State
from pipeline.outcomes import Cause
from pipeline.points import Point, reached
from pipeline.services import Services
from pipeline.stages.shift import Shift
from pipeline.store.claimed import ArticleClaim
from pipeline.store.claims import claim_articles, claim_suspects
from pipeline.store.enriched import record_quarantine
from pipeline.store.indexed import (
    Indexed,
    forget_kept,
    kept_with,
    put_off,
    read_documents,
    record_indexed,
    record_removed,
)
from pipeline.store.leases import new_owner, release
from pipeline.store.mending import jump_over

BATCH = 500

SUSPECTS = 32
"""Articles that are claimed together after the death of their worker. It leaves 1,000, a batch and the one
that was read ahead: that is 32 commits (2.9 s with the embedded index; each alone takes 200 s), and if one of
them kills, its 32 go alone."""

ATTEMPTS = 10
"""Workers that may die while they hold an article in index; after the second it is claimed alone."""

LINGER_S = 1.0
"""A commit costs the same for 1 document as for 100. With a commit for every 8 documents it was the largest
avoidable cost; a second between two commits brings it to a third, and no reader notices."""

AWAY_S = 1.0
"""Between two tries of a worker while the index is away: enrich rings for every article."""

DEFERRED_S = 5.0
"""Until a document that the index would not take just now is put again."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Hold claimed articles and the documents of those that are to be in the index."""

    claims: Sequence[ArticleClaim]
    documents: Sequence[Document]
    claimed: int  # with those that were put aside

    @property
    def is_full(self) -> bool:
        """Tell whether there is probably more."""
        return self.claimed == BATCH

    @property
    def is_retry(self) -> bool:
        """Tell whether an earlier attempt failed; few such articles are claimed together."""
        return any(claim.attempts > 1 for claim in self.claims)


def index(services: Services, shift: Shift) -> bool:
    """Index due articles until none is left or the shift is over; True when some may be left.

    Another process may hold the writer's lock: then nothing is claimed, and the next tick rings again.
    """
    owner = new_owner(Stage.INDEX)
    try:
        writer, generation = open_live(services)
        with closing(writer):
            return _index_due(services, shift, writer, generation, owner)
    except IndexBusyError:
        return False
    except GenerationMovedError:
        return True  # opened anew in the next shift
    except IndexUnavailableError as error:
        log.warning("articles wait for the index", extra={"error": error})
        shift.rest(AWAY_S)
        return False


def _index_due(services: Services, shift: Shift, writer: Index, generation: str, owner: str) -> bool:
    coming: Future[_Batch] | None = None
    with ThreadPoolExecutor(1, "ahead") as ahead:
        try:
            while not shift.over():
                shift.get_on()
                batch = coming.result() if coming else _claim(services, owner)
                # While the index writes a full batch, the next one is read: either waits for the other.
                coming = ahead.submit(_claim, services, owner) if batch.is_full else None
                if not batch.claimed:
                    writer.commit()
                    return False
                _index_batch(services, writer, generation, batch)
                # A suspect is nearly always followed by others: the death of a worker leaves hundreds.
                if not batch.is_full and not batch.is_retry:
                    shift.rest(LINGER_S)
        finally:
            if coming:
                release(services.store, coming.result().claims)
    _index_suspects(services, shift, writer, generation, owner)
    writer.commit()
    return True


def _index_suspects(services: Services, shift: Shift, writer: Index, generation: str, owner: str) -> None:
    """Index some of what failed before: news goes first, yet there may always be news."""
    if shift.stopping.is_set():
        return
    shift.get_on()
    claims = claim_suspects(services.store, Stage.INDEX, owner=owner, limit=SUSPECTS)
    if claims:
        _index_batch(services, writer, generation, _read(services, claims))


def _claim(services: Services, owner: str) -> _Batch:
    """Claim the next batch and read its documents."""
    claims = claim_articles(services.store, Stage.INDEX, owner=owner, limit=BATCH, suspects=SUSPECTS)
    return _read(services, claims)


def _read(services: Services, claims: Sequence[ArticleClaim]) -> _Batch:
    """Read the documents of claimed articles, without those that kill their workers."""
    worn = [each for each in claims if each.attempts > ATTEMPTS and each.state is not State.DROPPED]
    for claim in worn:
        detail = f"{ATTEMPTS} workers died while they indexed it"
        record_quarantine(services.store, claim, Stage.INDEX, Cause.STAGE_CRASHED, detail=detail)
    mine = [claim for claim in claims if claim not in worn]
    try:
        if mine:
            reached(Stage.INDEX, Point.CLAIMED)
        documents = read_documents(services.store, [each for each in mine if each.state is not State.DROPPED])
    except BaseException:
        release(services.store, mine, delay_s=1.0)
        raise
    return _Batch(mine, documents, claimed=len(claims))


def _index_batch(services: Services, writer: Index, generation: str, batch: _Batch) -> None:
    with services.meters.timed(Stage.INDEX, is_retry=batch.is_retry):
        _write_batch(services, writer, generation, batch)


def _write_batch(services: Services, writer: Index, generation: str, batch: _Batch) -> None:
    gone = [claim for claim in batch.claims if claim.state is State.DROPPED]
    kept = [claim for claim in batch.claims if claim.state is not State.DROPPED]
    try:
        outcomes = {each.id: each for each in writer.put(batch.documents)}
        writer.remove([_tombstone(claim) for claim in gone])
        writer.commit(visible=not batch.is_full)
        reached(Stage.INDEX, Point.DONE)
        _record(services, generation, kept, {each.id: each for each in batch.documents}, outcomes)
        _remove_from_kept(services, gone)
        record_removed(services.store, generation, gone)
        reached(Stage.INDEX, Point.COMMITTED)
    except BaseException:
        release(services.store, batch.claims, delay_s=1.0)  # the index is at fault, not the articles
        raise


def _record(
    services: Services,
    generation: str,
    claims: Sequence[ArticleClaim],
    documents: dict[str, Document],
    outcomes: dict[str, PutResult],
) -> None:
    for outcome in outcomes.values():
        services.meters.bulk_documents.labels(outcome.outcome).inc()
    _overtake(services, generation, claims, documents, outcomes)
    off = [each for each in claims if _is_deferred(outcomes.get(each.id))]
    ids = {claim.id for claim in off}
    results = [
        _result(claim, documents.get(claim.id), outcomes.get(claim.id))
        for claim in claims
        if claim.id not in ids
    ]
    record_indexed(services.store, generation, results)
    _time_news(services, results, documents)
    if off:
        detail = outcomes[off[0].id].detail or "the index takes nothing just now"
        log.warning("%d articles wait for the index", len(off), extra={"error": detail})
        put_off(services.store, off, delay_s=DEFERRED_S, detail=detail)


def _overtake(
    services: Services,
    generation: str,
    claims: Sequence[ArticleClaim],
    documents: Mapping[str, Document],
    outcomes: Mapping[str, PutResult],
) -> None:
    """Let articles jump over newer versions that the index holds: as after a restore, it knows of a future
    that the store does not. A removal's version is not told: step by step. Then they wait for their turn."""
    ahead = {id for id, each in outcomes.items() if each.outcome is PutOutcome.SUPERSEDED}
    if ahead:
        held = {each.id: each.version for each in services.generations.held(generation, ids=sorted(ahead))}
        for claim in claims:
            if claim.id in ahead:
                version = max(held.get(claim.id, 0), documents[claim.id].version)
                jump_over(services.store, claim.id, version, owner=claim.owner)


def _time_news(services: Services, results: Sequence[Indexed], documents: dict[str, Document]) -> None:
    """Time what was indexed for the first time; an edit is no news."""
    fresh = [each.claim for each in results if each.claim.state is State.ENRICHED and not each.rejected]
    if not fresh:
        return
    with services.store.read() as connection:
        now = services.store.read_clock(connection)
    for claim in fresh:
        services.meters.indexed_after.observe(max(0.0, now - claim.first_seen_at))
        if published := documents[claim.id].published:
            services.meters.found_after.observe(max(0.0, claim.first_seen_at - published.at))


def _remove_from_kept(services: Services, gone: Sequence[ArticleClaim]) -> None:
    """Take what a person removed out of the generations that are not searched, too: those of older fields and
    those that failed their proof as well."""
    for name in kept_with(services.store, gone) if gone else ():
        if name in services.generations.names():
            with closing(services.generations.open(name)) as writer:
                writer.remove([_tombstone(claim) for claim in gone])
                writer.commit()
        forget_kept(services.store, name, gone)


def _tombstone(claim: ArticleClaim) -> Tombstone:
    return Tombstone(claim.id, claim.version, claim.first_seen_at)


def _is_deferred(outcome: PutResult | None) -> bool:
    return outcome is not None and outcome.outcome in (PutOutcome.DEFERRED, PutOutcome.SUPERSEDED)


def _result(claim: ArticleClaim, document: Document | None, outcome: PutResult | None) -> Indexed:
    if document is None or outcome is None:
        return Indexed(claim=claim, version=claim.version, rejected="its document is missing from the store")
    rejected = (outcome.detail or "no reason given") if outcome.outcome is PutOutcome.REJECTED else None
    return Indexed(claim=claim, version=document.version, rejected=rejected)
