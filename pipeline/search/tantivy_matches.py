"""Find inside a text what a query matched in the embedded index, for highlights."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.indexing import tantivy_schema as fields
from pipeline.search.highlight import Span
from pipeline.search.query import Leaf, Name, NameField, Phrase, Query, TextField, Word, wanted
from pipeline.search.words import spoken

LONGEST_MARKED = 100_000  # characters of a text that are looked through

Places = Mapping[str, Sequence[int]]  # a word → where it stands, counted in words


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


def _needle(leaf: Leaf) -> Needle | None:
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
    text = text[:LONGEST_MARKED]
    tokens = fields.folded().pre_tokenize(text).tokens
    words = [token.text for token in tokens]
    places = _places(words)
    found = {place for needle in needles for place in _rows(needle, words, places)}
    found |= _inflections([needle.inflected for needle in needles if needle.inflected], text, language)
    return [(tokens[place].char_offset_from, tokens[place].char_offset_to or 0) for place in sorted(found)]


def _places(words: Sequence[str]) -> Places:
    places: dict[str, list[int]] = defaultdict(list)
    for place, word in enumerate(words):
        places[word].append(place)
    return places


def _rows(needle: Needle, words: Sequence[str], places: Places) -> Iterator[int]:
    """List the places of a needle's words, where they stand in a row unless it takes them apart."""
    if needle.apart:
        for word in needle.words:
            yield from places.get(word, ())
        return
    length = len(needle.words)
    for place in _beginnings(needle, places):
        row = words[place : place + length]
        if tuple(row) == needle.words or (needle.prefix and _row_begins(row, needle.words)):
            yield from range(place, place + length)


def _beginnings(needle: Needle, places: Places) -> Iterator[int]:
    first = needle.words[0]
    if needle.prefix and len(needle.words) == 1:
        for word, each in places.items():
            if word.startswith(first):
                yield from each
    else:
        yield from places.get(first, ())


def _row_begins(row: Sequence[str], words: Sequence[str]) -> bool:
    return len(row) == len(words) and (*row[:-1],) == (*words[:-1],) and row[-1].startswith(words[-1])


def _inflections(inflected: Sequence[str], text: str, language: str | None) -> set[int]:
    """List the places of all words with the stems of some words."""
    if not inflected or language not in fields.STEMMERS:
        return set()
    stemmer = fields.stemmer(language)
    wanted_stems = {stem for word in inflected for stem in stemmer.analyze(word)}
    return {place for place, stem in enumerate(stemmer.analyze(text)) if stem in wanted_stems}
