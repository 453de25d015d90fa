"""Rows of all cases and all money are found at once, whichever the month."""

import sqlalchemy as sa
from alembic import op

revision = "ingest_totals"
down_revision = "ingest_cases"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_figure_total",
        "figure",
        ["period", "unit", "measure", "revision"],
        schema="ingest",
        postgresql_where=sa.text("category = 'all'"),
    )


def downgrade() -> None:
    op.drop_index("ix_figure_total", table_name="figure", schema="ingest")
