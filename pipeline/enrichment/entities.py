"""Who, what and where a text names."""

from collections import defaultdict

from pipeline.enrichment.models import Models
from pipeline.model import Entity, Label

LABELS = {"PERSON": Label.PERSON, "PER": Label.PERSON, "ORG": Label.ORGANIZATION, "GPE": Label.PLACE, "LOC": Label.PLACE}


def find_entities(title: str, text: str, language: str | None, models: Models) -> tuple[Entity, ...]:
    """Find the entities of a text; none when its language has no model."""
    model = models.get(language or "")
    if model is None:
        return ()
    found: dict[tuple[Label, str], list[tuple[str, int]]] = defaultdict(list)
    for part, base in ((title, None), (text[:100_000], 0)):
        for span in model.nlp(part).ents:
            label = LABELS.get(span.label_)
            if label:
                found[label, span.text.casefold()].append((span.text, 0 if base is None else span.start_char))
    return tuple(
        Entity(label=label, name=seen[0][0], key=key, count=len(seen), first_offset=seen[0][1])
        for (label, key), seen in found.items()
    )
