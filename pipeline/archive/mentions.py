"""Erase what the archive holds of an article beside its pages: other answers of its addresses (redirects,
error pages, walls), and the bodies of feeds in which it stands."""

from collections.abc import Callable, Collection, Iterator
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.archive.errors import ArchiveError
from pipeline.archive.finding import Answer, find_answers
from pipeline.archive.reading import erase, read
from pipeline.model import ArchivePosition


def erase_mentions(
    folder: Path,
    urls: Collection[str],
    feeds: Collection[str],
    *,
    is_anothers: Callable[[ArchivePosition], bool],
) -> int:
    """Erase all answers of an article's addresses, and those of its feeds that name one; return how many.
    What is another article's page stays: both may have been sent to the same one.

    May be repeated: where a redirect leads goes before the redirect. Raises ArchiveError as `erase` does."""
    own = [each for each in find_answers(folder, urls) if not is_anothers(each.position)]
    doomed = [*reversed(own), *_naming(folder, urls, feeds)]
    for answer in doomed:
        erase(folder, answer.position)
    return len(doomed)


def _naming(folder: Path, urls: Collection[str], feeds: Collection[str]) -> Iterator[Answer]:
    forms = {form for url in urls for form in _forms(url)}
    for answer in find_answers(folder, feeds):
        try:
            body = read(folder, answer.position).body
        except ArchiveError:
            continue  # torn: nobody can read it; `verify` tells of pages, and this is none
        if any(form in body for form in forms):
            yield answer


def _forms(url: str) -> Iterator[bytes]:
    """Write an address as feeds may: whole or without its host, as it is, or escaped for XML or JSON."""
    parts = urlsplit(url)
    tail = parts.path + (f"?{parts.query}" if parts.query else "")
    for form in (tail,) if len(tail) > 1 else (url,):
        yield from {form.encode(), escape(form).encode(), form.replace("/", "\\/").encode()}
