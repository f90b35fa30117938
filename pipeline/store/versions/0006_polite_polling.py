"""What feeds ask of their readers, their rhythm, where they are moving to; a host's crawl-delay."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add columns that a version without them never looks at, and the log of moves."""
    op.add_column("feeds", sa.Column("max_interval_s", sa.Double()))
    op.add_column("feeds", sa.Column("rhythm", sa.JSON(none_as_null=True)))
    op.add_column("feeds", sa.Column("hints", sa.JSON(none_as_null=True)))
    op.add_column("feeds", sa.Column("not_before", sa.Double()))
    op.add_column("feeds", sa.Column("failing_since", sa.Double()))
    op.add_column("feeds", sa.Column("validators_from", sa.Text()))
    op.add_column("feeds", sa.Column("next_url", sa.Text()))
    op.add_column("feeds", sa.Column("hops", sa.Integer(), server_default="0", nullable=False))
    for mark in ("forced", "hop_was_temporary"):
        column: sa.Column[bool] = sa.Column(
            mark, sa.Boolean(), server_default=sa.text("false"), nullable=False
        )
        op.add_column("feeds", column)
    op.add_column("feeds", sa.Column("moving_to", sa.Text()))
    op.add_column("feeds", sa.Column("moving_seen", sa.Integer(), server_default="0", nullable=False))
    op.add_column("feeds", sa.Column("moving_since", sa.Double()))
    op.add_column("hosts", sa.Column("crawl_delay_s", sa.Double()))
    op.create_table(
        "feed_moves",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("feed_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("old_url", sa.Text(), nullable=False),
        sa.Column("new_url", sa.Text(), nullable=False),
        sa.Column("undone_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_feed_moves"),
    )
    op.create_index("ix_feed_moves_feed_id", "feed_moves", ["feed_id"])
