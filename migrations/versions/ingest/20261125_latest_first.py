"""What stands is read along its key, backwards: the latest revision comes first."""

from alembic import op

revision = "ingest_latest_first"
down_revision = "ingest_readers"
branch_labels = None
depends_on = None

_CELL = "period, unit, measure, category"
_ROW = (
    f"{_CELL}, revision, removed, illustrative, document, document_date,"
    " published_rate, carried_over, newly_accepted, total_accepted, entrusted,"
    " withdrawn, pulled_up, to_enforce, enforceable, done, completed, terminated,"
    " reduced, in_progress, postponed_suspended, not_enforceable, carried_forward,"
    " separate_ledger, enforceable_over_1y, resolved, resolved_in_time"
)

# Ordered up with the revision down, every reading of a month would be sorted first.
_CURRENT = f"""
CREATE OR REPLACE VIEW ingest.current_figure AS
WITH proposed AS MATERIALIZED (
  SELECT f.* FROM platform.preview p,
    jsonb_populate_recordset(NULL::ingest.figure, p.rows) f
  WHERE p.batch = (SELECT platform.previewed()) AND p.kind = 'figures')
SELECT {_ROW} FROM (
  SELECT DISTINCT ON ({_CELL}) * FROM ingest.figure
  WHERE received_at <= (SELECT platform.known_at())
  ORDER BY {{order}}) latest
WHERE NOT removed AND ({_CELL}) NOT IN (SELECT {_CELL} FROM proposed)
UNION ALL
SELECT {_ROW} FROM proposed WHERE NOT removed
"""


def upgrade() -> None:
    down = "period DESC, unit DESC, measure DESC, category DESC, revision DESC"
    op.execute(_CURRENT.format(order=down))


def downgrade() -> None:
    op.execute(_CURRENT.format(order=f"{_CELL}, revision DESC"))
