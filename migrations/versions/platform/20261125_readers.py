"""Roles that read for a key of a part of the tree, and the units that it opens."""

from alembic import op

revision = "platform_readers"
down_revision = "platform_audit"
branch_labels = None
depends_on = None

_ROLES = """
DO $$
DECLARE service text;
BEGIN
  FOREACH service IN ARRAY ARRAY['dondoc_ingest', 'dondoc_alerts'] LOOP
    BEGIN
      -- Roles belong to the cluster: made if absent, never dropped.
      EXECUTE format('CREATE ROLE %I NOLOGIN', service || '_reader');
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    -- It may what its service may; only policies tell the two apart.
    IF NOT pg_has_role(service || '_reader', service, 'USAGE') THEN
      EXECUTE format('GRANT %I TO %I', service, service || '_reader');
    END IF;
    IF NOT pg_has_role(current_user, service || '_reader', 'MEMBER') THEN
      EXECUTE format('GRANT %I TO %I', service || '_reader', current_user);
    END IF;
  END LOOP;
END $$
"""


def upgrade() -> None:
    op.execute(_ROLES)
    op.execute(
        "CREATE FUNCTION platform.seen_units() RETURNS SETOF text LANGUAGE sql STABLE"
        " RETURN unnest(string_to_array(current_setting('dondoc.units', true), ','))"
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION platform.seen_units()")
