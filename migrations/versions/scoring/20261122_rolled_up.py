"""Sums of children, beside reported figures or in their place."""

import sqlalchemy as sa
from alembic import op

revision = "scoring_3"
down_revision = "scoring_2"
branch_labels = None
depends_on = None

# Each unit with children, and each cell: walk down from its children, past those that
# reported no counts, to those that did. One unit at the bottom without counts and the
# sum is unknown, for a part is not the whole; so is a sum that is no count (2^53 - 1).
_ROLLED_UP = """
CREATE FUNCTION scoring.rolled_up(period text, day date)
RETURNS TABLE (unit text, measure text, category text, done bigint,
  enforceable bigint, illustrative boolean)
LANGUAGE sql STABLE AS $$
WITH RECURSIVE tree AS (
  SELECT code, parent FROM platform.unit u
  WHERE u.valid_from <= $2 AND (u.valid_to IS NULL OR u.valid_to > $2)),
counted AS (
  SELECT * FROM scoring.rated_figure f
  WHERE f.period = $1 AND f.done IS NOT NULL AND f.enforceable IS NOT NULL),
cell AS (SELECT DISTINCT c.measure, c.category FROM counted c),
walk AS (
  SELECT tree.parent AS unit, cell.measure, cell.category, tree.code AS node
  FROM tree CROSS JOIN cell WHERE tree.parent IS NOT NULL
  UNION ALL
  SELECT walk.unit, walk.measure, walk.category, tree.code
  FROM walk JOIN tree ON tree.parent = walk.node
  WHERE NOT EXISTS (SELECT FROM counted c WHERE c.unit = walk.node
    AND c.measure = walk.measure AND c.category = walk.category))
SELECT walk.unit, walk.measure, walk.category, sum(c.done)::bigint,
  sum(c.enforceable)::bigint, bool_or(c.illustrative)
FROM walk LEFT JOIN counted c ON c.unit = walk.node
  AND c.measure = walk.measure AND c.category = walk.category
WHERE c.unit IS NOT NULL
  OR NOT EXISTS (SELECT FROM tree WHERE tree.parent = walk.node)
GROUP BY walk.unit, walk.measure, walk.category
HAVING count(*) = count(c.unit) AND sum(c.enforceable) <= 9007199254740991
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
