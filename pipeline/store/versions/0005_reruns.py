"""Articles that are read again by `wireroom reprocess`, and what came of each."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add a mark to articles, the run, and its articles; a version that reprocesses nothing never looks."""
    mark: sa.Column[bool] = sa.Column("rerun", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    op.add_column("articles", mark)
    op.create_table(
        "reprocessing",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("conditions", sa.JSON(), nullable=False),
        sa.Column("rate", sa.Double(), nullable=True),
        sa.Column("begun_at", sa.Double(), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reprocessing"),
    )
    op.create_table(
        "reruns",
        sa.Column("article_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("at", sa.Double(), nullable=True),
        sa.Column("slug", sa.Text(), nullable=True),
        sa.Column("changes", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["article_id"], ["articles.id"], name="fk_reruns_article_id_articles"),
        sa.PrimaryKeyConstraint("article_id", name="pk_reruns"),
    )
    waiting = sa.text("outcome IS NULL")
    op.create_index(
        "ix_reruns_waiting", "reruns", ["article_id"], sqlite_where=waiting, postgresql_where=waiting
    )
