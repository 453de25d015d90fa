"""Lineage: which units became which, never touching what was reported."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "ingest_2"
down_revision = "ingest_1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lineage",
        sa.Column("predecessor", sa.Text(), nullable=False),
        sa.Column("successor", sa.Text(), nullable=False),
        sa.Column("effective", sa.Date(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False, comment="the API key"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "predecessor", "successor", "effective", name=op.f("pk_lineage")
        ),
        schema="ingest",
        comment="which units became which, on what day, by which document",
    )
    op.execute("GRANT SELECT, INSERT ON ingest.lineage TO dondoc_ingest")
    op.execute(
        "CREATE VIEW platform.lineage AS"
        " SELECT predecessor, successor, effective FROM ingest.lineage"
    )
    op.execute(
        "GRANT SELECT ON platform.lineage"
        " TO dondoc_ingest, dondoc_scoring, dondoc_alerts"
    )


def downgrade() -> None:
    op.execute("DROP VIEW platform.lineage")
    op.drop_table("lineage", schema="ingest")
