"""Find the people, organizations and places of an article, each once, with all its mentions."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.enrichment.boundaries import readable, whole_spans
from pipeline.enrichment.models import LABELS, Model, Models
from pipeline.enrichment.names import (
    begins_with_honorific,
    clean_name,
    follows_honorific,
    is_acronym_of,
    is_short_for,
    is_title,
    name_key,
    shown_case,
)
from pipeline.model import Entity, Label

READ_LIMIT = 100_000
"""Characters read of a text: some 16,000 words, thirty times an article; time and memory grow with it."""

_ACRONYM = re.compile(r"\s*\(\s*(?P<acronym>[^\W\d_](?:[^\W\d_]|[.&-]){1,9})\s*[);,]")


@dataclass(frozen=True, slots=True)
class Mention:
    """Hold one place where a name stands."""

    name: str
    key: str
    label: Label
    offset: int  # into the text; 0 in the title
    acronym: str | None  # the key of one that is declared right after it, in parentheses


def find_entities(title: str, text: str, language: str | None, models: Models) -> tuple[Entity, ...]:
    """Find the entities of an article, most mentioned first; none where the language has no model."""
    model = models.by_language.get(language or "")
    if model is None or language is None:
        return ()
    return gather(_find_mentions(title, text, model, language))


def _find_mentions(title: str, text: str, model: Model, language: str) -> list[Mention]:
    # The full stop keeps the model from reading on: without it, a name in the first line is often lost.
    heading = "" if text.startswith(title) else f"{title}.\n\n"
    whole = heading + text[:READ_LIMIT]
    # No memory zone: forgetting a text's words after each costs a third of the time. The vocabulary grows
    # until the process is renewed, which its worker does by count.
    spans = whole_spans(whole, model.find(readable(whole)))
    found = (_mention(whole, start, whole[start:end], label, language) for start, end, label in spans)
    return [
        Mention(each.name, each.key, each.label, max(0, each.offset - len(heading)), each.acronym)
        for each in found
        if each
    ]


def _mention(whole: str, start: int, surface: str, marked: str, language: str) -> Mention | None:
    label = LABELS.get(marked)
    if label is None:
        return None
    if follows_honorific(whole[max(0, start - 12) : start]) or begins_with_honorific(surface):
        label = Label.PERSON
    name = clean_name(surface, label, language=language)
    if name is None or not (key := name_key(name)):
        return None
    return Mention(name, key, label, start, _declared_acronym(whole, start, surface, name))


def _declared_acronym(whole: str, start: int, surface: str, name: str) -> str | None:
    end = start + len(surface.split(" (")[0])
    found = _ACRONYM.match(whole, end, end + 16)
    if found and " " in name and is_acronym_of(found["acronym"], name):
        return name_key(found["acronym"])
    return None


def gather(mentions: Sequence[Mention]) -> tuple[Entity, ...]:
    """Make entities of mentions in text order, most mentioned first.

    Mentions of one key are one entity, under the label that most of them have. A surname counts for the one
    person whose full name ends in it, an acronym for the name after which it stands in parentheses.
    """
    by_key: dict[str, list[Mention]] = defaultdict(list)
    for mention in mentions:
        by_key[mention.key].append(mention)
    labels = {key: _vote(group) for key, group in by_key.items()}
    full_keys = _full_keys(by_key, labels)
    merged: dict[str, list[Mention]] = defaultdict(list)
    for key, group in by_key.items():
        if key in full_keys or not is_title(key):  # John Major is Major to those who write of him
            merged[full_keys.get(key, key)].extend(group)
    entities = [
        Entity(
            label=labels[key],
            name=_shown_name(by_key[key]),
            key=key,
            count=len(group),
            first_offset=min(each.offset for each in group),
        )
        for key, group in merged.items()
    ]
    return tuple(sorted(entities, key=lambda each: (-each.count, each.first_offset, each.key)))


def _vote(group: Sequence[Mention]) -> Label:
    """Return the label of most mentions; the first mention's among equals."""
    votes = Counter(each.label for each in group)
    return max(votes, key=lambda label: votes[label])


def _full_keys(by_key: Mapping[str, Sequence[Mention]], labels: Mapping[str, Label]) -> dict[str, str]:
    """Map short keys to the full ones they stand for."""
    declared = {each.acronym: key for key, group in by_key.items() for each in group if each.acronym}
    people = [key for key, label in labels.items() if label is Label.PERSON and " " in key]
    full = {short: key for short, key in declared.items() if short in by_key and short != key}
    for short in by_key:
        fitting = [key for key in people if is_short_for(short, key) and key not in full]
        if (
            len(fitting) == 1
            and short not in full
            and _may_stand_for(by_key[short], labels[short], by_key[fitting[0]])
        ):
            full[short] = fitting[0]
    return full


def _may_stand_for(short: Sequence[Mention], label: Label, full: Sequence[Mention]) -> bool:
    """Tell whether a surname may mean a person. The small models often take one for an organization, so it
    may when the full name came first; a place (Washington) keeps its own."""
    if label is Label.PERSON:
        return True
    return label is Label.ORGANIZATION and full[0].offset <= short[0].offset


def _shown_name(group: Sequence[Mention]) -> str:
    """Choose the spelling that most mentions have, rather one that is not all in capitals."""
    spellings = Counter(each.name for each in group)
    best = max(spellings, key=lambda name: (not name.isupper(), spellings[name]))
    return shown_case(best)
