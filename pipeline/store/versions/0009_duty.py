"""Heartbeats of the work, the disk by day, chores with their last time; an article's fair place, its dropped
text."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add columns that a version without them leaves empty, and tables of which it knows nothing."""
    fair_at: sa.Column[float] = sa.Column("fair_at", sa.Double(), nullable=True)
    op.add_column("articles", fair_at)
    text_dropped_at: sa.Column[float] = sa.Column("text_dropped_at", sa.Double(), nullable=True)
    op.add_column("articles", text_dropped_at)
    place = sa.text("coalesce(fair_at, news_at)")
    waits = sa.text("stage IS NOT NULL")
    op.create_index(
        "ix_articles_fair",
        "articles",
        ["stage", "attempts", place],
        sqlite_where=waits,
        postgresql_where=waits,
    )
    op.create_table(
        "heartbeats",
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("worker", "stage", name="pk_heartbeats"),
    )
    op.create_table(
        "disk_days",
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("free_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("place", "day", name="pk_disk_days"),
    )
    op.create_table(
        "chores",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("done_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_chores"),
    )
