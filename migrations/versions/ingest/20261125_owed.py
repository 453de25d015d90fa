"""What rules of owed reports read: obligations, and when each row first came."""

from alembic import op

revision = "ingest_owed"
down_revision = "ingest_changed_cell"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE VIEW ingest.published_obligation AS SELECT name, kind, under, months,"
        " rows, within, valid_from, valid_to FROM ingest.known_obligation"
    )
    op.execute(
        "CREATE VIEW ingest.published_arrival AS"
        " SELECT f.period, f.unit, f.measure, f.category, min(f.received_at) AS came"
        " FROM ingest.figure f JOIN ingest.current_figure c"
        " USING (period, unit, measure, category) WHERE NOT f.removed"
        " GROUP BY f.period, f.unit, f.measure, f.category"
    )
    op.execute(
        "GRANT SELECT ON ingest.published_obligation, ingest.published_arrival"
        " TO dondoc_alerts"
    )


def downgrade() -> None:
    op.execute("DROP VIEW ingest.published_arrival")
    op.execute("DROP VIEW ingest.published_obligation")
