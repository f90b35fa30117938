"""Which articles a run of `reprocess` reads again, and the stamps that they would get."""

from collections.abc import Iterable, Sequence
from functools import cached_property

from pipeline.model import Document, Stamps
from pipeline.reprocessing.where import Condition
from pipeline.services import Services


def choose(documents: Iterable[Document], conditions: Sequence[Condition]) -> tuple[str, ...]:
    """List the ids of the documents that meet all conditions."""
    return tuple(
        document.id for document in documents if all(condition.holds(document) for condition in conditions)
    )


class CurrentStamps:
    """Give the stamps that this version writes; models are loaded when they are first asked for."""

    def __init__(self, services: Services) -> None:
        """Remember whose models they are."""
        self._services = services

    def __call__(self, language: str | None) -> Stamps:
        """Give the stamps of an article in a language."""
        extractor, detector, rules = self._fixed
        model = self._services.models.stamp(language)
        return Stamps(extractor=extractor, language=detector, model=model, rules=rules)

    @cached_property
    def _fixed(self) -> tuple[str, str, int]:
        from pipeline.extraction.article import extractor_stamp
        from pipeline.identity import RULES_VERSION

        return extractor_stamp(), self._services.languages.stamp, RULES_VERSION
