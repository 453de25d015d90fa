"""What rules of cases read: each case as it stands, once."""

from alembic import op

revision = "ingest_published_case"
down_revision = "ingest_owed"
branch_labels = None
depends_on = None

# A case that goes on under a successor of its unit is that one's. The history is asked
# only of the few cases to which it matters.
_CASE = """
CREATE VIEW ingest.published_case AS
SELECT id, unit, case_no, year, officer, status, status_since, decided_on, claims,
  key_case, due_vnd, collected_vnd, held_vnd, verified_on, published_on, auctioned_on,
  handed_over_on, reason_code,
  CASE WHEN status = 'ledger' THEN (
    SELECT h.status FROM ingest.case_history h WHERE h.case_id = c.id AND h.applied
      AND h.status <> 'ledger' ORDER BY h.as_of DESC LIMIT 1) END AS previous_status,
  CASE WHEN status = 'ledger' THEN (
    SELECT h.status_since FROM ingest.case_history h WHERE h.case_id = c.id
      AND h.applied AND h.status = 'not_enforceable' ORDER BY h.as_of DESC LIMIT 1)
    WHEN status = 'not_enforceable' THEN status_since END AS not_enforceable_since,
  CASE WHEN held_vnd > 0 THEN (
    SELECT min(h.as_of) FROM ingest.case_history h WHERE h.case_id = c.id AND h.applied
      AND h.as_of > coalesce((SELECT max(n.as_of) FROM ingest.case_history n
        WHERE n.case_id = c.id AND n.applied AND coalesce(n.held_vnd, 0) = 0),
        '-infinity')) END AS held_since
FROM ingest.enforcement_case c
WHERE NOT EXISTS (SELECT FROM ingest.lineage l JOIN ingest.enforcement_case n
  ON n.unit = l.successor AND n.case_no = c.case_no AND n.year = c.year
  WHERE l.predecessor = c.unit AND n.decided_on = c.decided_on)
"""


def upgrade() -> None:
    op.execute(_CASE)
    op.execute("GRANT SELECT ON ingest.published_case TO dondoc_alerts")


def downgrade() -> None:
    op.execute("DROP VIEW ingest.published_case")
