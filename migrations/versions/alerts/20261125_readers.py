"""What a key of a part of the tree reads in alerts, PostgreSQL itself keeps to that part.

The service's own role sees everything: sweeps and ranks go over all units. Its reader,
which takes over for such a key, sees rows of the units that it was told.
"""

from alembic import op

revision = "alerts_readers"
down_revision = "alerts_audit"
branch_labels = None
depends_on = None

_SEEN = "unit IN (SELECT platform.seen_units())"
_OF_A_MATTER = "EXISTS (SELECT FROM alerts.escalation e WHERE e.id = escalation)"
_PROTECTED = {
    "escalation": _SEEN,
    "entry": _OF_A_MATTER,
    "explanation": _OF_A_MATTER,
    "decision": _SEEN,
    "shadow_decision": _SEEN,
    "exemption": _SEEN,
}


def upgrade() -> None:
    for table, seen in _PROTECTED.items():
        op.execute(f"ALTER TABLE alerts.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY service ON alerts.{table} TO dondoc_alerts"
            " USING (true) WITH CHECK (true)"
        )
        op.execute(
            f"CREATE POLICY reader ON alerts.{table} AS RESTRICTIVE"
            f" TO dondoc_alerts_reader USING ({seen})"
        )


def downgrade() -> None:
    for table in _PROTECTED:
        op.execute(f"DROP POLICY reader ON alerts.{table}")
        op.execute(f"DROP POLICY service ON alerts.{table}")
        op.execute(f"ALTER TABLE alerts.{table} DISABLE ROW LEVEL SECURITY")
