"""Make a document out of what was read and found. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from pipeline.enrichment.article import Enriched
from pipeline.enrichment.models import Models
from pipeline.identity import RULES_VERSION, outlet_of
from pipeline.model import Document, Extraction, Label, Stamps, names
from pipeline.outlets import Outlet
from pipeline.store.claimed import ArticleClaim
from pipeline.store.enriched import Material


def compose(
    claim: ArticleClaim,
    material: Material,
    extraction: Extraction,
    enriched: Enriched,
    *,
    partial: str | None,
    outlets: Mapping[str, Outlet],
) -> Document:
    """Make an article's next document; its revision grows when the publisher changed a text that we had: not
    when we read the same page again."""
    outlet = outlet_of(material.page_url or claim.url)
    named = outlets.get(outlet)
    document = Document(
        id=claim.id,
        version=claim.version + 1,
        revision=1,
        url=claim.url,
        title=extraction.title,
        text=extraction.text,
        authors=extraction.authors,
        tags=tuple(dict.fromkeys(tag for seen in material.seen for tag in seen.entry.tags)),
        language=enriched.language,
        outlet=outlet,
        outlet_name=named.name if named else outlet,
        published=extraction.published,
        first_seen_at=claim.first_seen_at,
        text_source=extraction.text_source,
        partial=partial,
        entities=enriched.entities,
        fingerprint=enriched.fingerprint,
        sightings=tuple(seen.sighting for seen in material.seen),
        stamps=Stamps(
            extractor=enriched.extractor_stamp,
            language=enriched.language_stamp,
            model=enriched.model_stamp,
            rules=RULES_VERSION,
        ),
    )
    if claim.rerun and material.previous is not None:
        return replace(document, revision=material.previous.revision)
    return replace(document, revision=_revision(material.previous, document))


def _revision(previous: Document | None, document: Document) -> int:
    if previous is None:
        return 1
    had_text = previous.partial is None or document.partial is not None
    changed = (previous.title, previous.text) != (document.title, document.text)
    return previous.revision + 1 if had_text and changed else previous.revision


def is_unchanged(previous: Document | None, document: Document) -> bool:
    """Tell whether a document says what the one that stands says."""
    if previous is None:
        return False
    return replace(document, version=previous.version, revision=previous.revision) == previous


def told(extraction: Extraction, document: Document, *, models: Models) -> str:
    """Tell in one line which text won against which, and what was found in it."""
    beaten = [
        f"{each.source} {each.score:.2f}"
        for each in extraction.candidates
        if each.source != extraction.text_source
    ]
    won = next((each.score for each in extraction.candidates if each.source == extraction.text_source), 0.0)
    against = f" over {', '.join(beaten)}" if beaten else ""
    if document.stamps.model != models.stamp(document.language):
        found = "no entities looked for: earlier attempts crashed"
    elif document.stamps.model is None:
        found = f"no entity model for {document.language or 'an unknown language'}"
    else:
        found = ", ".join(f"{len(names(document.entities, label))} {label}s" for label in Label)
    words = len(document.text.split())
    counted = f"{words:,} words, {document.language or 'language unknown'}"
    return f"text from {extraction.text_source} {won:.2f}{against}; {counted}; {found}"
