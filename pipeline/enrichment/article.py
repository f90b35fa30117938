"""From an article's text to what it is about: language, entities, fingerprint, and by which models."""

from dataclasses import dataclass

from pipeline.enrichment.entities import find_entities
from pipeline.enrichment.fingerprints import fingerprint
from pipeline.enrichment.language import LanguageDetector
from pipeline.enrichment.models import Models
from pipeline.extraction.article import extractor_stamp
from pipeline.model import Entity, Extraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Enriched:
    """Hold what was found in an article's text, and the stamps of what found it."""

    language: str | None  # ISO 639-1
    entities: tuple[Entity, ...]
    fingerprint: tuple[int, ...]
    extractor_stamp: str
    language_stamp: str
    model_stamp: str | None  # None: the language has no model


def enrich_text(extraction: Extraction, *, models: Models, languages: LanguageDetector) -> Enriched:
    """Find the language, the entities and the fingerprint of an article."""
    language = languages.detect(extraction.text, claim=extraction.language)
    return Enriched(
        language=language,
        entities=find_entities(extraction.title, extraction.text, language, models),
        fingerprint=fingerprint(extraction.text),
        extractor_stamp=extractor_stamp(),
        language_stamp=languages.stamp,
        model_stamp=models.stamp(language),
    )
