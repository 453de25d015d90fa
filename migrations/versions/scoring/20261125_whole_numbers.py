"""The past is worked out in whole numbers, many times as fast as decimals."""

from alembic import op

revision = "scoring_whole_numbers"
down_revision = "scoring_audit"
branch_labels = None
depends_on = None

# Rounded half up (away from zero where something shrank). Up to these sizes all fits
# into eight bytes; beyond, it goes through decimals. No movement counts for more than
# 10^11 percent, so that sums of a few of them fit as well.
_FUNCTIONS = """
CREATE FUNCTION scoring.hundredths(part bigint, whole bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN whole <= 0 THEN NULL
  WHEN part <= 400000000000000 AND whole <= 400000000000000
    THEN (20000 * part + whole) / (2 * whole)
  ELSE div(20000::numeric * part + whole, 2::numeric * whole) END;
CREATE FUNCTION scoring.ten_thousandths(part bigint, whole bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN whole > 0 AND part IS NOT NULL THEN CASE WHEN abs(part) <= 4000000000000
    THEN least(1000000000000000, (2000000 * abs(part) + whole) / (2 * whole))
    ELSE least(1000000000000000,
      div(2000000::numeric * abs(part) + whole, 2::numeric * whole))::bigint END
  * CASE WHEN part < 0 THEN -1 ELSE 1 END END;
CREATE FUNCTION scoring.both(pair bigint[]) RETURNS bigint
LANGUAGE sql IMMUTABLE RETURN pair[1] + pair[2];
DROP FUNCTION scoring.percent_of
"""
_PERCENT_OF = """
CREATE FUNCTION scoring.percent_of(part bigint, whole bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE RETURN round(100.0 * part / nullif(whole, 0), 4)
"""


def upgrade() -> None:
    for statement in _FUNCTIONS.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute(_PERCENT_OF)
    for name in ("both", "ten_thousandths", "hundredths"):
        op.execute(f"DROP FUNCTION scoring.{name}")
