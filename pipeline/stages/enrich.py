"""enrich: from a page and its feed entries to a document, in a process that may be killed at any moment.

A page that kills its process is found by its attempts: alone the second time, without the heavy extractor
the third, from its feed entry alone the fourth, the fifth without a look for entities; the sixth time it
waits for a person.

With nothing newer to do it reads again what `reprocess` chose: with full effort or not at all, since there is
a document that stands.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace

from pipeline.archive.errors import ArchiveError
from pipeline.archive.reading import read
from pipeline.enrichment.article import Enriched, enrich_text
from pipeline.enrichment.fingerprints import similarity
from pipeline.enrichment.models import Models
from pipeline.extraction.article import Effort, extract
from pipeline.identity import article_id, outlet_of, url_key
from pipeline.log_context import bound
from pipeline.model import Document, Extraction, Page, Stage
from pipeline.outcomes import Cause, Partial
from pipeline.points import Point, reached
from pipeline.removing import erase_article
from pipeline.reprocessing.changes import compare
from pipeline.services import Services
from pipeline.stages.composing import compose, is_unchanged, told
from pipeline.stages.limits import time_limit
from pipeline.stages.retrying import RETRIES, retry_in
from pipeline.stages.shift import Shift
from pipeline.store.claimed import ArticleClaim
from pipeline.store.claims import claim_articles, claim_suspects
from pipeline.store.enriched import (
    Alias,
    Material,
    Twin,
    find_twins,
    read_material,
    record_document,
    record_duplicate,
    record_page_missing,
    record_quarantine,
    record_unchanged,
    wait_for_twin,
)
from pipeline.store.leases import blame, new_owner, release
from pipeline.store.reruns import claim_reruns, record_kept

BATCH = 4
"""Articles of one claim: batches of 2, 8 and 32 are as fast; a small one gives the first article sooner."""

ARTICLE_S = 20.0
"""A page of 174 kB takes 0.05 s; what takes 400 times as long hangs."""

EFFORTS = {1: Effort.FULL, 2: Effort.FULL, 3: Effort.SIMPLE, 4: Effort.FEED, 5: Effort.FEED}
"""By attempt; past the last one the article is quarantined."""

GIVEN_UP = f"failed {len(EFFORTS)} times: crashed, or was stopped after {ARTICLE_S:g} s; `trace` tells each"

RERUN_TRIES = 3
"""Attempts at a re-run, all with full effort: two workers may die of something else."""

WITHOUT_ENTITIES = max(EFFORTS)
"""The attempt that looks for no entities: better an article without them than none."""

SAME_TEXT = 0.5
"""Estimated Jaccard similarity of 5-word shingles from which two URLs that claim to be one page are believed.
A print version and its article, read from two templates, have 0.77; different articles of a site nearly 0."""

PAGE_MISSING = "page-missing"

KEPT = "the document that stands is kept"

PAGE_MISSING_S = 30.0
"""A page that was archived and cannot be read is fetched again after so long: its folder may be away."""

OF_A_PAGE = frozenset({Partial.BLOCKED, Partial.EXTRACTION_EMPTY, Partial.EXTRACTION_CRASHED})
"""What reading a page may give instead of a text: reading it again may give another."""

REMOVED_TWIN = "another address of an article that was removed"

TWIN_WAIT_S = 2.0
TWIN_WAITS = 10
"""How an article waits for another that may be the same and has no document yet: 2 s, then twice as long each
time, half an hour in all; then it goes its own way."""

log = logging.getLogger(__name__)


def enrich(services: Services, shift: Shift) -> bool:
    """Enrich due articles until none is left or the shift is over; True when some may be left."""
    owner = new_owner(Stage.ENRICH)
    services.preload()  # outside of any article's time
    while not shift.over():
        shift.get_on()
        claims = claim_articles(services.store, Stage.ENRICH, owner=owner, limit=BATCH)
        claims = claims or claim_reruns(services.store, owner=owner, limit=BATCH)
        if not claims:
            return False
        if len(claims) == BATCH:
            shift.ring(Stage.ENRICH)  # more than this process can take at once
        _enrich_batch(services, shift, claims)
        shift.ring(Stage.INDEX)  # once a batch: each ring asks the broker, which costs a millisecond
    # News first; yet what failed before must have its turn while there is always news.
    _enrich_batch(services, shift, claim_suspects(services.store, Stage.ENRICH, owner=owner))
    shift.ring(Stage.INDEX)
    return True


def _enrich_batch(services: Services, shift: Shift, claims: Sequence[ArticleClaim]) -> None:
    for position, claim in enumerate(claims):
        if shift.stopping.is_set():
            release(services.store, claims[position:])
            return
        shift.get_on()
        try:
            with (
                bound(article=claim.id, url=claim.url),
                services.meters.timed(Stage.ENRICH, is_retry=claim.attempts > 1),
                time_limit(ARTICLE_S),
            ):
                _enrich_article(services, claim)
                reached(Stage.ENRICH, Point.COMMITTED, claim.url)
        except Exception as error:
            log.warning("article failed", extra={"article": claim.id, "url": claim.url}, exc_info=error)
            blame(services.store, claim, Stage.ENRICH, detail=f"{type(error).__name__}: {error}")


def _enrich_article(services: Services, claim: ArticleClaim) -> None:
    reached(Stage.ENRICH, Point.CLAIMED, claim.url)
    effort = _effort(claim)
    if effort is None:
        _give_up(services, claim)
        return
    material = read_material(services.store, claim)
    try:
        page = _read_page(services, claim, material)
    except ArchiveError as error:
        if _settled_without_page(services, claim, material, error):
            return
        page, claim = None, replace(claim, partial=Partial.FETCH_FAILED)
    extraction = extract(
        page,
        [seen.entry for seen in material.seen],
        effort=effort,
        now=claim.first_seen_at,
    )
    aliases = _aliases(claim, page, extraction)
    models = Models({}) if claim.attempts == WITHOUT_ENTITIES else services.models
    enriched = enrich_text(extraction, models=models, languages=services.languages)
    reached(Stage.ENRICH, Point.DONE, claim.url)
    if material.previous is None and _settled_by_twin(services, claim, material, enriched, aliases):
        return
    _record(services, claim, material, extraction, enriched, aliases)


def _read_page(services: Services, claim: ArticleClaim, material: Material) -> Page | None:
    """Read the page, if the article has one. Raises ArchiveError when it had, and it is there no more."""
    if material.position is not None:
        return read(services.settings.archive_folder, material.position)
    if claim.partial is None:
        raise ArchiveError("its page is no longer kept")
    return None


def _effort(claim: ArticleClaim) -> Effort | None:
    if claim.rerun:
        return Effort.FULL if claim.attempts <= RERUN_TRIES else None
    return EFFORTS.get(claim.attempts)


def _give_up(services: Services, claim: ArticleClaim) -> None:
    if claim.rerun:
        detail = f"read again, failed {RERUN_TRIES} times: {KEPT}"
        record_kept(services.store, claim, slug=Cause.ENRICH_CRASHED, detail=detail)
        return
    record_quarantine(services.store, claim, Stage.ENRICH, Cause.ENRICH_CRASHED, detail=GIVEN_UP)


def _settled_without_page(
    services: Services, claim: ArticleClaim, material: Material, error: ArchiveError
) -> bool:
    """Fetch the page again, or keep the document that stands; False when neither is to be had."""
    if claim.rerun:
        return record_kept(services.store, claim, slug=PAGE_MISSING, detail=f"{error}: {KEPT}")
    if claim.refetches < RETRIES:
        record_page_missing(services.store, claim, detail=str(error), delay_s=PAGE_MISSING_S)
        return True
    if material.previous is not None:
        detail, partial = f"{KEPT}: {error}", material.previous.partial
        record_unchanged(services.store, claim, detail=detail, partial=partial)
        return True
    return False


def _record(
    services: Services,
    claim: ArticleClaim,
    material: Material,
    extraction: Extraction,
    enriched: Enriched,
    aliases: Sequence[Alias],
) -> None:
    why = _why_partial(claim, material, extraction)
    document = compose(claim, material, extraction, enriched, partial=why, outlets=services.outlets)
    if claim.rerun and material.previous is not None:
        _record_rerun(services, claim, material.previous, document, extraction, aliases)
        return
    again = None
    if extraction.partial and not claim.partial:  # the page was had, and gave no text
        again = retry_in(claim.refetches, first_delay_s=services.settings.retry_delay)
    if is_unchanged(material.previous, document):
        detail = "the same text as before"
        record_unchanged(services.store, claim, detail=detail, partial=document.partial, retry_in_s=again)
        return
    if why and material.previous is not None and material.previous.partial is None:
        # An edit that cannot be read takes no text away.
        record_unchanged(services.store, claim, detail=f"{why}: {KEPT}")
        return
    detail = told(extraction, document, models=services.models)
    record_document(services.store, claim, document, aliases=aliases, detail=detail, retry_in_s=again)


def _record_rerun(
    services: Services,
    claim: ArticleClaim,
    previous: Document,
    document: Document,
    extraction: Extraction,
    aliases: Sequence[Alias],
) -> None:
    """End a re-run; it asks for no page, and takes no text away."""
    if is_unchanged(previous, document):
        record_kept(services.store, claim, slug=None, detail="read again: the same as before")
    elif document.partial and previous.partial is None:
        detail = f"read again: {document.partial}: {KEPT}"
        record_kept(services.store, claim, slug=document.partial, detail=detail)
    else:
        detail = "read again: " + told(extraction, document, models=services.models)
        changes = asdict(compare(previous, document))
        record_document(
            services.store, claim, document, aliases=aliases, detail=detail, retry_in_s=None, changes=changes
        )


def _why_partial(claim: ArticleClaim, material: Material, extraction: Extraction) -> str | None:
    """Say why a document holds only what its feed said: the page was not had, or gave no text."""
    if claim.rerun and material.position and (not extraction.partial or claim.partial in OF_A_PAGE):
        return extraction.partial
    return claim.partial or extraction.partial


def _settled_by_twin(
    services: Services, claim: ArticleClaim, material: Material, enriched: Enriched, aliases: Sequence[Alias]
) -> bool:
    twins = find_twins(services.store, claim, aliases, material.seen)
    if any(_is_removed(each, enriched, aliases) for each in twins):
        erase_article(services.store, services.settings.archive_folder, claim.id, reason=REMOVED_TWIN)
        return True
    twin = next((each for each in twins if _is_same(each, enriched)), None)
    if twin is not None and twin.document is not None:
        detail = f"the same text as {twin.document.url}"
        return record_duplicate(services.store, claim, twin, detail=detail)
    coming = next((each for each in twins if each.is_coming), None)
    if coming is not None and claim.waits < TWIN_WAITS:
        return wait_for_twin(services.store, claim, coming, delay_s=TWIN_WAIT_S * 2**claim.waits)
    return False


def _is_same(twin: Twin, enriched: Enriched) -> bool:
    return similarity(twin.fingerprint, enriched.fingerprint) >= SAME_TEXT


def _is_removed(twin: Twin, enriched: Enriched, aliases: Sequence[Alias]) -> bool:
    """Tell whether this is a removed article under another address: by the words, and where there are none to
    compare, if it leads or points to that article's own address. Some sites call all their pages one."""
    if twin.is_removed and twin.fingerprint and enriched.fingerprint:
        return _is_same(twin, enriched)
    return twin.is_removed and twin.id in {article_id(each.url_key) for each in aliases}


def _aliases(claim: ArticleClaim, page: Page | None, extraction: Extraction) -> tuple[Alias, ...]:
    """List the page's further addresses: where redirects led; its canonical one, if it is of the site."""
    if page is None:
        return ()
    told_by = [("redirect", page.url)]
    canonical = extraction.canonical_url
    if canonical and url_key(canonical) and outlet_of(canonical) == outlet_of(page.url):
        told_by.append(("canonical", canonical))
    own = url_key(claim.url)
    found = {key: how for how, url in reversed(told_by) if (key := url_key(url)) and key != own}
    return tuple(Alias(url_key=key, how=how) for key, how in found.items())
