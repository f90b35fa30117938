"""Removal, whole: from the store, and from the archive wherever an article's words may stand in it."""

from pathlib import Path

from pipeline.archive.mentions import erase_mentions
from pipeline.archive.reading import erase
from pipeline.store.removal import Removal, is_a_page, read_places, remove
from pipeline.store.store import Store


def erase_article(store: Store, folder: Path, id: str, *, reason: str) -> Removal:
    """Erase an article and its duplicates from store and archive; its addresses never come back. May be
    repeated. The index stage takes it out of the index.

    Raises ArchiveError when a record cannot be erased; a further call goes on there."""
    removal = remove(store, id, reason=reason, erase=lambda position: erase(folder, position))
    places = read_places(store, id)
    erase_mentions(folder, places.urls, places.feeds, is_anothers=lambda position: is_a_page(store, position))
    return removal
