"""Scorecards know how unevenly work is spread between the officers of a unit."""

import sqlalchemy as sa
from alembic import op

revision = "scoring_9"
down_revision = "scoring_8"
branch_labels = None
depends_on = None

# A view that reads whole rows names each of their columns for good: made anew, it has
# the new one too.
_VIEW = """
CREATE VIEW scoring.published_scorecard AS
WITH proposed AS MATERIALIZED (
  SELECT s.* FROM platform.preview p,
    jsonb_populate_recordset(NULL::scoring.scorecard, p.rows) s
  WHERE p.batch = (SELECT platform.previewed()) AND p.kind = 'scorecards')
SELECT *, rate - last_rate AS last_points, rate - national_rate AS above_national,
  CASE WHEN met THEN 0.00 ELSE target_rate - rate END AS shortfall_points,
  rate - last_rate - numerator_effect AS denominator_effect,
  round(100 * abs(rate - last_rate - numerator_effect) / nullif(
    abs(numerator_effect) + abs(rate - last_rate - numerator_effect), 0), 2)
    AS denominator_share,
  CASE WHEN measure = 'cases' THEN per_officer END AS cases_per_officer,
  CASE WHEN measure = 'money' THEN round(per_officer)::bigint END AS money_per_officer
FROM (SELECT *,
    rate > target_rate OR (target_operator = 'at_least' AND rate = target_rate) AS met,
    CASE WHEN measure IN ('cases', 'money') AND enforceable <= to_enforce
      THEN scoring.published_rate(enforceable, to_enforce) END AS classification,
    CASE WHEN rate IS NOT NULL AND last_rate IS NOT NULL
      AND abs(scoring.change_effect(done, enforceable, last_done, last_enforceable))
        < 10000000
      THEN scoring.change_effect(done, enforceable, last_done, last_enforceable)
      END AS numerator_effect
  FROM (
    SELECT * FROM scoring.scorecard
    WHERE (period, unit, measure, category) NOT IN (
      SELECT period, unit, measure, category FROM proposed)
    UNION ALL SELECT * FROM proposed WHERE revision IS NOT NULL) card) judged
"""
_GRANT = "GRANT SELECT ON scoring.published_scorecard TO dondoc_scoring, dondoc_alerts"
_COMMENT = "as_reported or restated; null with a why"


def _view_anew() -> None:
    op.execute(_VIEW)
    op.execute(_GRANT)


def upgrade() -> None:
    op.execute("DROP VIEW scoring.published_scorecard")
    op.add_column(
        "scorecard",
        sa.Column(
            "workload_spread",
            sa.Numeric(18, 2),
            comment="the most loaded officer's work, in times the least loaded one's",
        ),
        schema="scoring",
    )
    op.alter_column(
        "scorecard",
        "last_basis",
        comment="as_reported, rolled_up or restated; null with a why",
        existing_comment=_COMMENT,
        schema="scoring",
    )
    _view_anew()


def downgrade() -> None:
    op.execute("DROP VIEW scoring.published_scorecard")
    op.drop_column("scorecard", "workload_spread", schema="scoring")
    op.alter_column("scorecard", "last_basis", comment=_COMMENT, schema="scoring")
    _view_anew()
