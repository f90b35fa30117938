"""Removal, whole: from the store, and from the archive wherever an article's words may stand in it."""

import logging
from collections.abc import Callable
from pathlib import Path

from pipeline.archive.errors import ArchiveError
from pipeline.archive.mentions import erase_mentions
from pipeline.archive.reading import erase
from pipeline.store.chores import read_done, record_done
from pipeline.store.removal import Places, Removal, is_a_page, read_places, read_removed, remove
from pipeline.store.store import Store

CHORE = "erase"

ON_ITS_WAY_S = 3_600.0
"""What was being fetched or polled when its article was removed is archived within this time, by far."""

log = logging.getLogger(__name__)


def erase_article(store: Store, folder: Path, id: str, *, reason: str) -> Removal:
    """Erase an article and its duplicates from store and archive; its addresses never come back. May be
    repeated. The index stage takes it out of the index.

    Raises ArchiveError when a record cannot be erased; a further call goes on there."""
    removal = remove(store, id, reason=reason, erase=lambda position: erase(folder, position))
    _erase_places(store, folder, read_places(store, id))
    return removal


def erase_late(store: Store, folder: Path, *, is_over: Callable[[], bool]) -> None:
    """Erase what was archived of removed articles after their removal: a page or a feed was on its way then.

    Looks at what was removed since it looked last; what was stopped, killed or failed is done again then."""
    done_at, now = read_done(store, CHORE)
    removed = read_removed(store, since=(done_at or 0.0) - ON_ITS_WAY_S)
    is_whole = True
    for places in sorted({read_places(store, id) for id in removed}):  # one of an article and its duplicates
        if is_over():
            return
        try:
            if erased := _erase_places(store, folder, places):
                log.warning("erased %d answers that were archived after their article was removed", erased)
        except ArchiveError as error:
            log.warning("%s is removed, but not from the archive: %s", places.urls[0], error)
            is_whole = False
    if is_whole:
        record_done(store, CHORE, at=now)


def _erase_places(store: Store, folder: Path, places: Places) -> int:
    return erase_mentions(
        folder, places.urls, places.feeds, is_anothers=lambda position: is_a_page(store, position)
    )
