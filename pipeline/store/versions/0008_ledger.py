"""The ledger of polls and requests by day, and the log of what was watched when."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"

FEED_COUNTERS = (
    "polls", "failed", "not_modified", "unchanged", "gaps", "gaps_untold", "entries", "edited", "bytes",
)  # fmt: skip
HOST_COUNTERS = (
    "feed", "page", "robots", "conditional", "bytes", "not_modified", "limited", "unavailable",
    "hints", "hints_kept",
)  # fmt: skip

FIRST_FEED = """
UPDATE articles SET found_by = (
    SELECT sightings.feed_id FROM sightings WHERE sightings.article_id = articles.id
    ORDER BY sightings.seen_at, sightings.feed_id LIMIT 1
)
"""
ADDED = """
INSERT INTO feed_changes (at, feed_id, url, change, tags)
SELECT added_at, id, url, 'added', tags FROM feeds ORDER BY added_at, id
"""
ENDED = """
INSERT INTO feed_changes (at, feed_id, url, change, tags)
SELECT state_since, id, url, state, tags FROM feeds WHERE state <> 'active' ORDER BY state_since, id
"""


def upgrade() -> None:
    """Add tables that only this version writes, and what is known already of feeds and articles."""
    op.add_column("articles", sa.Column("found_by", sa.Integer(), nullable=True))
    op.add_column("documents", sa.Column("text_length", sa.Integer(), nullable=True))
    _ledger_of_feeds()
    _ledger_of_hosts()
    op.execute(FIRST_FEED)
    op.create_index("ix_articles_found_by", "articles", ["found_by", "first_seen_at"])
    op.execute(ADDED)
    op.execute(ENDED)


def _ledger_of_feeds() -> None:
    op.create_table(
        "feed_days",
        sa.Column("feed_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.BigInteger(), server_default="0", nullable=False) for name in FEED_COUNTERS),
        sa.Column("down_s", sa.Double(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "day", name="pk_feed_days"),
    )
    op.create_index("ix_feed_days_day", "feed_days", ["day"])
    op.create_table(
        "feed_marks",
        sa.Column("feed_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("shown", sa.LargeBinary(), nullable=True),
        sa.Column("shown_entries", sa.Integer(), nullable=True),
        sa.Column("hint_until", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("feed_id", name="pk_feed_marks"),
    )
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "feed_changes",
        sa.Column("id", serial, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("feed_id", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_feed_changes"),
    )
    op.create_index("ix_feed_changes_feed_id", "feed_changes", ["feed_id"])


def _ledger_of_hosts() -> None:
    op.create_table(
        "host_days",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.BigInteger(), server_default="0", nullable=False) for name in HOST_COUNTERS),
        sa.Column("shortest_gap_s", sa.Double(), nullable=True),
        sa.Column("delay_s", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("host", "day", name="pk_host_days"),
    )
    op.create_index("ix_host_days_day", "host_days", ["day"])
    op.create_table(
        "host_marks",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=False),
        sa.Column("hint_until", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("host", name="pk_host_marks"),
    )
