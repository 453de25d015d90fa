"""The first tables of platform."""

import sqlalchemy as sa
from alembic import op

revision = "platform_1"
down_revision = None
branch_labels = None
depends_on = None

_ROLES = """
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['dondoc_ingest', 'dondoc_scoring', 'dondoc_alerts'] LOOP
    BEGIN
      -- Roles belong to the cluster: made if absent, never dropped.
      EXECUTE format('CREATE ROLE %I NOLOGIN', name);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    IF NOT pg_has_role(current_user, name, 'MEMBER') THEN
      EXECUTE format('GRANT %I TO %I', name, current_user);
    END IF;
  END LOOP;
END $$
"""

_TIME = """
CREATE FUNCTION platform.business_now() RETURNS timestamptz LANGUAGE sql STABLE
RETURN coalesce(
  (SELECT business_at + (clock_timestamp() - true_at) FROM platform.clock),
  clock_timestamp());
CREATE FUNCTION platform.business_date() RETURNS date LANGUAGE sql STABLE
RETURN (platform.business_now() AT TIME ZONE 'Asia/Ho_Chi_Minh')::date
"""

_GRANTS = """
GRANT USAGE ON SCHEMA platform TO dondoc_ingest, dondoc_scoring, dondoc_alerts;
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.event TO dondoc_ingest, dondoc_scoring, dondoc_alerts;
GRANT SELECT ON platform.batch TO dondoc_ingest, dondoc_scoring, dondoc_alerts;
GRANT INSERT ON platform.batch TO dondoc_ingest;
GRANT UPDATE (scored_at, evaluated_at) ON platform.batch TO dondoc_scoring;
GRANT UPDATE (scored_at, evaluated_at, opened, closed) ON platform.batch TO dondoc_alerts;
GRANT SELECT, INSERT ON platform.api_key TO dondoc_ingest, dondoc_scoring, dondoc_alerts;
GRANT UPDATE (revoked_at) ON platform.api_key TO dondoc_ingest, dondoc_scoring, dondoc_alerts;
GRANT SELECT, INSERT, UPDATE ON platform.clock TO dondoc_ingest, dondoc_scoring, dondoc_alerts
"""


def _run(statements: str) -> None:
    # asyncpg prepares each statement by itself.
    for statement in statements.split(";\n"):
        op.execute(statement)


def upgrade() -> None:
    op.execute(_ROLES)
    op.create_table(
        "api_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "digest", sa.LargeBinary(), nullable=False, comment="HMAC with the pepper"
        ),
        sa.Column("roles", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("units", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        schema="platform",
    )
    op.create_table(
        "batch",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="the API key that sent it"),
        sa.Column("request", sa.Text(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("evaluated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("closed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        schema="platform",
    )
    op.create_table(
        "clock",
        sa.Column("only", sa.Boolean(), nullable=False),
        sa.Column("business_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("true_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint('"only"', name=op.f("ck_clock_one_row")),
        sa.PrimaryKeyConstraint("only", name=op.f("pk_clock")),
        schema="platform",
    )
    op.create_table(
        "event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column(
            "key", sa.Text(), nullable=False, comment="the period; one worker at a time"
        ),
        sa.Column(
            "batch", sa.Text(), nullable=True, comment="whose deed it descends from"
        ),
        sa.Column(
            "request",
            sa.Text(),
            nullable=True,
            comment="the request id that follows a batch",
        ),
        sa.Column(
            "attempts", sa.Integer(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "run_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "created",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("dead_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        schema="platform",
    )
    op.create_index(
        "ix_event_batch", "event", ["batch"], unique=False, schema="platform"
    )
    op.create_index(
        "ix_event_waiting",
        "event",
        ["topic", "run_at", "id"],
        unique=False,
        schema="platform",
        postgresql_where=sa.text("dead_at IS NULL"),
    )
    _run(_TIME)
    _run(_GRANTS)


def downgrade() -> None:
    op.execute("DROP FUNCTION platform.business_date()")
    op.execute("DROP FUNCTION platform.business_now()")
    op.drop_index(
        "ix_event_waiting",
        table_name="event",
        schema="platform",
        postgresql_where=sa.text("dead_at IS NULL"),
    )
    op.drop_index("ix_event_batch", table_name="event", schema="platform")
    op.drop_table("event", schema="platform")
    op.drop_table("clock", schema="platform")
    op.drop_table("batch", schema="platform")
    op.drop_table("api_key", schema="platform")
