"""Whether a case was taken over is asked only where its unit has ended."""

from alembic import op

revision = "ingest_taken_over"
down_revision = "ingest_key_cases"
branch_labels = None
depends_on = None

_CASE = """
CREATE OR REPLACE VIEW ingest.published_case AS
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
WHERE NOT ({ended}EXISTS (SELECT FROM ingest.lineage l JOIN ingest.enforcement_case n
  ON n.unit = l.successor AND n.case_no = c.case_no AND n.year = c.year
  WHERE l.predecessor = c.unit AND n.decided_on = c.decided_on))
"""


def upgrade() -> None:
    op.execute(
        _CASE.format(ended="c.unit IN (SELECT predecessor FROM ingest.lineage) AND ")
    )


def downgrade() -> None:
    op.execute(_CASE.format(ended=""))
