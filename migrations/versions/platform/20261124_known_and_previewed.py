"""What was known at a moment, and what would be: two settings that views obey."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "platform_2"
down_revision = "platform_1"
branch_labels = None
depends_on = None

_ROLES = "dondoc_ingest, dondoc_scoring, dondoc_alerts"


def upgrade() -> None:
    # An ended SET LOCAL leaves an empty text behind, not null.
    op.execute(
        "CREATE FUNCTION platform.known_at() RETURNS timestamptz LANGUAGE sql STABLE"
        " RETURN coalesce(nullif(current_setting('dondoc.known_at', true), '')"
        "::timestamptz, 'infinity')"
    )
    op.execute(
        "CREATE FUNCTION platform.previewed() RETURNS text LANGUAGE sql STABLE"
        " RETURN nullif(current_setting('dondoc.previewed', true), '')"
    )
    op.add_column(
        "batch",
        sa.Column(
            "dry_run", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        schema="platform",
    )
    op.create_table(
        "preview",
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("rows", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("batch", "kind", "period", name=op.f("pk_preview")),
        schema="platform",
        comment="what a dry run would do; only the answer outlives it",
    )
    op.execute(f"GRANT SELECT, INSERT, DELETE ON platform.preview TO {_ROLES}")


def downgrade() -> None:
    op.drop_table("preview", schema="platform")
    op.drop_column("batch", "dry_run", schema="platform")
    op.execute("DROP FUNCTION platform.previewed()")
    op.execute("DROP FUNCTION platform.known_at()")
