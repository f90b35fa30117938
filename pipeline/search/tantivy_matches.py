"""Find inside a text what a query matched in the embedded index, for highlights."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.indexing import tantivy_schema as fields
from pipeline.search.highlight import Span
from pipeline.search.query import Name, NameField, Phrase, Query, TextField, Word, wanted
from pipeline.search.tantivy_query import spoken

LONGEST_MARKED = 100_000  # characters of a text that are looked through


@dataclass(frozen=True, slots=True)
class Needle:
    """Hold what to look for: folded words in a row or near each other (slop), or one word inflected."""

    words: tuple[str, ...]
    prefix: bool = False
    apart: bool = False  # mark each word by itself
    inflected: str | None = None  # the word to be stemmed, when any inflection matches
    field: TextField | None = None


def needles(query: Query) -> tuple[Needle, ...]:
    """List what to look for in the prose: words, phrases, and the names of entities."""
    return tuple(needle for leaf in wanted(query) if (needle := _needle(leaf)) and needle.words)


def _needle(leaf: object) -> Needle | None:
    match leaf:
        case Word():
            words = tuple(fields.folded_words(spoken(leaf)))
            inflected = spoken(leaf) if len(words) == 1 and not leaf.prefix else None
            return Needle(words, prefix=leaf.prefix, inflected=inflected, field=leaf.field)
        case Phrase():
            return Needle(tuple(fields.folded_words(leaf.text)), apart=leaf.slop > 0, field=leaf.field)
        case Name() if leaf.field in (*fields.LABEL_FIELDS, NameField.ENTITY):
            return Needle(tuple(fields.folded_words(leaf.text)), prefix=leaf.prefix)
    return None


def matches(needles: Sequence[Needle], text: str, *, language: str | None) -> list[Span]:
    """Find the needles in a text, as character spans."""
    if not needles:
        return []
    tokens = fields.folded().pre_tokenize(text[:LONGEST_MARKED]).tokens
    words = [token.text for token in tokens]
    stems: list[str] = []
    if language in fields.STEMMERS and any(needle.inflected for needle in needles):
        stems = fields.stemmer(language).analyze(text[:LONGEST_MARKED])
    found = {place for needle in needles for place in _places(needle, words)}
    found |= {place for needle in needles for place in _inflections(needle, stems, language)}
    return [(tokens[place].char_offset_from, tokens[place].char_offset_to or 0) for place in sorted(found)]


def _places(needle: Needle, words: Sequence[str]) -> Iterator[int]:
    if needle.apart:
        yield from (place for place, word in enumerate(words) if word in needle.words)
        return
    length = len(needle.words)
    for place, word in enumerate(words):
        if word.startswith(needle.words[0]) and _row_matches(needle, words[place : place + length]):
            yield from range(place, place + length)


def _row_matches(needle: Needle, row: Sequence[str]) -> bool:
    *first, last = needle.words
    if list(row[:-1]) != first:
        return False
    return row[-1].startswith(last) if needle.prefix else row[-1] == last


def _inflections(needle: Needle, stems: Sequence[str], language: str | None) -> Iterator[int]:
    if needle.inflected is None or not stems or language is None:
        return
    wanted_stems = fields.stemmer(language).analyze(needle.inflected)
    yield from (place for place, stem in enumerate(stems) if stem in wanted_stems)
