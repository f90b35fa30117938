"""From a page as it was served and the feed entries that led to it: text, title, authors and date."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from urllib.parse import unquote, urlsplit

from pipeline.extraction.charset import decode
from pipeline.extraction.jsonld import ArticleClaims, read_claims
from pipeline.extraction.markup import Markup, parse
from pipeline.extraction.metadata import page_title, read_metadata
from pipeline.extraction.plain import one_line, without_giant_tags
from pipeline.extraction.text import PAGE_SOURCES, Effort, Reading, rank, read_feed, read_page, visible_text
from pipeline.extraction.walls import SHARE_OF_NOTICES, WALL_WORDS, is_wall, looks_like_wall
from pipeline.model import Entry, Extraction, Page
from pipeline.outcomes import Partial
from pipeline.quoting import in_angle_quotes

__all__ = ["Effort", "extract", "extractor_stamp"]

RULES_VERSION = 2  # grows when the choice of text, title, authors or date changes

UNTITLED = "Untitled"

SHORT_WORDS = 100
"""A reading of more words without a notice among them settles that the page is no wall, so that its whole
text need not be read once more."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """Hold what a page gave to read; without markup only the feed is believed."""

    markup: Markup | None
    claims: ArticleClaims
    readings: tuple[Reading, ...]
    why_empty: str | None  # the slug that stands when no reading is usable


def extract(
    page: Page | None, entries: Sequence[Entry], *, effort: Effort, now: float | None = None
) -> Extraction:
    """Choose the best text and metadata of an article; never raises for what a page or an entry holds.

    `partial` says why the page gave no text (`blocked`, `extraction-empty`, `extraction-crashed` when
    `effort` leaves it out); it is None when there is no page, since the caller knows why. Dates more than
    a day after `now`, by default the time the page was fetched, are taken for wrong.
    """
    seen = _read(page, entries, effort)
    url = page.url if page else next((entry.link for entry in entries), "")
    now = page.fetched_at if now is None and page else now
    metadata = read_metadata(seen.markup, seen.claims, entries, url=url, now=now)
    title = in_angle_quotes(metadata.title or _title_from(url))
    candidates = rank(seen.readings, read_feed(entries), title=title)
    read = any(candidate.source in PAGE_SOURCES for candidate in candidates)
    return Extraction(
        title=title,
        text=candidates[0].text,
        text_source=candidates[0].source,
        candidates=candidates,
        authors=metadata.authors,
        published=metadata.published,
        language=metadata.language,
        canonical_url=metadata.canonical_url,
        partial=None if read else seen.why_empty,
    )


@cache
def extractor_stamp() -> str:
    """Name the extractors' versions and that of the rules by which a text is chosen."""
    return f"trafilatura-{version('trafilatura')} resiliparse-{version('resiliparse')} rules-{RULES_VERSION}"


def _read(page: Page | None, entries: Sequence[Entry], effort: Effort) -> _Seen:
    if page is None or effort is Effort.FEED:
        return _Seen(None, ArticleClaims(), (), Partial.EXTRACTION_CRASHED if page else None)
    markup = parse(without_giant_tags(decode(page.body, page.headers)))
    if markup is None:
        return _Seen(None, ArticleClaims(), (), Partial.EXTRACTION_EMPTY)
    claims = read_claims(markup)
    readings = read_page(markup, claims.body, effort=effort)
    if _is_wall(page, markup, claims, readings, entries):
        return _Seen(None, ArticleClaims(), (), Partial.BLOCKED)
    asks = any(reading.text.notices > SHARE_OF_NOTICES * reading.text.words for reading in readings)
    return _Seen(markup, claims, readings, Partial.BLOCKED if asks else Partial.EXTRACTION_EMPTY)


def _is_wall(
    page: Page,
    markup: Markup,
    claims: ArticleClaims,
    readings: Sequence[Reading],
    entries: Sequence[Entry],
) -> bool:
    title = page_title(markup)
    texts = [reading.text for reading in readings]
    plain = any(text.words >= WALL_WORDS or (text.words > SHORT_WORDS and not text.notices) for text in texts)
    if plain and not looks_like_wall(page.url, title):
        return False
    shared = markup.meta("og:title") if markup.meta("og:type") == "article" else ""
    headlines = [claims.headline, shared, *(entry.title for entry in entries)]
    return is_wall(url=page.url, title=title, body=visible_text(markup), headlines=headlines)


def _title_from(url: str) -> str:
    """Make a title out of an address: the words at the end of its path, or else its host."""
    parts = urlsplit(url)
    segments = [segment for segment in unquote(parts.path).split("/") if re.search(r"[^\W\d_]", segment)]
    words = re.sub(r"\.\w{2,5}$", "", segments[-1]) if segments else ""
    return one_line(re.sub(r"[-_+]", " ", words)) or parts.netloc or UNTITLED
