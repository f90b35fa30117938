"""The archive against the pages that the store names: read back and hashed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from pipeline.archive.errors import ArchiveError
from pipeline.archive.finding import without_index
from pipeline.archive.reading import read
from pipeline.model import ArchivePosition
from pipeline.store.removal import is_a_page
from pipeline.store.soundness import Fault
from pipeline.store.store import Store
from pipeline.store.tables import pages

BATCH = 500
FETCHED_AGAIN = "put the files back from a backup; a page that stays away is fetched again when needed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBack:
    """Say how many pages were read back, and why which ones could not be: article and reason."""

    pages: int
    broken: tuple[tuple[str, str], ...]


def read_back(store: Store, folder: Path, *, sample: int | None) -> ReadBack:
    """Read pages from the archive and hash them: `sample` of them by chance, None: all."""
    whole, broken = 0, []
    for article_id, position in _positions(store, sample):
        try:
            read(folder, position)
            whole += 1
        except ArchiveError as error:
            if is_a_page(store, position):  # a removal may have come in between
                broken.append((article_id, str(error)))
    return ReadBack(pages=whole, broken=tuple(broken))


def page_faults(found: ReadBack) -> Iterator[Fault]:
    """Put into words what could not be read."""
    if found.broken:
        text = f"archived pages that cannot be read back, the first because {found.broken[0][1]}"
        ids = tuple(dict.fromkeys(id for id, _ in found.broken))
        yield Fault(slug="page-missing", text=text, do=FETCHED_AGAIN, ids=ids)


def archive_faults(folder: Path) -> Iterator[Fault]:
    """Tell of files of the archive that have lost their index."""
    if names := without_index(folder):
        do = "put the .cdxj files back from a backup; until then each search of these reads them whole"
        text = "files of the archive without the .cdxj index beside them"
        yield Fault(slug="archive-unindexed", text=text, do=do, ids=names)


def _positions(store: Store, sample: int | None) -> Iterator[tuple[str, ArchivePosition]]:
    query = select(pages).order_by(pages.c.id)
    if sample is not None:
        with store.read() as connection:
            chosen = connection.execute(select(pages.c.id).order_by(func.random()).limit(sample)).scalars()
            query = query.where(pages.c.id.in_(chosen.all()))
    after = 0
    while True:
        with store.read() as connection:
            rows = connection.execute(query.where(pages.c.id > after).limit(BATCH)).all()
        for row in rows:
            place = ArchivePosition(file=row.file, offset=row.offset, length=row.length, digest=row.digest)
            yield row.article_id, place
        if len(rows) < BATCH:
            return
        after = rows[-1].id
