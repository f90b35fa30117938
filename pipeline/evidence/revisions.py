"""What the publisher wrote, and rewrote: the texts of an article's archived pages, read again one by one.

The store keeps the newest text alone; the archive keeps every page. Each page is read by itself: what feeds
say by now is no part of what a page said then. The document is a revision where no page gave a text. Reading
happens in a process of its own: a page may be one that ends whoever reads it.
"""

import resource
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from difflib import unified_diff
from multiprocessing import get_context
from pathlib import Path

from pipeline.archive.errors import ArchiveError
from pipeline.archive.reading import read
from pipeline.model import Document, Extraction, Page
from pipeline.store.tracing import KeptPage

PAGE_S = 20
"""Seconds of processor time for one page, as when it was first read."""

STANDS = "the document that stands"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """Hold a text as it was published from some moment on, and where it comes from."""

    number: int
    at: float
    title: str
    text: str
    source: str

    @property
    def lines(self) -> list[str]:
        """Give title and text as lines, as they are compared."""
        return [self.title, "", *self.text.split("\n")]


@dataclass(frozen=True, slots=True)
class History:
    """Hold an article's revisions, oldest first, and why pages could not be read."""

    revisions: tuple[Revision, ...]
    unread: tuple[str, ...]


def read_history(folder: Path, pages: Sequence[KeptPage], document: Document | None) -> History:
    """Read every archived page again; pages with the same text as the one before make no revision."""
    revisions: list[Revision] = []
    unread: list[str] = []

    def add(at: float, title: str, text: str, source: str) -> None:
        if not revisions or (revisions[-1].title, revisions[-1].text) != (title, text):
            number = len(revisions) + 1
            revisions.append(Revision(number=number, at=at, title=title, text=text, source=source))

    for kept, told in zip(pages, _extractions(folder, pages), strict=True):
        if isinstance(told, str):
            unread.append(f"{kept.url}: {told}")
        elif told.partial is None:
            add(kept.fetched_at, told.title, told.text, f"{told.text_source} of {kept.position.digest}")
    if not revisions and document is not None and document.text:  # WIREROOM_KEEP_TEXT leaves none
        add(document.first_seen_at, document.title, document.text, f"{STANDS}, {document.text_source}")
    return History(tuple(revisions), tuple(unread))


def difference(before: Revision, after: Revision) -> str:
    """Write what changed from one revision to the next, as `diff -u` does."""
    names = (f"revision {before.number}", f"revision {after.number}")
    return "\n".join(unified_diff(before.lines, after.lines, *names, lineterm="")) + "\n"


def _extractions(folder: Path, pages: Sequence[KeptPage]) -> Iterator[Extraction | str]:
    """Give what each page says, or why it cannot be read."""
    pool = _pool()
    try:
        for kept in pages:
            try:
                yield pool.submit(_extract, read(folder, kept.position)).result()
            except ArchiveError as error:
                yield str(error)
            except BrokenProcessPool:
                yield "reading it ended the process"
                pool = _pool()
    finally:
        pool.shutdown(cancel_futures=True)


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def _extract(page: Page) -> Extraction:
    from pipeline.extraction.article import Effort, extract

    used = resource.getrusage(resource.RUSAGE_SELF)
    ends_at = int(used.ru_utime + used.ru_stime) + PAGE_S
    resource.setrlimit(resource.RLIMIT_CPU, (ends_at, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    return extract(page, [], effort=Effort.FULL)
