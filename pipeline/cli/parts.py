"""Whether broker, index and archive are there and answer."""

from typing import TYPE_CHECKING

from pipeline.errors import IndexAbsentError, WireroomError
from pipeline.settings import EMBEDDED, Settings

if TYPE_CHECKING:
    from pipeline.store.status import Parts, PartState

ANSWER_S = 2.0
"""How long a broker may take to answer a ping."""


def read_parts(settings: Settings) -> "Parts":
    """Ask all parts but the store, which is asked by reading it."""
    from pipeline.store.status import Parts, PartState

    index, documents = ask_index(settings)
    return Parts(
        store=PartState.OK,
        broker=ask_broker(settings),
        index=index,
        archive=PartState.OK if settings.archive_folder.is_dir() else PartState.ABSENT,
        documents=documents,
    )


def ask_broker(settings: Settings) -> "PartState":
    """Ping the broker; the embedded one runs only while `up` does."""
    from redis import Redis
    from redis.exceptions import RedisError

    from pipeline.store.status import PartState

    url, missing = settings.broker_url, PartState.UNREACHABLE
    if url == EMBEDDED:
        from workers.broker import socket_path

        url, missing = f"unix://{socket_path(settings)}", PartState.STOPPED
    url = url.replace("redis+socket://", "unix://", 1)
    try:
        with Redis.from_url(url, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S) as client:
            client.ping()
    except (RedisError, OSError, ValueError):
        return missing
    return PartState.OK


def ask_index(settings: Settings) -> "tuple[PartState, int | None]":
    """Open the index and count its documents."""
    from pipeline.store.status import PartState

    if settings.index_url == EMBEDDED and not settings.index_folder.is_dir():
        return PartState.ABSENT, None
    try:
        return PartState.OK, count_documents(settings)
    except IndexAbsentError:
        return PartState.ABSENT, None
    except WireroomError:
        return PartState.UNREACHABLE, None


def count_documents(settings: Settings) -> int:
    """Count what the index holds. Raises WireroomError when it cannot be opened."""
    import time

    from pipeline.search.request import read_request
    from pipeline.services import open_searcher

    everything = read_request("", now=time.time(), size=0)
    return open_searcher(settings).search(everything).total
