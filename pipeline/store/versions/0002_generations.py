"""Several generations of the index, of which one is live; another may be built beside it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Allow one live generation. Where two raced to be it, both go: the next index stage makes one anew."""
    several = "(SELECT count(*) FROM generations) > 1"
    op.execute(f"DELETE FROM projections WHERE {several}")  # noqa: S608 -- no input in it
    op.execute(f"DELETE FROM generations WHERE {several}")  # noqa: S608
    for column in (
        sa.Column("mapping", sa.Integer(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("owned_until", sa.Double(), nullable=True),
        sa.Column("paused_until", sa.Double(), nullable=True),
        sa.Column("progress", sa.JSON(), nullable=True),
        sa.Column("proof", sa.JSON(), nullable=True),
    ):
        op.add_column("generations", column)
    live = sa.text("state = 'live'")
    op.create_index(
        "ix_generations_one_live",
        "generations",
        ["state"],
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )
