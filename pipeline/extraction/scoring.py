"""How good is a text as the text of an article? The scores of one article's texts compare."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.extraction.walls import is_notice

COMPARE_LIMIT = 200_000
"""Characters of each text that are measured: comparing lines costs their number times the text's length."""

HALF_EXTENT_WORDS = 30
"""A text of so many words gets half the points for its length; a news brief has 40 to 80."""

SENTENCE_WORDS = 8
LONG_LINE_WORDS = 40
"""A shorter line is a heading, a label or a teaser's title; so is one without a full stop, unless it is as
long as a paragraph."""

PARAGRAPH_WORDS = 15  # a shorter line proves nothing about what surrounds it

PROSE_SHARE = 0.9
"""What a text has beyond another counts as missing from the other only when nine tenths of its words stand in
full paragraphs: of 22 of 181 pages where resiliparse has a fifth more than trafilatura, the rest of a cut
article had 0.96 and 0.99, teasers, captions and comments at most 0.79."""

NOTICES_FLOOR = 0.4  # what is left of a text that is all notices: there are articles about cookies

REFERENCE_WORDS = 5  # fewer distinct words in a feed's title and summary tell nothing

_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_SQUEEZE = re.compile(r"[\W_]+")
_SENTENCE_END = re.compile(r"[.!?。！？؟।։:][\"'”’»«“)\]】」』]*(?:\[\d+\])?$|[.!?。！？]\s*[\"'”’»]$")
_SENTENCES = re.compile(r"(?<=[.!?。！？])\s*")
_CUT_OFF = re.compile(r"(?:…|\.\.\.)[\])]?$")  # as teasers end
_LONG_WORD = re.compile(r"\w{4,}")


def word_count(text: str) -> int:
    """Count words; in scripts without spaces two characters count as one."""
    return len(text.split()) + len(_UNSPACED.findall(text)) // 2


def squeeze(text: str) -> str:
    """Reduce a text to its letters and digits, for comparing."""
    return _SQUEEZE.sub("", text)


def distinctive_words(text: str) -> frozenset[str]:
    """List the words of four letters and more, casefolded; pairs of characters in scripts without spaces."""
    folded = text[:COMPARE_LIMIT].casefold()
    unspaced = "".join(_UNSPACED.findall(folded))
    words = {word for word in _LONG_WORD.findall(folded) if not _UNSPACED.search(word)}
    return frozenset(words | {unspaced[place : place + 2] for place in range(len(unspaced) - 1)})


def is_prose(line: str, words: int) -> bool:
    """Tell whether a line reads as a sentence or a paragraph, not as a heading or another story's teaser."""
    if words < SENTENCE_WORDS or _CUT_OFF.search(line):
        return False
    return words >= LONG_LINE_WORDS or bool(_SENTENCE_END.search(line))


@dataclass(frozen=True)
class MeasuredText:
    """Hold a text with its measures, each taken once."""

    text: str

    @cached_property
    def lines(self) -> tuple[tuple[str, int], ...]:
        """Give each line with its number of words."""
        return tuple((line, word_count(line)) for line in self.text[:COMPARE_LIMIT].split("\n") if line)

    @cached_property
    def words(self) -> int:
        """Count all words."""
        return sum(words for _, words in self.lines)

    @cached_property
    def prose(self) -> int:
        """Count the words in lines that are sentences."""
        return sum(
            words for line, words in self.lines if words >= SENTENCE_WORDS and _SENTENCE_END.search(line)
        )

    @cached_property
    def notices(self) -> int:
        """Count the words in lines about cookies, consent, subscriptions or scripts."""
        return sum(words for line, words in self.lines if is_notice(line))

    @cached_property
    def whole_lines(self) -> frozenset[str]:
        """Give the lines for looking them up."""
        return frozenset(line for line, _ in self.lines)

    @cached_property
    def squeezed(self) -> str:
        """Give the letters and digits alone."""
        return squeeze(self.text[:COMPARE_LIMIT])

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Give the distinctive words."""
        return distinctive_words(self.text)

    def vocabulary_beyond(self, announced: frozenset[str]) -> frozenset[str]:
        """Give the distinctive words of the lines that say more than was announced."""
        lines = (distinctive_words(line) for line, _ in self.lines)
        return frozenset().union(*(words for words in lines if not words <= announced))


def beyond(text: MeasuredText, other: MeasuredText) -> tuple[int, int]:
    """Count the words of the sentences that `other` has and `text` has not; and of these, in paragraphs."""
    extra = paragraphs = 0
    for line, words in other.lines:
        if line in text.whole_lines:
            continue
        missing = sum(
            word_count(part) for part in _SENTENCES.split(line) if squeeze(part) not in text.squeezed
        )
        extra += missing
        if missing and words >= PARAGRAPH_WORDS and is_prose(line, words) and not is_notice(line):
            paragraphs += missing
    return extra, paragraphs


def missing_words(text: MeasuredText, others: Sequence[MeasuredText]) -> int:
    """Count the words that another text has beyond this one, where nearly all are paragraphs of prose."""
    found = [beyond(text, other) for other in others]
    return max((extra for extra, prose in found if prose >= PROSE_SHARE * extra), default=0)


def relevances(texts: Sequence[MeasuredText], announced: frozenset[str]) -> list[float]:
    """Tell from 0.5 to 1 how much each reading of a page has of the words its feed announced.

    The headline or the standfirst itself, which one reading has and another leaves out, decides nothing
    between them: their other lines do, and the best of these gets what the best whole text has.
    """
    if len(announced) < REFERENCE_WORDS or not texts:
        return [1.0] * len(texts)
    best = max(relevance(text.vocabulary, announced) for text in texts)
    beyond_it = [relevance(text.vocabulary_beyond(announced), announced) for text in texts]
    return [each / max(beyond_it) * best for each in beyond_it]


def relevance(vocabulary: frozenset[str], announced: frozenset[str]) -> float:
    """Tell from 0.5 to 1 how many of the announced words there are: half of them are plenty.

    A text with none of them is not refused: a feed may announce in another language than its page's.
    """
    return 0.5 + 0.5 * min(1.0, 2 * len(announced & vocabulary) / len(announced))


def quality(text: MeasuredText, relevance: float = 1.0) -> float:
    """Judge a text by itself, from 0 to 1.

    The product of: its extent (half at 30 words); the share of its words in sentences (at least half);
    the share outside of notices about cookies and subscriptions (at least NOTICES_FLOOR); its relevance.
    """
    if not text.words:
        return 0.0
    extent = text.words / (text.words + HALF_EXTENT_WORDS)
    prose = 0.5 + 0.5 * text.prose / text.words
    clean = max(NOTICES_FLOOR, 1 - text.notices / text.words)
    return extent * prose * clean * relevance


def completeness(text: MeasuredText, others: Sequence[MeasuredText]) -> float:
    """Compare a text's words with what the other readings of the same article have beyond it, from 0 to 1."""
    missing = missing_words(text, others)
    return text.words / (text.words + missing) if text.words else 0.0
