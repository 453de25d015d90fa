"""The published lineage names the document of each reorganisation."""

from alembic import op

revision = "ingest_lineage_document"
down_revision = "ingest_published_case"
branch_labels = None
depends_on = None

_SHARED = "predecessor, successor, effective, share"


def upgrade() -> None:
    op.execute(
        f"CREATE OR REPLACE VIEW platform.lineage AS SELECT {_SHARED}, document"
        " FROM ingest.known_lineage"
    )


def downgrade() -> None:
    op.execute("DROP VIEW platform.lineage")
    op.execute(
        f"CREATE VIEW platform.lineage AS SELECT {_SHARED} FROM ingest.known_lineage"
    )
    op.execute(
        "GRANT SELECT ON platform.lineage"
        " TO dondoc_ingest, dondoc_scoring, dondoc_alerts"
    )
