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
            comment="the first of a unit's cases; rules find them all",
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
    here = op.get_bind().execute(sa.text("SELECT quote_ident(current_database())"))
    op.execute(f"GRANT TEMPORARY ON DATABASE {here.scalar_one()} TO dondoc_alerts")


def downgrade() -> None:
    here = op.get_bind().execute(sa.text("SELECT quote_ident(current_database())"))
    op.execute(f"REVOKE TEMPORARY ON DATABASE {here.scalar_one()} FROM dondoc_alerts")
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
