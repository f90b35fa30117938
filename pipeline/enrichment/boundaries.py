"""Where names end. The small models cut some in two: after a particle (Ursula von der | Leyen), a hyphen."""

import re
from collections.abc import Iterable, Iterator

from pipeline.enrichment.models import LABELS
from pipeline.enrichment.ner.recognizer import Span
from pipeline.model import Label

_PARTICLES = "von|van|vom|der|den|de|del|della|di|da|das|dos|du|zu|zum|zur|ter|ten|bin|ibn|al|el|ben"
_HYPHENATED = re.compile(r"(?:[-‑][^\W\d_]+)+")
_AFTER_PARTICLE = re.compile(rf"(?:\s(?:{_PARTICLES}))*\s[A-ZÀ-ÖØ-Þ][^\W\d_]+")
_ENDS_IN_PARTICLE = re.compile(rf"\s(?:{_PARTICLES})$")

_UNREADABLE = re.compile(r"(?:[^\w\s]|_){50,}|[!-~’]{200,}")
"""Rulers, rows of smileys, encoded data: spaCy cuts them into tokens in a time that grows with their length's
square, 20 s for 14,000 characters."""


def readable(text: str) -> str:
    """Blank out what holds no names and takes long to read; offsets stay."""
    return _UNREADABLE.sub(lambda run: " " * len(run[0]), text)


def whole_spans(text: str, spans: Iterable[Span]) -> Iterator[Span]:
    """Yield spans with what was cut off at their ends; what they swallow by that is left out."""
    end = 0
    for span in spans:
        if span.start < end:
            continue
        end = _end(text, span)
        yield span._replace(end=end)


def _end(text: str, span: Span) -> int:
    end = span.end
    if LABELS.get(span.label) is Label.PERSON and _ENDS_IN_PARTICLE.search(text, span.start, end):
        end = _after(_AFTER_PARTICLE, text, end)
    if text[end - 1].isalpha():
        end = _after(_HYPHENATED, text, end)
    return end


def _after(pattern: re.Pattern[str], text: str, end: int) -> int:
    found = pattern.match(text, end)
    return found.end() if found else end
