"""Choose an article's title among what its feed, its page and its metadata call it."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Weights of the witnesses. The feed's title is what editors sent out; it is overruled only when the headline
# on the page, og:title and JSON-LD agree on another. Alone, each page witness is right on about 0.69 of
# modern pages: the wrong ones carry a site's name, or were written for search engines.
FEED, HEADING, METADATA = 3.0, 1.5, 1.0

SITE_NAME_WORDS = 5  # longer ends of a title are no site names
SHORTEST_SITE = 3  # letters; shorter names of sites are looked for as a whole only
SHORTEST_HEADING = 2  # words; an <h1> of one is a logo or a section

_SEPARATOR = re.compile(r"\s+[|–—·•»«:‒›]{1,2}\s+|\s+-{1,2}\s+|\s*[|]\s*")
_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")
_TRUNCATED = re.compile(r"\s*(…|\.\.\.|\[…\]|\[\.\.\.\])$")


@dataclass(frozen=True, slots=True)
class Witness:
    """Hold one name that an article is given, and how much it counts."""

    title: str
    weight: float


def fold(text: str) -> str:
    """Reduce a text to casefolded letters and digits without accents, for comparing."""
    if text.isascii():
        return _NOT_ALPHANUMERIC.sub("", text.lower())
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if character.isalnum())


def choose_title(witnesses: Sequence[Witness], site_names: Iterable[str]) -> str:
    """Choose the title that carries most weight; the empty string when there is none.

    Names of the site are cut off either end first. A witness backs a title that it equals, that it
    begins with before a separator, or that it is a cut-off beginning of. Ties go to the earlier.
    """
    sites = frozenset(filter(None, map(fold, site_names)))
    stripped = [Witness(strip_site(each.title, sites), each.weight) for each in witnesses if each.title]
    candidates = [each.title for each in stripped if not _TRUNCATED.search(each.title)]
    candidates = candidates or [each.title for each in stripped]
    return max(candidates, key=lambda title: _backing(title, stripped), default="")


def strip_site(title: str, sites: frozenset[str]) -> str:
    """Cut a site's name off the end or the beginning of a title; a title that is nothing else stays."""
    parts = _SEPARATOR.split(title)
    while len(parts) > 1 and _is_site(parts[-1], sites):
        parts.pop()
        title = title[: title.rindex(parts[-1]) + len(parts[-1])]
    if len(parts) > 1 and _is_site(parts[0], sites):
        title = title[title.index(parts[1], len(parts[0])) :]
    return title.strip()


def _is_site(part: str, sites: frozenset[str]) -> bool:
    folded = fold(part)
    if not folded or len(part.split()) > SITE_NAME_WORDS:
        return not folded
    return any(_same_site(folded, site) for site in sites)


def _same_site(part: str, site: str) -> bool:
    """Tell whether a name is a site's: `bbcnews` and `bbc`, `example` and `newsexample`."""
    if len(site) < SHORTEST_SITE:
        return part == site
    inside = len(part) > SHORTEST_SITE and part in site, len(site) > SHORTEST_SITE and site in part
    return part.startswith(site) or any(inside)


def _backing(title: str, witnesses: Sequence[Witness]) -> float:
    return sum(each.weight for each in witnesses if _backs(each.title, title))


def _backs(witness: str, title: str) -> bool:
    wanted = fold(title)
    if fold(witness) == wanted or fold(_SEPARATOR.split(witness)[0]) == wanted:
        return True
    return bool(_TRUNCATED.search(witness)) and wanted.startswith(fold(_TRUNCATED.sub("", witness)))
