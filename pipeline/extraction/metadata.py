"""What a page and its feed entries say about an article beside its text."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from pipeline.extraction.authors import choose_authors
from pipeline.extraction.dates import choose_date
from pipeline.extraction.jsonld import ArticleClaims
from pipeline.extraction.markup import Markup
from pipeline.extraction.plain import one_line
from pipeline.extraction.titles import FEED, HEADING, METADATA, SHORTEST_HEADING, Witness, choose_title
from pipeline.model import Entry, Published
from pipeline.quoting import in_angle_quotes

MARKED_BYLINES = 3  # marked names that are read; further ones belong to teasers
TITLE_LIMIT = 1_000  # characters
URL_LIMIT = 8_192  # characters

# Codes that ISO 639-1 has withdrawn, codes of a country used in their place, and the two written forms of
# Norwegian, which language models know as one.
_LANGUAGE_CODES = {
    "iw": "he",
    "in": "id",
    "ji": "yi",
    "jp": "ja",
    "nb": "no",
    "nn": "no",
    "cz": "cs",
    "dk": "da",
}


@dataclass(frozen=True, slots=True)
class Metadata:
    """Hold what is known of an article beside its text; the title may be empty."""

    title: str
    authors: tuple[str, ...]
    published: Published | None
    language: str | None
    canonical_url: str | None


def read_metadata(
    markup: Markup | None, claims: ArticleClaims, entries: Sequence[Entry], *, url: str, now: float | None
) -> Metadata:
    """Choose title, authors, date, language and canonical address; without `markup`, from the feed alone."""
    sites = _site_names(markup, claims, url)
    return Metadata(
        title=choose_title(_titles(markup, claims, entries), sites)[:TITLE_LIMIT],
        authors=tuple(map(in_angle_quotes, choose_authors(_bylines(markup, claims, entries), sites))),
        published=choose_date(markup, claims, entries, url=url, now=now),
        language=_language(markup, claims, entries),
        canonical_url=_canonical_url(markup, url) if markup else None,
    )


def _titles(markup: Markup | None, claims: ArticleClaims, entries: Sequence[Entry]) -> list[Witness]:
    witnesses = [Witness(entry.title, FEED) for entry in entries[:1]]
    if markup is not None:
        headings = [text for text in markup.texts("//h1") if len(text.split()) >= SHORTEST_HEADING]
        witnesses += [Witness(one_line(text), HEADING) for text in headings[:1]]
        witnesses.append(Witness(claims.headline, METADATA))
        witnesses.append(Witness(one_line(markup.meta("og:title", "twitter:title")), METADATA))
        witnesses.append(Witness(one_line(page_title(markup)), METADATA))
    return witnesses


def page_title(markup: Markup) -> str:
    """Return the text of a page's <title>."""
    return next(markup.texts("//title"), "")


def _site_names(markup: Markup | None, claims: ArticleClaims, url: str) -> list[str]:
    host = (urlsplit(url).hostname or "").removeprefix("www.")
    labels = [label for label in host.split(".")[:-1] if len(label) > 2]
    told = [markup.meta("og:site_name", "application-name"), claims.publisher] if markup else []
    return [name for name in (*told, host, *labels) if name]


def _bylines(
    markup: Markup | None, claims: ArticleClaims, entries: Sequence[Entry]
) -> Iterator[Iterable[str]]:
    yield [author for entry in entries for author in entry.authors]
    yield claims.authors
    if markup is not None:
        yield [markup.meta("author", "article:author", "parsely-author", "dc.creator", "sailthru.author")]
        yield list(markup.texts("//*[@itemprop='author']"))[:MARKED_BYLINES]
        yield list(markup.texts("//a[@rel='author']"))[:MARKED_BYLINES]


def _language(markup: Markup | None, claims: ArticleClaims, entries: Sequence[Entry]) -> str | None:
    claimed = [entry.language or "" for entry in entries]
    if markup is not None:
        root = markup.tree
        claimed = [
            root.get("lang") or root.get("xml:lang") or "",
            claims.language,
            markup.meta("og:locale"),
            *claimed,
        ]
    return next((code for claim in claimed if (code := language_code(claim))), None)


def language_code(claim: str) -> str | None:
    """Reduce a language tag to its ISO 639-1 code (RFC 5646 §2.2.1); None when it has none."""
    code = claim.strip().lower().replace("_", "-").split("-")[0]
    code = _LANGUAGE_CODES.get(code, code)
    return code if len(code) == 2 and code.isascii() and code.isalpha() else None


def _canonical_url(markup: Markup, url: str) -> str | None:
    links = (
        each for each in markup.tree.iter("link") if "canonical" in (each.get("rel") or "").lower().split()
    )
    href = next((link.get("href") for link in links), None) or markup.meta("og:url")
    if not href or len(href) > URL_LIMIT:
        return None
    try:
        address = urljoin(url, href.strip())
        usable = urlsplit(address).scheme in ("http", "https") and urlsplit(address).hostname
    except ValueError:
        return None
    return address if usable else None
