"""Obligations as they were known before they were replaced."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "ingest_past_obligations"
down_revision = "ingest_erasures"
branch_labels = None
depends_on = None

_OWED = 'name, valid_from, valid_to, kind, under, months, "rows", within, document'
_KNOWN = f"""
CREATE VIEW ingest.known_obligation AS
SELECT {_OWED} FROM ingest.obligation
WHERE recorded_at <= (SELECT platform.known_at())
UNION ALL
SELECT {_OWED} FROM ingest.obligation_past
WHERE recorded_at <= (SELECT platform.known_at())
  AND replaced_at > (SELECT platform.known_at())
"""


def upgrade() -> None:
    op.create_table(
        "obligation_past",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("under", sa.Text(), nullable=False),
        sa.Column("months", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("rows", postgresql.JSONB(), nullable=False),
        sa.Column("within", sa.Integer(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "name", "valid_from", "recorded_at", name=op.f("pk_obligation_past")
        ),
        schema="ingest",
        comment="obligations as they were known before they were replaced",
    )
    op.execute("GRANT SELECT, INSERT ON ingest.obligation_past TO dondoc_ingest")
    op.execute(_KNOWN)
    op.execute("GRANT SELECT ON ingest.known_obligation TO dondoc_ingest")


def downgrade() -> None:
    op.execute("DROP VIEW ingest.known_obligation")
    op.drop_table("obligation_past", schema="ingest")
