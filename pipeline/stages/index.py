"""index: batches of documents into the index, by the one process that writes it just now."""

from collections.abc import Sequence
from contextlib import closing

from pipeline.errors import IndexBusyError
from pipeline.indexing.index import Index, PutOutcome, PutResult, Tombstone
from pipeline.model import Stage, State
from pipeline.outcomes import Cause
from pipeline.services import Services, open_index
from pipeline.stages.shift import Shift
from pipeline.store.claimed import ArticleClaim
from pipeline.store.claims import claim_articles
from pipeline.store.enriched import record_quarantine
from pipeline.store.indexed import Indexed, read_documents, record_indexed, record_removed
from pipeline.store.leases import new_owner, release

BATCH = 500

ATTEMPTS = 10
"""Workers that may die while they hold an article in index; after the first it is claimed alone."""

LINGER_S = 1.0
"""A commit costs the same for 1 document as for 100. With a commit for every 8 documents it was the largest
avoidable cost; a second between two commits brings it to a third, and no reader notices."""


def index(services: Services, shift: Shift) -> bool:
    """Index due articles until none is left or the shift is over; True when some may be left.

    Another process may hold the writer's lock: then nothing is claimed, and the next tick rings again.
    """
    owner = new_owner(Stage.INDEX)
    try:
        writer, generation = open_index(services.settings, services.store)
    except IndexBusyError:
        return False
    with closing(writer):
        while not shift.over():
            claims = claim_articles(services.store, Stage.INDEX, owner=owner, limit=BATCH)
            if not claims:
                return False
            _index_batch(services, writer, generation, _without_killers(services, claims))
            if len(claims) < BATCH:
                shift.rest(LINGER_S)
    return True


def _without_killers(services: Services, claims: Sequence[ArticleClaim]) -> Sequence[ArticleClaim]:
    for claim in claims:
        if claim.attempts > ATTEMPTS:
            detail = f"{ATTEMPTS} workers died while they indexed it"
            record_quarantine(services.store, claim, Stage.INDEX, Cause.STAGE_CRASHED, detail=detail)
    return [claim for claim in claims if claim.attempts <= ATTEMPTS]


def _index_batch(services: Services, writer: Index, generation: str, claims: Sequence[ArticleClaim]) -> None:
    gone = [claim for claim in claims if claim.state is State.DROPPED]
    kept = [claim for claim in claims if claim.state is not State.DROPPED]
    try:
        documents = read_documents(services.store, kept)
        outcomes = {each.id: each for each in writer.put(documents)}
        writer.remove([Tombstone(claim.id, claim.version, claim.first_seen_at) for claim in gone])
        writer.commit()
    except BaseException:
        release(services.store, claims, delay_s=1.0)  # the index is at fault, not the articles
        raise
    versions = {document.id: document.version for document in documents}
    results = [_result(claim, versions.get(claim.id), outcomes.get(claim.id)) for claim in kept]
    record_indexed(services.store, generation, results)
    record_removed(services.store, generation, gone)


def _result(claim: ArticleClaim, version: int | None, outcome: PutResult | None) -> Indexed:
    if version is None or outcome is None:
        return Indexed(claim=claim, version=claim.version, rejected="its document is missing from the store")
    rejected = (outcome.detail or "no reason given") if outcome.outcome is PutOutcome.REJECTED else None
    return Indexed(claim=claim, version=version, rejected=rejected)
