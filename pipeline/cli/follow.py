"""`wireroom search --follow`: each new hit, at least once, across restarts."""

import os
import re
import select
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.cli.export import Rows, print_rows
from pipeline.cli.opening import existing_store, searcher, settings
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.search.written import WrittenSearch
    from pipeline.store.cursors import Cursor
    from pipeline.store.store import Store

LOOK_S = 2.0
"""Between two looks at the store: news comes by the minute, and a look costs a millisecond."""

NAME = re.compile(r"[\w.-]{1,100}")


def follow(written: "WrittenSearch", name: str, rows: Rows) -> None:
    """Print each hit that comes into the index, until Ctrl-C or until the reader leaves."""
    from pipeline.search.written import read_written, search_digest
    from pipeline.store.cursors import open_cursor

    if not NAME.fullmatch(name):
        raise UsageError(
            f"--cursor {name}: a name is up to 100 letters, digits, dots, dashes and underscores"
        )
    standing = replace(written, since=None)
    read_written(standing, now=time.time())  # what is wrong with it is said at once
    since = _beginning(written)
    with existing_store(settings()) as store:
        cursor = open_cursor(
            store, name, search=search_digest(standing), query=written.query or "everything", since=since
        )
        try:
            while True:
                cursor = follow_on(store, cursor, standing, rows)
                if _reader_leaves(LOOK_S):
                    return
        except (BrokenPipeError, KeyboardInterrupt):
            os.dup2(
                os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
            )  # else the flush at exit fails, too


def follow_on(store: "Store", cursor: "Cursor", written: "WrittenSearch", rows: Rows) -> "Cursor":
    """Print what came since, and move the cursor: over what was printed and flushed, never over more."""
    from pipeline.store.cursors import read_arrivals, save_cursor, settled, unread

    read = read_arrivals(store, cursor.mark)
    while True:
        with _to_the_end():
            _print_hits(written, unread(cursor, read), rows)
            moved = settled(cursor, read)
            if moved != cursor:
                cursor = save_cursor(store, moved)
        if read.is_last:
            return cursor
        read = read_arrivals(store, read.arrivals[-1].mark)


@contextmanager
def _to_the_end() -> Iterator[None]:
    """Put Ctrl-C off, so that what was printed is also remembered."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _print_hits(written: "WrittenSearch", ids: Sequence[str], rows: Rows) -> None:
    from pipeline.search.query import Ids
    from pipeline.search.request import Sort
    from pipeline.search.written import read_written

    if not ids:
        return
    request = read_written(written, now=time.time(), sort=Sort.OLDEST)
    with searcher(settings()).snapshot() as snapshot:
        asked = replace(request, filters=(*request.filters, Ids(tuple(ids))))
        for _ in print_rows(rows, snapshot.scan(asked)):
            pass


def _beginning(written: "WrittenSearch") -> float | None:
    """Read since when a new cursor begins; None is now."""
    from pipeline.search.query import Clock, DateRange
    from pipeline.search.written import WrittenSearch, read_written

    asked = WrittenSearch(query="", since=written.since, tz=written.tz)
    match read_written(asked, now=time.time()).filters:
        case (DateRange(Clock.FIRST_SEEN, start, _),):
            return start
    return None


def _reader_leaves(seconds: float) -> bool:
    """Wait; True as soon as nobody reads stdout, which a writer learns otherwise with its next line."""
    poller = select.poll()
    poller.register(sys.stdout.fileno(), 0)
    return bool(poller.poll(seconds * 1000))
