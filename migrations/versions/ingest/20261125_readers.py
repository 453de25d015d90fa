"""What a key of a part of the tree reads in ingest, PostgreSQL itself keeps to that part.

The service's own role sees everything: sweeps and ranks go over all units. Its reader,
which takes over for such a key, sees rows of the units that it was told.
"""

from alembic import op

revision = "ingest_readers"
down_revision = "ingest_audit"
branch_labels = None
depends_on = None

_SEEN = "unit IN (SELECT platform.seen_units())"
_PROTECTED = {
    # An officer's key sees the officer's own cases, which are of the office.
    "enforcement_case": f"{_SEEN} OR officer IN (SELECT platform.seen_units())",
    "case_history": "EXISTS (SELECT FROM ingest.enforcement_case c WHERE c.id = case_id)",
}


def upgrade() -> None:
    for table, seen in _PROTECTED.items():
        op.execute(f"ALTER TABLE ingest.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY service ON ingest.{table} TO dondoc_ingest"
            " USING (true) WITH CHECK (true)"
        )
        op.execute(
            f"CREATE POLICY reader ON ingest.{table} AS RESTRICTIVE"
            f" TO dondoc_ingest_reader USING ({seen})"
        )


def downgrade() -> None:
    for table in _PROTECTED:
        op.execute(f"DROP POLICY reader ON ingest.{table}")
        op.execute(f"DROP POLICY service ON ingest.{table}")
        op.execute(f"ALTER TABLE ingest.{table} DISABLE ROW LEVEL SECURITY")
