"""Batches are settled by one call: their locks and what is seen then, in one go."""

from alembic import op

revision = "platform_settle"
down_revision = "platform_vacuum"
branch_labels = None
depends_on = None

# Two statements, as the second must see what was committed before the first had its
# locks: so the second of two last events finds the first one gone.
_SETTLE = """
CREATE FUNCTION platform.settle(settled text[], figures text[]) RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  rehearsed text[];
BEGIN
  PERFORM FROM platform.batch WHERE id = ANY(settled) ORDER BY id COLLATE "C" FOR UPDATE;
  WITH ended AS (
    UPDATE platform.batch b SET
      scored_at = coalesce(scored_at, CASE WHEN NOT EXISTS (
        SELECT FROM platform.event WHERE batch = b.id AND topic = ANY(figures))
        THEN platform.business_now() END),
      evaluated_at = CASE WHEN NOT EXISTS (
        SELECT FROM platform.event WHERE batch = b.id)
        THEN platform.business_now() END
    WHERE id = ANY(settled) RETURNING id, dry_run, evaluated_at)
  SELECT coalesce(array_agg(id ORDER BY id), '{}') INTO rehearsed
  FROM ended WHERE dry_run AND evaluated_at IS NOT NULL;
  RETURN rehearsed;
END $$
"""
_ROLES = "dondoc_scoring, dondoc_alerts"


def upgrade() -> None:
    op.execute(_SETTLE)
    op.execute("REVOKE ALL ON FUNCTION platform.settle(text[], text[]) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION platform.settle(text[], text[]) TO {_ROLES}")


def downgrade() -> None:
    op.execute("DROP FUNCTION platform.settle(text[], text[])")
