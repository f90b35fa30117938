"""What tells an edit of an entry from a feed that flaps; headers that a feed alone is sent."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add columns with defaults; a version that knows none of them takes every change for an edit."""
    headers: sa.Column[object] = sa.Column("headers", sa.JSON(none_as_null=True), nullable=True)
    op.add_column("feeds", headers)
    headers_origin: sa.Column[str] = sa.Column("headers_origin", sa.Text(), nullable=True)
    op.add_column("feeds", headers_origin)
    earlier: sa.Column[str] = sa.Column("earlier", sa.Text(), server_default="", nullable=False)
    op.add_column("sightings", earlier)
    edits: sa.Column[int] = sa.Column("edits", sa.Integer(), server_default="0", nullable=False)
    op.add_column("sightings", edits)
    updated_at: sa.Column[float] = sa.Column("updated_at", sa.Double(), nullable=True)
    op.add_column("sightings", updated_at)
