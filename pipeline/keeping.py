"""Keep pages and texts as long as WIREROOM_KEEP_PAGES and WIREROOM_KEEP_TEXT say: done once a night.

It may be killed at any point, and goes on with the next hour: what is done stays done, and each step leaves
store, archive and index consistent. Rows go before the file that they name, so nothing names what is gone.
"""

import logging
import time
from collections.abc import Callable

from pipeline.archive.keeping import old_files, remove_file
from pipeline.services import Services
from pipeline.store.chores import is_nightly_due, read_done, record_done
from pipeline.store.keeping import drop_texts, forget_pages, is_still_to_be_read
from pipeline.store.removal import truncate_log

CHORE = "keep"

log = logging.getLogger(__name__)


def keep_tonight(services: Services, *, is_over: Callable[[], bool]) -> None:
    """Remove what is kept no longer, unless it was done this night; `is_over` tells to stop."""
    if not is_nightly_due(*read_done(services.store, CHORE)):
        return
    settings = services.settings
    if settings.keep_pages is not None:
        drop_pages(services, keep_s=settings.keep_pages, is_over=is_over)
    if settings.keep_text is not None:
        _drop_texts(services, keep_s=settings.keep_text, is_over=is_over)
    if not is_over():
        record_done(services.store, CHORE)


def drop_pages(services: Services, *, keep_s: float, is_over: Callable[[], bool]) -> None:
    """Remove the archive's files whose every record is older, but for those with a page yet to be read."""
    folder = services.settings.archive_folder
    for name in old_files(folder, before=time.time() - keep_s):
        if is_over():
            return
        if is_still_to_be_read(services.store, name):
            continue
        forgotten = forget_pages(services.store, name)
        remove_file(folder, name)
        log.warning("removed %s with %d pages: their time was over", name, forgotten)


def _drop_texts(services: Services, *, keep_s: float, is_over: Callable[[], bool]) -> None:
    after: str | None = ""
    while after is not None and not is_over():
        after = drop_texts(services.store, keep_s=keep_s, after=after)
    truncate_log(services.store)
