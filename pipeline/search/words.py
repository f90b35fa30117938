"""How a text becomes words, alike for every back-end: what is no character of it, and where a word ends."""

import re
import unicodedata
from typing import Final

import regex

from pipeline.search.query import Word

# Scripts written without spaces (and Korean, whose particles hang on the word): a term a character, and a
# word of several is searched as a phrase.
UNSPACED_SCRIPTS: Final = ("Han", "Hiragana", "Katakana", "Hangul", "Thai", "Lao", "Khmer", "Myanmar")
_UNSPACED = "".join(rf"\p{{{script}}}" for script in UNSPACED_SCRIPTS)
TOKEN: Final = rf"[{_UNSPACED}]|[[\p{{L}}\p{{N}}\p{{M}}]--[{_UNSPACED}]]+"

# French and Italian articles that elide before a vowel: l'élection is searched as élection.
ELISION: Final = regex.compile(
    r"^(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|un|(?:a|da|de|ne|su|que)ll)['’](?=\w{2})", regex.IGNORECASE
)
# Controls except tab and line ends, soft hyphens, surrogates: no reader sees them, and they part words.
# `re` looks a plain class of characters through four times as fast as `regex`.
UNSEEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\ud800-\udfff]")

_PIECE = regex.compile(TOKEN, regex.VERSION1)


def clean(text: str) -> str:
    """Compose accents (NFC), and take out what cannot be indexed: soft hyphens, controls, lone surrogates."""
    if text.isascii() and text.isprintable():
        return text  # most names: a document has dozens of them
    seen = UNSEEN.sub(lambda match: "" if match[0] == "\xad" else " ", text)
    return unicodedata.normalize("NFC", seen)


def spoken(word: Word) -> str:
    """Take the elided article off a word: l'élection is searched as élection."""
    return str(ELISION.sub("", clean(word.text), count=1))


def pieces(text: str) -> list[str]:
    """Cut a text into the pieces that an index keeps as words (covid-19 has two), as they are written."""
    return [str(piece) for piece in _PIECE.findall(clean(text))]
