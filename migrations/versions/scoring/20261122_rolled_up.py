"""Sums of children, beside reported figures or in their place."""

import sqlalchemy as sa
from alembic import op

revision = "scoring_3"
down_revision = "scoring_2"
branch_labels = None
depends_on = None

# A unit's sum takes the topmost units below it that reported counts. It is whole when
# the units at the bottom below those are all that stand at the bottom below the unit:
# a part is not the whole, and a sum beyond 2^53 - 1 is no count. Linear in the rows,
# so long as the planner, who knows nothing of the parts' sizes, hashes instead of loops.
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


def upgrade() -> None:
    for name, comment in (
        ("rolled_done", "the sum of its children's counts"),
        ("rolled_enforceable", None),
    ):
        column = sa.Column(name, sa.BigInteger(), comment=comment)
        op.add_column("scorecard", column, schema="scoring")
    op.execute(_ROLLED_UP)


def downgrade() -> None:
    op.execute("DROP FUNCTION scoring.rolled_up")
    op.drop_column("scorecard", "rolled_enforceable", schema="scoring")
    op.drop_column("scorecard", "rolled_done", schema="scoring")
