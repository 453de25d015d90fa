"""Of which measures and categories a batch brought rows: no other scorecard changes."""

from alembic import op

revision = "ingest_changed_cell"
down_revision = "ingest_shares"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE VIEW ingest.changed_cell AS"
        " SELECT DISTINCT r.batch, f.measure, f.category FROM ingest.report r"
        " JOIN ingest.figure f ON f.period = r.period AND f.unit = r.unit"
        " AND f.revision = r.revision"
    )
    op.execute("GRANT SELECT ON ingest.changed_cell TO dondoc_scoring")


def downgrade() -> None:
    op.execute("DROP VIEW ingest.changed_cell")
