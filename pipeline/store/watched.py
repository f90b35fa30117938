"""Find feeds by their addresses, however these are spelled."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from pipeline.errors import WireroomError
from pipeline.identity import url_key
from pipeline.store.store import portions
from pipeline.store.tables import feeds


def key_of(url: str) -> str:
    """Give the key by which an address is known. Raises ValueError for what is no http(s) URL."""
    key = url_key(url)
    if key is None:
        raise ValueError(f"{url!r} is no http(s) URL")
    return key


def rows_by_key(connection: Connection, urls: Sequence[str]) -> dict[str, Row[Any]]:
    """Read the rows of those that are watched, by key."""
    spellings = sorted({spelling for url in urls for spelling in _spellings(url)})
    found: dict[str, Row[Any]] = {}
    for portion in portions(spellings):
        for row in connection.execute(select(feeds).where(feeds.c.url.in_(portion))):
            found[key_of(row.url)] = row
    return found


def require_feeds(connection: Connection, urls: Sequence[str]) -> list[Row[Any]]:
    """Read the rows of all, each once, in order. Raises WireroomError for one that is not watched."""
    for url in urls:
        if url_key(url) is None:
            raise WireroomError(f"{url} is no http(s) URL")
    found = rows_by_key(connection, urls)
    for url in urls:
        if key_of(url) not in found:
            raise WireroomError(f"{url} is not among the feeds; `wireroom feeds list` shows them")
    return [found[key] for key in dict.fromkeys(key_of(url) for url in urls)]


def _spellings(url: str) -> set[str]:
    key = key_of(url)
    return {url, key, "http" + key.removeprefix("https")}
