"""Scorecards know how unusual a month is, how long a unit lags, and its workload."""

import sqlalchemy as sa
from alembic import op

revision = "scoring_6"
down_revision = "scoring_5"
branch_labels = None
depends_on = None

_COLUMNS = {
    "runs_below_last_year": sa.Integer(),
    "outlier_reclassified": sa.Numeric(9, 2),
    "outlier_separate_ledger": sa.Numeric(9, 2),
    "outlier_entrusted": sa.Numeric(9, 2),
    "outlier_done": sa.Numeric(9, 2),
    "peers_reclassified": sa.Numeric(9, 2),
    "peers_separate_ledger": sa.Numeric(9, 2),
    "peers_entrusted": sa.Numeric(9, 2),
    "peers_done": sa.Numeric(9, 2),
    "usual_done": sa.BigInteger(),
    "officers": sa.Integer(),
    "per_officer": sa.Numeric(18, 2),
    "workload_outlier": sa.Numeric(9, 2),
}

# Medians of sorted arrays, exact: percentile_cont would pass through floats. Fewer than
# six values say nothing; where half of them are alike, nothing is unusual.
_FUNCTIONS = """
CREATE FUNCTION scoring.percent_of(part bigint, whole bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE RETURN round(100.0 * part / nullif(whole, 0), 4);
CREATE FUNCTION scoring.median(sorted numeric[]) RETURNS numeric
LANGUAGE sql IMMUTABLE
RETURN (sorted[(cardinality(sorted) + 1) / 2] + sorted[(cardinality(sorted) + 2) / 2]) / 2;
CREATE FUNCTION scoring.mad(sorted numeric[]) RETURNS numeric
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN cardinality(sorted) >= 6 THEN scoring.median(ARRAY(
  SELECT abs(value - scoring.median(sorted)) FROM unnest(sorted) value ORDER BY 1)) END;
CREATE FUNCTION scoring.outlier(value numeric, median numeric, mad numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE
RETURN CASE WHEN value IS NOT NULL AND mad > 0 THEN greatest(-9999999.99, least(9999999.99,
  round((value - median) / (1.4826 * mad), 2))) END;
CREATE FUNCTION scoring.change_effect(done bigint, enforceable bigint, last_done bigint,
  last_enforceable bigint)
RETURNS numeric LANGUAGE sql IMMUTABLE
RETURN CASE WHEN enforceable > 0 AND last_enforceable > 0 THEN sign(done - last_done)
  * div(10000::numeric * abs(done - last_done) * (enforceable::numeric + last_enforceable)
    + enforceable::numeric * last_enforceable,
    2::numeric * enforceable * last_enforceable) * 0.01 END
"""

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
_CELL = "period, unit, measure, category"
_CARD = (
    f"{_CELL}, revision, illustrative, done, enforceable, done_basis, rate,"
    " target_rate, target_operator, target_document, target_unit, last_period,"
    " last_rate, last_why, last_illustrative, national_rate, rank_position, rank_of,"
    " rank_from_bottom"
)
_VIEW_BEFORE = f"""
CREATE VIEW scoring.published_scorecard AS
WITH proposed AS MATERIALIZED (
  SELECT s.* FROM platform.preview p,
    jsonb_populate_recordset(NULL::scoring.scorecard, p.rows) s
  WHERE p.batch = (SELECT platform.previewed()) AND p.kind = 'scorecards')
SELECT *, rate - last_rate AS last_points, rate - national_rate AS above_national,
  CASE WHEN met THEN 0.00 ELSE target_rate - rate END AS shortfall_points
FROM (SELECT *, rate > target_rate OR (target_operator = 'at_least' AND rate = target_rate) AS met
  FROM (SELECT {_CARD} FROM scoring.scorecard
    WHERE ({_CELL}) NOT IN (SELECT {_CELL} FROM proposed)
    UNION ALL SELECT {_CARD} FROM proposed WHERE revision IS NOT NULL) card) judged
"""
_GRANT = "GRANT SELECT ON scoring.published_scorecard TO dondoc_scoring, dondoc_alerts"


def upgrade() -> None:
    for name, kind in _COLUMNS.items():
        op.add_column("scorecard", sa.Column(name, kind), schema="scoring")
    for statement in _FUNCTIONS.split(";\n"):
        op.execute(statement)
    op.execute("DROP VIEW scoring.published_scorecard")
    op.execute(_VIEW)
    op.execute(_GRANT)


def downgrade() -> None:
    op.execute("DROP VIEW scoring.published_scorecard")
    for name in _COLUMNS:
        op.drop_column("scorecard", name, schema="scoring")
    for name in ("change_effect", "outlier", "mad", "median", "percent_of"):
        op.execute(f"DROP FUNCTION scoring.{name}")
    op.execute(_VIEW_BEFORE)
    op.execute(_GRANT)
