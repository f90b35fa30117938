"""The fields of the embedded index and how text becomes terms; shared by its writer and its reader.

Every document has its title and text in folded fields (lower case, no accents, unstemmed, with positions), on
which phrases, prefixes and unknown languages rely, and once more, stemmed, in the fields of its own language.
"""

import functools

import tantivy

from pipeline.search.query import AddressField, Clock, KeywordField, NameField, TextField
from pipeline.search.words import TOKEN
from pipeline.search.words import clean as clean

SCHEMA = 2  # grows with every change of fields or analysis, after which a folder must be built anew

# Snowball's languages, by ISO 639-1 code.
STEMMERS = {
    "ar": "arabic",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nb": "norwegian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}

LONGEST_TERM = 255  # bytes; longer runs are no words (base64, hashes)

EARLIEST, LATEST = -9_214_560_000.0, 9_214_646_400.0  # 1678 and 2262: tantivy counts nanoseconds in 64 bits

LABEL_FIELDS = (NameField.PERSON, NameField.ORGANIZATION, NameField.PLACE)
COUNTED_FIELDS = (*LABEL_FIELDS, NameField.OUTLET, NameField.TAG)
STORED_NAMES = (*COUNTED_FIELDS, NameField.AUTHOR)


def stemmed(field: TextField, language: str) -> str:
    """Name the field that holds a prose field in the stems of a language."""
    return f"{field}_{language}"


def whole(field: NameField) -> str:
    """Name the field that holds whole names, folded."""
    return f"{field}_whole"


def key(field: NameField) -> str:
    """Name the field whose values are counted."""
    return f"{field}_key"


def display(field: NameField) -> str:
    """Name the field that holds `display_term`s."""
    return f"{field}_display"


def display_term(key: str, name: str) -> str:
    """Join a key and a name as shown, so that the names of one key can be listed by prefix."""
    return f"{key}\x1f{name}"


def order(clock: Clock) -> str:
    """Name the field that holds `sort_key`s."""
    return f"{clock}_order"


@functools.cache
def schema() -> tantivy.Schema:
    """Build the schema."""
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_integer_field("version", fast=True, indexed=True)
    builder.add_integer_field("mark", fast=True)  # anew with every write, so that nothing changes unseen
    builder.add_boolean_field("removed", fast=True, indexed=True)  # a tombstone: only id and version
    for field in TextField:
        builder.add_text_field(field, tokenizer_name="folded")
        for language in STEMMERS:
            builder.add_text_field(
                stemmed(field, language), tokenizer_name=f"stem_{language}", index_option="freq"
            )
    for name in STORED_NAMES:
        builder.add_text_field(name, tokenizer_name="folded")
        builder.add_text_field(whole(name), fast=True, tokenizer_name="whole", index_option="basic")
    for name in COUNTED_FIELDS:
        builder.add_text_field(key(name), fast=True, tokenizer_name="raw", index_option="basic")
        builder.add_text_field(display(name), tokenizer_name="raw", index_option="basic")
    for keyword in KeywordField:
        builder.add_text_field(keyword, fast=True, tokenizer_name="whole", index_option="basic")
    for address in AddressField:
        builder.add_text_field(address, tokenizer_name="folded")
    for clock in Clock:
        builder.add_date_field(clock, fast=True, indexed=True)
        builder.add_integer_field(order(clock), fast=True, indexed=True)
    builder.add_bytes_field("stored", stored=True)
    return builder.build()


@functools.cache
def folded() -> tantivy.TextAnalyzer:
    """Build the analyzer of words without case and accents."""
    # Folding before lowering: İ lowered first would keep a dot that folding does not take off.
    return _words().filter(tantivy.Filter.ascii_fold()).filter(tantivy.Filter.lowercase()).build()


@functools.cache
def stemmer(language: str) -> tantivy.TextAnalyzer:
    """Build the analyzer of a language's stems; accents go last, since stemmers need them."""
    stem = tantivy.Filter.stemmer(STEMMERS[language])
    lowered = _words().filter(tantivy.Filter.lowercase())
    return lowered.filter(stem).filter(tantivy.Filter.ascii_fold()).build()


@functools.cache
def whole_name() -> tantivy.TextAnalyzer:
    """Build the analyzer that folds a text as one term."""
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.raw())
    return builder.filter(tantivy.Filter.ascii_fold()).filter(tantivy.Filter.lowercase()).build()


@functools.cache
def analyzers() -> dict[str, tantivy.TextAnalyzer]:
    """List the analyzers that the schema names."""
    stemmers = {f"stem_{language}": stemmer(language) for language in STEMMERS}
    return {"folded": folded(), "whole": whole_name(), **stemmers}


def folded_name(name: str) -> str:
    """Fold a whole name as the index does: case, accents and runs of spaces."""
    terms = whole_name().analyze(" ".join(clean(name).split()))
    return terms[0] if terms else ""


def folded_words(text: str) -> list[str]:
    """Cut a text into folded words, as phrases are searched."""
    return folded().analyze(clean(text))


def _words() -> tantivy.TextAnalyzerBuilder:
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(TOKEN))
    return builder.filter(tantivy.Filter.remove_long(LONGEST_TERM))
