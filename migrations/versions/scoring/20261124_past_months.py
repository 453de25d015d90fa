"""Scorecards know last year's counts, the month before, and measures beyond cases."""

import sqlalchemy as sa
from alembic import op

revision = "scoring_5"
down_revision = "scoring_4"
branch_labels = None
depends_on = None

_NUMBERS = (
    "last_done",
    "last_enforceable",
    "to_enforce",
    "month_done",
    "month_completed",
    "month_terminated",
    "month_newly_accepted",
    "month_entrusted",
    "month_enforceable",
    "month_separate_ledger",
)

# What a measure's own rate divides; services/scoring/indicators.yaml says the same.
_PARTS = """
CREATE FUNCTION scoring.numerator(measure text, done bigint, completed bigint,
  terminated bigint, reduced bigint, resolved bigint, resolved_in_time bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE
RETURN CASE WHEN measure IN ('cases', 'money')
    THEN scoring.done(measure, done, completed, terminated, reduced)
  WHEN measure = 'guidance' THEN resolved_in_time ELSE resolved END;
CREATE FUNCTION scoring.denominator(measure text, enforceable bigint,
  carried_over bigint, newly_accepted bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE
RETURN CASE WHEN measure IN ('cases', 'money') THEN enforceable
  WHEN measure = 'decisions' THEN newly_accepted
  WHEN carried_over + newly_accepted <= 9007199254740991
    THEN carried_over + newly_accepted END
"""

# Most counts are small enough for whole numbers of eight bytes, many times as fast.
_RATE = """
CREATE OR REPLACE FUNCTION scoring.published_rate(done bigint, enforceable bigint)
RETURNS numeric LANGUAGE sql IMMUTABLE
RETURN CASE WHEN enforceable <= 0 THEN NULL
  WHEN done <= 400000000000000 AND enforceable <= 400000000000000
    THEN ((20000 * done + enforceable) / (2 * enforceable))::numeric
  ELSE div(20000::numeric * done + enforceable, 2::numeric * enforceable) END * 0.01
"""
_RATE_BEFORE = """
CREATE OR REPLACE FUNCTION scoring.published_rate(done bigint, enforceable bigint)
RETURNS numeric LANGUAGE sql IMMUTABLE
RETURN CASE WHEN enforceable > 0 THEN
  div(20000::numeric * done + enforceable, 2::numeric * enforceable) * 0.01 END
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
    scoring.denominator(measure, enforceable, carried_over, newly_accepted) AS enforceable,
    scoring.numerator(measure, done, completed, terminated, reduced, resolved,
      resolved_in_time) AS done,
    to_enforce, carried_over, newly_accepted, entrusted, completed, terminated, reduced,
    not_enforceable, separate_ledger, resolved, resolved_in_time, document, document_date,
    published_rate
  FROM ingest.current_figure) f
"""
_RATED_BEFORE = """
CREATE VIEW scoring.rated_figure AS
SELECT period, unit, measure, category, revision, illustrative, enforceable,
  scoring.done(measure, done, completed, terminated, reduced) AS done,
  CASE WHEN done IS NOT NULL THEN 'given'
    WHEN completed IS NOT NULL AND terminated IS NOT NULL THEN 'split'
    WHEN completed IS NOT NULL THEN 'inclusive'
    WHEN published_rate IS NOT NULL THEN 'published_rate' END AS done_basis,
  CASE WHEN enforceable = 0 THEN NULL ELSE coalesce(scoring.published_rate(
    scoring.done(measure, done, completed, terminated, reduced), enforceable),
    published_rate) END AS rate
FROM ingest.current_figure
"""

# The statement of scoring sums children itself, for all its cuts at once.
_ROLLED_UP = """
CREATE FUNCTION scoring.rolled_up(period text, day date)
RETURNS TABLE (unit text, measure text, category text, done bigint,
  enforceable bigint, illustrative boolean)
LANGUAGE sql STABLE SET enable_nestloop = off SET enable_mergejoin = off AS $$
WITH RECURSIVE tree AS MATERIALIZED (
  SELECT code, parent FROM platform.unit u
  WHERE u.valid_from <= $2 AND (u.valid_to IS NULL OR u.valid_to > $2)),
above AS MATERIALIZED (
  SELECT code, parent AS ancestor, 1 AS steps FROM tree WHERE parent IS NOT NULL
  UNION ALL
  SELECT above.code, tree.parent, steps + 1 FROM above
  JOIN tree ON tree.code = above.ancestor WHERE tree.parent IS NOT NULL),
bottom AS (
  SELECT code FROM tree WHERE NOT EXISTS (
    SELECT FROM tree child WHERE child.parent = tree.code)),
breadth AS MATERIALIZED (
  SELECT p.unit, count(*) AS n FROM (
    SELECT code, ancestor AS unit FROM above UNION ALL SELECT code, code FROM tree) p
  JOIN bottom USING (code) GROUP BY p.unit),
counted AS MATERIALIZED (
  SELECT f.* FROM scoring.rated_figure f JOIN tree ON tree.code = f.unit
  WHERE f.period = $1 AND f.done IS NOT NULL AND f.enforceable IS NOT NULL),
covered AS MATERIALIZED (
  SELECT c.unit, c.measure, c.category, min(a.steps) AS steps
  FROM counted c JOIN above a ON a.code = c.unit
  JOIN counted higher ON higher.unit = a.ancestor
    AND higher.measure = c.measure AND higher.category = c.category
  GROUP BY c.unit, c.measure, c.category)
SELECT a.ancestor, c.measure, c.category, sum(c.done)::bigint,
  sum(c.enforceable)::bigint, bool_or(c.illustrative)
FROM counted c JOIN above a ON a.code = c.unit
LEFT JOIN covered k ON k.unit = c.unit
  AND k.measure = c.measure AND k.category = c.category
JOIN breadth part ON part.unit = c.unit
JOIN breadth whole ON whole.unit = a.ancestor
WHERE k.steps IS NULL OR a.steps <= k.steps
GROUP BY a.ancestor, c.measure, c.category, whole.n
HAVING sum(part.n) = whole.n AND sum(c.enforceable) <= 9007199254740991
$$
"""

# A view that reads whole rows holds on to each of their columns.
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
    for name in _NUMBERS:
        op.add_column("scorecard", sa.Column(name, sa.BigInteger()), schema="scoring")
    op.add_column(
        "scorecard", sa.Column("previous_rate", sa.Numeric(5, 2)), schema="scoring"
    )
    for statement in _PARTS.split(";\n"):
        op.execute(statement)
    op.execute("DROP FUNCTION scoring.rolled_up")
    op.execute(_RATE)
    op.execute(_RATED)


def downgrade() -> None:
    op.execute("DROP VIEW scoring.rated_figure")
    op.execute(_RATED_BEFORE)
    op.execute("GRANT SELECT ON scoring.rated_figure TO dondoc_scoring")
    op.execute(_RATE_BEFORE)
    op.execute(_ROLLED_UP)
    op.execute("DROP FUNCTION scoring.denominator")
    op.execute("DROP FUNCTION scoring.numerator")
    op.execute("DROP VIEW scoring.published_scorecard")
    for name in ("previous_rate", *_NUMBERS):
        op.drop_column("scorecard", name, schema="scoring")
    op.execute(_VIEW_BEFORE)
    op.execute(_GRANT)
