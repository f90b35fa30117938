"""Finish a row: only its owner may, in one statement."""

from typing import Any

from sqlalchemy import Connection, update

from pipeline.store.claims import ArticleClaim
from pipeline.store.tables import articles


def finish(connection: Connection, claim: ArticleClaim, values: dict[str, Any]) -> bool:
    """Write an article's next state and free its lease; False when the lease was no longer ours."""
    mine = (articles.c.id == claim.id, articles.c.lease_owner == claim.owner)
    freed = {"lease_owner": None, "lease_until": None, "attempts": 0}
    return connection.execute(update(articles).where(*mine).values(**freed, **values)).rowcount == 1
