"""Feeds whose address was rewritten after permanent redirects: the log, and the way back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from pipeline.errors import WireroomError
from pipeline.identity import host_of, url_key
from pipeline.store.claimed import FeedClaim
from pipeline.store.events import Happening, record
from pipeline.store.frame import Change, log_change
from pipeline.store.store import Store, insert_new
from pipeline.store.tables import feed_moves, feeds, hosts


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Hold one rewritten address. Times are seconds since the epoch."""

    at: float
    old_url: str
    new_url: str
    undone_at: float | None


def move(
    connection: Connection, store: Store, claim: FeedClaim, target: str, at: float, *, why: str
) -> dict[str, Any]:
    """Log a move and give the feed's new values.

    Only a reason where another feed has the address, or a person took the same move back.
    """
    if _watched(connection, target, but=claim.id):
        return {"why": f"{why}; it has moved to {target}, which another feed has: remove one of the two"}
    undone = select(feed_moves.c.id).where(
        feed_moves.c.feed_id == claim.id,
        feed_moves.c.new_url == target,
        feed_moves.c.undone_at.is_not(None),
    )
    if connection.execute(undone.limit(1)).first():
        return {"why": f"{why}; it has moved to {target}, but that was undone"}
    row = {"feed_id": claim.id, "at": at, "old_url": claim.url, "new_url": target}
    connection.execute(insert(feed_moves).values(**row))
    _tell(connection, store, claim.id, f"{claim.url} is now {target}")
    why = f"{why}; moved here from {claim.url} after permanent redirects"
    return {**_settled(connection, target), "why": why}


def list_moves(store: Store) -> tuple[Move, ...]:
    """List all moves, newest first."""
    with store.read() as connection:
        rows = connection.execute(select(feed_moves).order_by(feed_moves.c.id.desc())).all()
    return tuple(
        Move(at=row.at, old_url=row.old_url, new_url=row.new_url, undone_at=row.undone_at) for row in rows
    )


def undo_moves(store: Store, urls: Sequence[str]) -> tuple[str, ...]:
    """Give feeds their old addresses back, for good; return these. Raises WireroomError when a feed was not
    moved to an address, or its old one is taken."""
    with store.write() as connection:
        return tuple(_undo(connection, store, url) for url in urls)


def _undo(connection: Connection, store: Store, url: str) -> str:
    made = select(feed_moves).join(feeds, feeds.c.id == feed_moves.c.feed_id)
    standing = made.where(
        feed_moves.c.new_url == url, feeds.c.url == feed_moves.c.new_url, feed_moves.c.undone_at.is_(None)
    )
    row = connection.execute(standing.order_by(feed_moves.c.id.desc()).limit(1)).first()
    if row is None:
        raise WireroomError(f"no feed was moved to {url}; `wireroom feeds moves` lists the moves")
    if _watched(connection, row.old_url, but=row.feed_id):
        raise WireroomError(f"{row.old_url} is a feed of its own by now")
    connection.execute(
        update(feed_moves).where(feed_moves.c.id == row.id).values(undone_at=store.read_clock(connection))
    )
    values = {**_settled(connection, row.old_url), "next_poll_at": store.now(), "why": "its move was undone"}
    values |= {"lease_owner": None, "lease_until": None}  # a poll under way is of the other address
    connection.execute(update(feeds).where(feeds.c.id == row.feed_id).values(values))
    _tell(connection, store, row.feed_id, f"{url} is {row.old_url} again")
    log_change(connection, store, Change.MOVED, row.feed_id)
    return str(row.old_url)


def _settled(connection: Connection, url: str) -> dict[str, Any]:
    insert_new(connection, hosts, [{"host": host_of(url)}])
    moving = {"moving_to": None, "moving_seen": 0, "moving_since": None}
    here = {"next_url": None, "hops": 0, "hop_was_temporary": False, "round": None}
    return {"url": url, "host": host_of(url), **here, **moving}


def _watched(connection: Connection, url: str, *, but: int) -> bool:
    """Tell whether another feed has an address, in this or the other scheme."""
    key = url_key(url) or url
    spellings = {url, key, "http" + key.removeprefix("https")}
    same = select(func.count()).where(feeds.c.url.in_(sorted(spellings)), feeds.c.id != but)
    return bool(connection.execute(same).scalar_one())


def _tell(connection: Connection, store: Store, feed_id: int, detail: str) -> None:
    record(connection, store, [Happening(stage="feeds", outcome="moved", detail=detail, feed_id=feed_id)])
