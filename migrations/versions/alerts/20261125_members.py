"""Cases come and go as members of one matter of their unit."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "alerts_members"
down_revision = "alerts_watches"
branch_labels = None
depends_on = None

_KEY = ["rule", "unit", "period", "measure", "category"]


def upgrade() -> None:
    op.add_column(
        "escalation",
        sa.Column(
            "members",
            postgresql.JSONB(),
            comment="the first of a unit's cases; all are in `member`",
        ),
        schema="alerts",
    )
    op.drop_constraint("uq_escalation_matter", "escalation", schema="alerts")
    op.create_index(
        "uq_escalation_matter",
        "escalation",
        _KEY,
        schema="alerts",
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("period IS NOT NULL"),
    )
    op.create_index(
        "uq_escalation_of_cases",
        "escalation",
        ["rule", "unit"],
        schema="alerts",
        unique=True,
        postgresql_where=sa.text("period IS NULL AND state <> 'closed'"),
    )
    op.create_table(
        "member",
        sa.Column("escalation", sa.Text(), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(["escalation"], ["alerts.escalation.id"]),
        sa.PrimaryKeyConstraint("escalation", "case_id", name=op.f("pk_member")),
        schema="alerts",
        comment="the cases that a matter is about now",
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON alerts.member TO dondoc_alerts")
    here = op.get_bind().execute(sa.text("SELECT quote_ident(current_database())"))
    op.execute(f"GRANT TEMPORARY ON DATABASE {here.scalar_one()} TO dondoc_alerts")


def downgrade() -> None:
    here = op.get_bind().execute(sa.text("SELECT quote_ident(current_database())"))
    op.execute(f"REVOKE TEMPORARY ON DATABASE {here.scalar_one()} FROM dondoc_alerts")
    op.drop_table("member", schema="alerts")
    # Several matters of one unit's cases stay apart by a period of their own.
    op.execute("UPDATE alerts.escalation SET period = id WHERE period IS NULL")
    op.drop_index("uq_escalation_of_cases", "escalation", schema="alerts")
    op.drop_index("uq_escalation_matter", "escalation", schema="alerts")
    op.create_unique_constraint(
        "uq_escalation_matter",
        "escalation",
        _KEY,
        schema="alerts",
        postgresql_nulls_not_distinct=True,
    )
    op.drop_column("escalation", "members", schema="alerts")
