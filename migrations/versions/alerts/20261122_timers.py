"""Timers: deadlines that pass, and steps up the tree."""

import sqlalchemy as sa
from alembic import op

revision = "alerts_2"
down_revision = "alerts_1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "timer",
        sa.Column("escalation", sa.Text(), nullable=False),
        sa.Column(
            "n", sa.Integer(), nullable=False, comment="0 is the deadline itself"
        ),
        sa.Column(
            "working_days",
            sa.Integer(),
            comment="after the step before; null: at the due",
        ),
        sa.Column(
            "levels", sa.Integer(), comment="how far up it goes; null for the deadline"
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["escalation"], ["alerts.escalation.id"]),
        sa.PrimaryKeyConstraint("escalation", "n", name=op.f("pk_timer")),
        schema="alerts",
        comment="the rule's policy as it was when the matter opened",
    )
    op.create_index(
        "ix_timer_due_at",
        "timer",
        ["due_at"],
        schema="alerts",
        postgresql_where=sa.text("fired_at IS NULL"),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON alerts.timer TO dondoc_alerts")


def downgrade() -> None:
    op.drop_table("timer", schema="alerts")
