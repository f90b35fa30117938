"""The fingerprint of a removed text: other addresses of it are known by that, not by what pages claim."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add what only this version reads and writes. What was removed before is known by its address alone."""
    op.add_column("articles", sa.Column("removed_fingerprint", sa.JSON(none_as_null=True)))
