"""What feeds are, and the sitemaps that their indexes list: each with its own validators."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add what only this version reads and writes. Until a feed is read again, its name tells what it is."""
    for table in ("feeds", "feed_changes"):
        op.add_column(table, sa.Column("kind", sa.Text()))
    op.execute("UPDATE feeds SET kind = 'sitemap' WHERE lower(url) LIKE '%sitemap%'")
    op.execute("UPDATE feed_changes SET kind = 'sitemap' WHERE lower(url) LIKE '%sitemap%'")
    op.add_column("feeds", sa.Column("round", sa.JSON(none_as_null=True)))
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "feed_sitemaps",
        sa.Column("id", serial, nullable=False),
        sa.Column("feed_id", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("parent_id", serial, nullable=True),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=True),
        sa.Column("read_changed_at", sa.Double(), nullable=True),
        sa.Column("read_at", sa.Double(), nullable=True),
        sa.Column("asked_at", sa.Double(), nullable=True),
        sa.Column("brought_at", sa.Double(), nullable=True),
        sa.Column("not_before", sa.Double(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("body_hash", sa.Text(), nullable=True),
        sa.Column("validators_from", sa.Text(), nullable=True),
        sa.Column("shown", sa.LargeBinary(), nullable=True),
        sa.Column("shown_entries", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_feed_sitemaps"),
        sa.UniqueConstraint("feed_id", "url", name="uq_feed_sitemaps_feed_id"),
    )
