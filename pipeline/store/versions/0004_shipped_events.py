"""Which events are in the index's data stream."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table; a version that does not ship events never looks at it."""
    op.create_table(
        "shipped_events",
        sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "at", name="pk_shipped_events"),
    )
    op.create_index("ix_shipped_events_at", "shipped_events", ["at"], unique=False)
