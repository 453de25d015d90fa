"""Matters say themselves in words, who may see them, and who kept another from opening."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "alerts_watches"
down_revision = "alerts_2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "escalation",
        sa.Column("message", postgresql.JSONB(), comment="the rule's words, filled in"),
        schema="alerts",
    )
    op.add_column(
        "escalation",
        sa.Column(
            "visibility", sa.Text(), server_default=sa.text("'unit'"), nullable=False
        ),
        schema="alerts",
    )
    op.add_column(
        "decision",
        sa.Column("inhibited_by", sa.Text(), comment="the matter that kept it silent"),
        schema="alerts",
    )

    op.create_table(
        "day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "done_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_day")),
        schema="alerts",
        comment="the days that were judged as they began",
    )
    op.execute("GRANT SELECT, INSERT ON alerts.day TO dondoc_alerts")


def downgrade() -> None:
    op.drop_table("day", schema="alerts")
    op.drop_column("decision", "inhibited_by", schema="alerts")
    op.drop_column("escalation", "visibility", schema="alerts")
    op.drop_column("escalation", "message", schema="alerts")
