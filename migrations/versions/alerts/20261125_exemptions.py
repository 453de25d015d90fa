"""Who owes nothing under which rule until when; what a unit does not hear of itself."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "alerts_exemptions"
down_revision = "alerts_delivery"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exemption",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column(
            "until", sa.Date(), nullable=False, comment="the last day that it holds"
        ),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False, comment="the API key"),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("ended_by", sa.Text()),
        sa.Column("end_reason", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exemption")),
        schema="alerts",
        comment="units that owe nothing under a rule for a while",
    )
    op.create_index(
        "ix_exemption_rule_unit", "exemption", ["rule", "unit"], schema="alerts"
    )
    op.add_column(
        "message",
        sa.Column(
            "hidden",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="heard only by keys strictly above its unit",
        ),
        schema="alerts",
    )
    op.execute("GRANT SELECT, INSERT ON alerts.exemption TO dondoc_alerts")
    op.execute(
        "GRANT UPDATE (ended_at, ended_by, end_reason) ON alerts.exemption"
        " TO dondoc_alerts"
    )


def downgrade() -> None:
    op.drop_column("message", "hidden", schema="alerts")
    op.drop_table("exemption", schema="alerts")
