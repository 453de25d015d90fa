"""The published scorecards obey a dry run: what it proposes stands in."""

from alembic import op

revision = "scoring_4"
down_revision = "scoring_3"
branch_labels = None
depends_on = None

_CELL = "period, unit, measure, category"
_CARD = (
    f"{_CELL}, revision, illustrative, done, enforceable, done_basis, rate,"
    " target_rate, target_operator, target_document, target_unit, last_period,"
    " last_rate, last_why, last_illustrative, national_rate, rank_position, rank_of,"
    " rank_from_bottom"
)
_JUDGED = """
CREATE OR REPLACE VIEW scoring.published_scorecard AS {proposed}
SELECT *, rate - last_rate AS last_points, rate - national_rate AS above_national,
  CASE WHEN met THEN 0.00 ELSE target_rate - rate END AS shortfall_points
FROM (SELECT *, rate > target_rate OR (target_operator = 'at_least' AND rate = target_rate) AS met
  FROM ({cards}) card) judged
"""
# A proposed row without a revision is one that would be no more.
_PROPOSED = """
WITH proposed AS MATERIALIZED (
  SELECT s.* FROM platform.preview p,
    jsonb_populate_recordset(NULL::scoring.scorecard, p.rows) s
  WHERE p.batch = (SELECT platform.previewed()) AND p.kind = 'scorecards')
"""
_CARDS = f"""
SELECT {_CARD} FROM scoring.scorecard
WHERE ({_CELL}) NOT IN (SELECT {_CELL} FROM proposed)
UNION ALL SELECT {_CARD} FROM proposed WHERE revision IS NOT NULL
"""


def upgrade() -> None:
    op.execute(_JUDGED.format(proposed=_PROPOSED, cards=_CARDS))


def downgrade() -> None:
    plain = f"SELECT {_CARD} FROM scoring.scorecard"
    op.execute(_JUDGED.format(proposed="", cards=plain))
