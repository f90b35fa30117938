"""Whether store, broker, index, archive and disks are there and answer."""

import os
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from pipeline.disk import Room, each_disk, room, scarcest_disk, told
from pipeline.errors import IndexAbsentError, WireroomError
from pipeline.forecast import Outlook, outlook
from pipeline.model import Stage
from pipeline.search.request import read_request
from pipeline.services import disk_folders, open_searcher, open_services
from pipeline.settings import EMBEDDED, Settings
from pipeline.store.days import day_of
from pipeline.store.disk_days import read_free
from pipeline.store.refusals import failure
from pipeline.store.status import Counts, PartState, read_counts
from pipeline.store.store import Store
from workers.broker import socket_path

ANSWER_S = 2.0
"""How long a broker may take to answer a ping."""

PARTS = ("store", "broker", "index", "archive", "disk")
NEEDED = {
    Stage.POLL: {"store", "broker", "archive", "disk"},
    Stage.FETCH: {"store", "broker", "archive", "disk"},
    Stage.ENRICH: {"store", "broker", "archive"},
    Stage.INDEX: {"store", "broker", "index", "disk"},
}
"""What a stage cannot work without."""

WRITERS = frozenset({Stage.POLL, Stage.FETCH})
"""Who writes into the archive."""


@dataclass(frozen=True, slots=True)
class PartAnswer:
    """Say how a part is, in words when it is not well; the index tells what it holds."""

    state: PartState
    said: str = ""
    documents: int | None = None


def needed_by(stages: Collection[Stage]) -> tuple[str, ...]:
    """Name the parts that some stages need; all, for no stage."""
    needed = set(PARTS) if not stages else set().union(*(NEEDED[stage] for stage in stages))
    return tuple(part for part in PARTS if part in needed)


def is_store_absent(settings: Settings) -> bool:
    """Tell whether the store is a file that is not there yet."""
    return settings.store_file is not None and not settings.store_file.exists()


def ask_store(settings: Settings) -> PartAnswer:
    """Open the store, and see whether it has this version's tables."""
    if is_store_absent(settings):
        return PartAnswer(PartState.ABSENT)
    try:
        open_services(settings).close()
    except WireroomError as error:
        return PartAnswer(PartState.UNREACHABLE, str(error))
    return PartAnswer(PartState.OK)


def count_store(settings: Settings) -> Counts | None:
    """Count what the store holds; None when there is none. Raises WireroomError when it does not answer."""
    if is_store_absent(settings):
        return None
    with _opened(settings) as store:
        return read_counts(store)


def ask_broker(settings: Settings) -> PartAnswer:
    """Ping the broker; the embedded one runs only while `up` does."""
    url, missing = settings.broker_url, PartState.UNREACHABLE
    if url == EMBEDDED:
        url, missing = f"unix://{socket_path(settings)}", PartState.STOPPED
    url = url.replace("redis+socket://", "unix://", 1)
    try:
        with Redis.from_url(url, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S) as client:
            client.ping()
    except (RedisError, OSError, ValueError) as error:
        return PartAnswer(missing, str(error))
    return PartAnswer(PartState.OK)


def ask_index(settings: Settings) -> PartAnswer:
    """Open the index and count its documents."""
    if settings.index_url == EMBEDDED and not settings.index_folder.is_dir():
        return PartAnswer(PartState.ABSENT)
    try:
        return PartAnswer(PartState.OK, documents=count_documents(settings))
    except IndexAbsentError:
        return PartAnswer(PartState.ABSENT)
    except WireroomError as error:
        return PartAnswer(PartState.UNREACHABLE, str(error))


def ask_archive(settings: Settings, *, writes: bool) -> PartAnswer:
    """See whether the archive's folder can be read, and written where that is needed."""
    folder = settings.archive_folder
    if not folder.is_dir():
        return PartAnswer(PartState.ABSENT)
    if not os.access(folder, os.R_OK | os.X_OK | (os.W_OK if writes else 0)):
        return PartAnswer(PartState.UNREACHABLE, f"{folder} is not {'writable' if writes else 'readable'}")
    return PartAnswer(PartState.OK)


def ask_disks(settings: Settings) -> PartAnswer:
    """See whether the disks that are written to have the room that is to be left."""
    disk = scarcest_disk(disk_folders(settings))
    found = room(disk.free_bytes, settings.disk_reserve)
    if found is Room.AMPLE:
        return PartAnswer(PartState.OK)
    return PartAnswer(PartState.FULL, told(disk, found, settings.disk_reserve))


def read_outlook(settings: Settings) -> Outlook | None:
    """Tell when a disk will be full; None without a store, which knows how they filled. Raises WireroomError
    when that does not answer, OSError when a disk does not."""
    if is_store_absent(settings):
        return None
    with _opened(settings) as store:
        with store.read() as connection:
            today = day_of(store.read_clock(connection))
        recorded = read_free(store)
    disks = each_disk(disk_folders(settings))
    return outlook(disks, recorded, reserve_mib=settings.disk_reserve, today=today)


def count_documents(settings: Settings) -> int:
    """Count what the index holds. Raises WireroomError when it cannot be opened."""
    everything = read_request("", now=time.time(), size=0)
    return open_searcher(settings).search(everything).total


@contextmanager
def _opened(settings: Settings) -> Iterator[Store]:
    """Open the store; what fails there is a WireroomError."""
    try:
        with closing(open_services(settings)) as services:
            yield services.store
    except SQLAlchemyError as error:
        raise failure(error, settings) from error
