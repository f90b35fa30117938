"""The text of an article: several readings, the best of which wins."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import trafilatura
from resiliparse.extract.html2text import extract_plain_text

from pipeline.extraction.markup import Markup
from pipeline.extraction.plain import feed_text, tidy
from pipeline.extraction.scoring import (
    MeasuredText,
    beyond,
    completeness,
    distinctive_words,
    quality,
    relevances,
)
from pipeline.model import Candidate, Entry, TextSource

USABLE = 0.25
"""Score below which a page's text is no text. Ten words get it when they make a sentence, thirty when they
do not; a title between a menu and a footer stays below."""

DISAGREEMENT = 0.2
GOOD = 0.75
"""Two readings are weak when more than DISAGREEMENT of their words are only in one of them and neither scores
GOOD: 3 of 181 article pages, so that trafilatura's third opinion costs 0.4 ms on average."""

DEEP_TAGS = 6_000
"""Opening tags of a page deeper than 256 levels up to which resiliparse looks for its main content: its time
grows with the square of the depth, 0.5 s at 5,000 levels, 2.4 s at 10,000."""

# Where two texts are as good, the one that is read more carefully wins. The second opinion has to be better
# by a sixth: its precision is 6 to 9 points lower. Set with an eye on the 181 pages, which therefore prove
# nothing of it.
_PREFERENCE = {
    TextSource.PAGE: 1.0,
    TextSource.PAGE_SECOND: 0.85,
    TextSource.JSON_LD: 0.9,
    TextSource.FEED_CONTENT: 0.9,
    TextSource.FEED_SUMMARY: 0.9,
    TextSource.TITLE: 0.5,
}
PAGE_SOURCES = frozenset({TextSource.PAGE, TextSource.PAGE_SECOND, TextSource.JSON_LD})


class Effort(StrEnum):
    """Say how hard to try: less after a page has killed the process that read it."""

    FULL = "full"
    SIMPLE = "simple"  # without trafilatura
    FEED = "feed"  # the page is not touched


@dataclass(frozen=True, slots=True)
class Reading:
    """Hold one text of an article and where it was read."""

    source: TextSource
    text: MeasuredText


def read_page(markup: Markup, claimed_body: str, *, effort: Effort) -> tuple[Reading, ...]:
    """Read a page's text in every way that its case asks for; the readings may be empty or alike.

    Two extractors of different make read each page (12 and 1.6 ms for 174 kB). Where both are weak,
    trafilatura's own chain of fall-backs gives a third reading (22 ms).
    """
    second = MeasuredText(_by_resiliparse(markup))
    readings = [
        Reading(TextSource.PAGE_SECOND, second),
        Reading(TextSource.JSON_LD, MeasuredText(claimed_body)),
    ]
    if effort is Effort.FULL:
        first = MeasuredText(_by_trafilatura(markup, fast=True))
        readings.insert(0, Reading(TextSource.PAGE, first))
        if _are_weak(first, second):
            third = MeasuredText(_by_trafilatura(markup, fast=False))
            readings.append(Reading(TextSource.PAGE_SECOND, third))
    return tuple(reading for reading in readings if reading.text.text)


def read_feed(entries: Sequence[Entry]) -> tuple[Reading, ...]:
    """Read the texts that feeds gave: the longest content and the longest summary of all entries."""
    contents = {feed_text(entry.content) for entry in entries if entry.content}
    summaries = {feed_text(entry.summary) for entry in entries if entry.summary} - contents
    longest = [
        (TextSource.FEED_CONTENT, max(contents, key=len, default="")),
        (TextSource.FEED_SUMMARY, max(summaries, key=len, default="")),
    ]
    return tuple(Reading(source, MeasuredText(text)) for source, text in longest if text)


def rank(page: Sequence[Reading], feed: Sequence[Reading], *, title: str) -> tuple[Candidate, ...]:
    """Score all readings and order them, best first; the title stands last.

    A score is a text's quality by itself, times its completeness beside the others, times a preference for
    its source. Page readings that are by themselves no usable text are left out.
    """
    relevant = relevances([each.text for each in page], _announced(feed, title))
    read = [(each, quality(each.text, share)) for each, share in zip(page, relevant, strict=True)]
    usable = [(each, points) for each, points in read if points >= USABLE]
    judged = [*usable, *((each, quality(each.text)) for each in feed)]
    readings = [each for each, _ in judged]
    scored = [_candidate(each, readings, points) for each, points in judged]
    scored.sort(key=lambda candidate: -candidate.score)
    return (*scored, Candidate(source=TextSource.TITLE, text=title, score=0.0))


def _announced(feed: Sequence[Reading], title: str) -> frozenset[str]:
    summaries = [each.text.text for each in feed if each.source is TextSource.FEED_SUMMARY]
    return distinctive_words(" ".join([title, *summaries])) if feed else frozenset()


def _candidate(reading: Reading, readings: Sequence[Reading], points: float) -> Candidate:
    others = [other.text for other in readings if other is not reading]
    score = round(points * completeness(reading.text, others) * _PREFERENCE[reading.source], 4)
    return Candidate(source=reading.source, text=reading.text.text, score=score)


def _are_weak(first: MeasuredText, second: MeasuredText) -> bool:
    alone = beyond(first, second)[0] + beyond(second, first)[0]
    if alone <= DISAGREEMENT * (first.words + second.words):
        return False
    return max(_unannounced(first, second), _unannounced(second, first)) < GOOD


def _unannounced(text: MeasuredText, other: MeasuredText) -> float:
    return quality(text) * completeness(text, [other])


def _by_trafilatura(markup: Markup, *, fast: bool) -> str:
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # it warns of every page without text
    text = trafilatura.extract(markup.tree, fast=fast, include_comments=False)
    return tidy(text or "")


def _by_resiliparse(markup: Markup) -> str:
    if markup.too_deep and markup.source.count("<") - markup.source.count("</") > DEEP_TAGS:
        return ""
    text = extract_plain_text(
        markup.source, main_content=True, alt_texts=False, list_bullets=False, comments=False
    )
    return tidy(text)


def visible_text(markup: Markup) -> str:
    """Read all that a page shows, what it tells browsers without scripts included."""
    return tidy(extract_plain_text(markup.source, alt_texts=False, list_bullets=False, noscript=True))
