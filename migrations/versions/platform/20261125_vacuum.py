"""What keeps old row versions from being cleared, told to services as numbers."""

from alembic import op

revision = "platform_vacuum"
down_revision = "platform_keys"
branch_labels = None
depends_on = None

# Since when another role's session is at work is its own business, so the owner asks
# in place of a service, and tells neither the query nor who asks it. What VACUUM has
# open itself holds nothing back. Of other databases only what has none (a standby's
# feedback, a slot) counts here.
_HOLDERS = """
CREATE FUNCTION platform.holding_back()
RETURNS TABLE (kind text, name text, seconds integer, transactions integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT 'session', a.pid::text,
    extract(epoch FROM clock_timestamp() - a.xact_start)::integer,
    greatest(age(a.backend_xmin), age(a.backend_xid))
  FROM pg_stat_activity a
  WHERE coalesce(a.backend_xmin, a.backend_xid) IS NOT NULL
    AND a.pid <> pg_backend_pid()
    AND coalesce(a.datname, current_database()) = current_database()
    AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid)
  UNION ALL
  SELECT 'prepared', p.gid, extract(epoch FROM clock_timestamp() - p.prepared)::integer,
    age(p.transaction)
  FROM pg_prepared_xacts p WHERE p.database = current_database()
  UNION ALL
  SELECT 'slot', s.slot_name::text, NULL, age(s.xmin)
  FROM pg_replication_slots s WHERE s.xmin IS NOT NULL
$$
"""


def upgrade() -> None:
    op.execute(_HOLDERS)
    op.execute("REVOKE ALL ON FUNCTION platform.holding_back() FROM PUBLIC")
    op.execute(
        "GRANT EXECUTE ON FUNCTION platform.holding_back()"
        " TO dondoc_ingest, dondoc_scoring, dondoc_alerts"
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION platform.holding_back()")
