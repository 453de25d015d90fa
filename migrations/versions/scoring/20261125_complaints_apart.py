"""Complaints carried over and new ones are counted of their own number."""

from alembic import op

revision = "scoring_8"
down_revision = "scoring_7"
branch_labels = None
depends_on = None

# What a row's own rate divides by; services/scoring/domain/indicators.py says the same.
_DENOMINATOR = """
CREATE FUNCTION scoring.denominator(measure text, category text, enforceable bigint,
  carried_over bigint, newly_accepted bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE
RETURN CASE WHEN measure IN ('cases', 'money') THEN enforceable
  WHEN measure = 'decisions' THEN newly_accepted
  WHEN measure = 'complaints' AND category = 'carried_over' THEN carried_over
  WHEN measure = 'complaints' AND category = 'newly_accepted' THEN newly_accepted
  WHEN carried_over + newly_accepted <= 9007199254740991
    THEN carried_over + newly_accepted END
"""
_BEFORE = """
CREATE FUNCTION scoring.denominator(measure text, enforceable bigint,
  carried_over bigint, newly_accepted bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE
RETURN CASE WHEN measure IN ('cases', 'money') THEN enforceable
  WHEN measure = 'decisions' THEN newly_accepted
  WHEN carried_over + newly_accepted <= 9007199254740991
    THEN carried_over + newly_accepted END
"""

_RATED = """
CREATE OR REPLACE VIEW scoring.rated_figure AS
SELECT period, unit, measure, category, revision, illustrative, enforceable, done,
  CASE WHEN done IS NULL THEN CASE WHEN published_rate IS NOT NULL THEN 'published_rate' END
    WHEN measure NOT IN ('cases', 'money') THEN 'resolved'
    WHEN given IS NOT NULL THEN 'given'
    WHEN terminated IS NOT NULL THEN 'split' ELSE 'inclusive' END AS done_basis,
  CASE WHEN enforceable = 0 OR done > enforceable THEN NULL
    ELSE coalesce(scoring.published_rate(done, enforceable), published_rate) END AS rate,
  to_enforce, carried_over, newly_accepted, entrusted, completed, terminated, reduced,
  not_enforceable, separate_ledger, resolved, resolved_in_time, document, document_date,
  published_rate
FROM (SELECT period, unit, measure, category, revision, illustrative, done AS given,
    scoring.denominator({parts}) AS enforceable,
    scoring.numerator(measure, done, completed, terminated, reduced, resolved,
      resolved_in_time) AS done,
    to_enforce, carried_over, newly_accepted, entrusted, completed, terminated, reduced,
    not_enforceable, separate_ledger, resolved, resolved_in_time, document, document_date,
    published_rate
  FROM ingest.current_figure) f
"""
_COUNTS = "enforceable, carried_over, newly_accepted"
_ARGUMENTS = "text, bigint, bigint, bigint"


def upgrade() -> None:
    op.execute(_DENOMINATOR)
    op.execute(_RATED.format(parts=f"measure, category, {_COUNTS}"))
    op.execute(f"DROP FUNCTION scoring.denominator({_ARGUMENTS})")


def downgrade() -> None:
    op.execute(_BEFORE)
    op.execute(_RATED.format(parts=f"measure, {_COUNTS}"))
    op.execute(f"DROP FUNCTION scoring.denominator(text, {_ARGUMENTS})")
