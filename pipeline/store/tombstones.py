"""What a store knows of removed articles, carried into another: they stay removed there, also those that it
never had and would find anew."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, inspect, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.elements import ColumnElement

from pipeline.outcomes import Reason
from pipeline.store.store import Store, insert_new
from pipeline.store.tables import articles, feeds, sightings, urls

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstones:
    """Hold the rows of removed articles: what each is known by, where it was shown, and by which feeds."""

    articles: tuple[Row, ...]
    urls: tuple[Row, ...]
    sightings: tuple[Row, ...]


def read_tombstones(store: Store) -> Tombstones | None:
    """Read the rows of what was removed from a store, also of an older version's; None when it cannot be
    read."""
    removed = articles.c.reason == Reason.REMOVED
    ids = select(articles.c.id).where(removed)
    try:
        with store.read() as connection:
            return Tombstones(
                articles=_rows(connection, articles, removed),
                urls=_rows(connection, urls, urls.c.article_id.in_(ids)),
                sightings=_rows(connection, sightings, sightings.c.article_id.in_(ids)),
            )
    except SQLAlchemyError:
        return None


def _rows(connection: Connection, table: Table, wanted: ColumnElement[bool]) -> tuple[Row, ...]:
    """Read rows with the columns that are there: later versions only add some that may be left out."""
    there = {column["name"] for column in inspect(connection).get_columns(table.name)}
    columns = [column for column in table.columns if column.name in there]
    return tuple(row._asdict() for row in connection.execute(select(*columns).where(wanted)))


def carry(
    tombstones: Tombstones, store: Store, remove: Callable[[Store, str, str], object]
) -> tuple[str, ...]:
    """Write tombstones into a store that may have these articles or not; give the addresses of those that
    were not removed there. `remove` takes an article, by its id and for a reason, out of store and archive.
    """
    with store.write() as connection:
        known = set(
            connection.execute(select(articles.c.id).where(articles.c.reason == Reason.REMOVED)).scalars()
        )
        numbers = {row.url: row.id for row in connection.execute(select(feeds.c.url, feeds.c.id))}
        insert_new(connection, articles, [{**row, "found_by": None} for row in tombstones.articles])
        insert_new(connection, urls, [dict(row) for row in tombstones.urls])
        insert_new(connection, sightings, [_sighting(row, numbers) for row in tombstones.sightings])
    back = [row for row in tombstones.articles if row["id"] not in known]
    for row in back:
        remove(store, row["id"], row["detail"] or "")
    _keep_fingerprints(store, tombstones)
    return tuple(row["url"] for row in back)


def _sighting(row: Row, numbers: Mapping[str, int]) -> dict[str, Any]:
    """Give a sighting the number that its feed has in the other store; where it is not watched, one below
    those that feeds are given."""
    url = row["feed_url"]
    return {**row, "feed_id": numbers.get(url, -1 - (zlib.crc32(url.encode()) >> 1))}


def _keep_fingerprints(store: Store, tombstones: Tombstones) -> None:
    """Put the fingerprints over those that a removal here took from an earlier text."""
    with store.write() as connection:
        for row in tombstones.articles:
            if fingerprint := row.get("removed_fingerprint"):
                mine = update(articles).where(articles.c.id == row["id"])
                connection.execute(mine.values(removed_fingerprint=fingerprint))
