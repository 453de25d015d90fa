"""The first tables of alerts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "alerts_1"
down_revision = None
branch_labels = None
depends_on = None

_GRANTS = """
GRANT USAGE ON SCHEMA alerts TO dondoc_alerts;
GRANT SELECT, INSERT, UPDATE ON alerts.rule, alerts.escalation, alerts.subscription, alerts.delivery, alerts.attempt TO dondoc_alerts;
GRANT SELECT, INSERT, UPDATE, DELETE ON alerts.decision TO dondoc_alerts;
GRANT SELECT, INSERT ON alerts.entry, alerts.explanation, alerts.message TO dondoc_alerts
"""


def _run(statements: str) -> None:
    # asyncpg prepares each statement by itself.
    for statement in statements.split(";\n"):
        op.execute(statement)


def upgrade() -> None:
    op.create_table(
        "decision",
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("missing", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("severity", sa.Text(), nullable=True),
        sa.Column("at", sa.Date(), nullable=False, comment="the evaluation day"),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("trace", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint(
            "period", "rule", "unit", "measure", "category", name=op.f("pk_decision")
        ),
        schema="alerts",
    )
    op.create_table(
        "escalation",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=True),
        sa.Column("measure", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("closed_as", sa.Text(), nullable=True),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("level", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("addressed_to", sa.Text(), nullable=False),
        sa.Column("owes", sa.Text(), nullable=False),
        sa.Column("closes", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("due_inclusive", sa.Boolean(), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("trace", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("basis", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("title", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("illustrative", sa.Boolean(), nullable=False),
        sa.Column(
            "sequence", sa.Integer(), server_default=sa.text("0"), nullable=False
        ),
        sa.CheckConstraint(
            "state IN ('open', 'explained', 'returned', 'closed')",
            name=op.f("ck_escalation_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_escalation")),
        sa.UniqueConstraint(
            "rule",
            "unit",
            "period",
            "measure",
            "category",
            name="uq_escalation_matter",
            postgresql_nulls_not_distinct=True,
        ),
        schema="alerts",
    )
    op.create_index(
        "ix_escalation_opened_at_id",
        "escalation",
        ["opened_at", "id"],
        unique=False,
        schema="alerts",
    )
    op.create_table(
        "message",
        sa.Column(
            "id", sa.Text(), nullable=False, comment="webhook-id and CloudEvents id"
        ),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=True, comment="the subject"),
        sa.Column("severity", sa.Text(), nullable=True),
        sa.Column("escalation", sa.Text(), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.Column(
            "body",
            sa.LargeBinary(),
            nullable=False,
            comment="the bytes that are signed",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        schema="alerts",
    )
    op.create_index(
        "ix_message_escalation_sequence",
        "message",
        ["escalation", "sequence"],
        unique=False,
        schema="alerts",
    )
    op.create_table(
        "rule",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "source", sa.Text(), nullable=False, comment="the YAML, word for word"
        ),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", "version", name=op.f("pk_rule")),
        schema="alerts",
    )
    op.create_index(
        "ix_rule_active",
        "rule",
        ["id"],
        unique=True,
        schema="alerts",
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "subscription",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="the API key that made it"),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("types", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("under", sa.Text(), nullable=False),
        sa.Column("min_severity", sa.Text(), nullable=True),
        sa.Column(
            "secret", sa.LargeBinary(), nullable=False, comment="sealed, never in clear"
        ),
        sa.Column(
            "state", sa.Text(), server_default=sa.text("'enabled'"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
        schema="alerts",
    )
    op.create_table(
        "delivery",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("subscription", sa.Text(), nullable=False),
        sa.Column("escalation", sa.Text(), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.Column(
            "state", sa.Text(), server_default=sa.text("'pending'"), nullable=False
        ),
        sa.Column(
            "attempts", sa.Integer(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "next_attempt_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=True,
        ),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "claim",
            sa.Text(),
            nullable=True,
            comment="the fence: only its holder writes the outcome",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'leased', 'retrying', 'delivered', 'held', 'dead')",
            name=op.f("ck_delivery_state"),
        ),
        sa.ForeignKeyConstraint(
            ["message"],
            ["alerts.message.id"],
        ),
        sa.ForeignKeyConstraint(
            ["subscription"],
            ["alerts.subscription.id"],
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint(
            "message", "subscription", name=op.f("uq_delivery_message_subscription")
        ),
        schema="alerts",
    )
    op.create_index(
        "ix_delivery_undone",
        "delivery",
        ["subscription", "escalation", "sequence"],
        unique=False,
        schema="alerts",
        postgresql_where=sa.text("state NOT IN ('delivered', 'dead')"),
    )
    op.create_index(
        "ix_delivery_waiting",
        "delivery",
        ["subscription", "next_attempt_at"],
        unique=False,
        schema="alerts",
        postgresql_where=sa.text("state IN ('pending', 'retrying', 'leased')"),
    )
    op.create_table(
        "entry",
        sa.Column("escalation", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "actor", sa.Text(), nullable=False, comment="an API key, or `dondoc`"
        ),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["escalation"],
            ["alerts.escalation.id"],
        ),
        sa.PrimaryKeyConstraint("escalation", "n", name=op.f("pk_entry")),
        schema="alerts",
        comment="append-only: what happened to a matter",
    )
    op.create_table(
        "explanation",
        sa.Column("escalation", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("causes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("remedies", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("attachments", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("handed_in_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["escalation"],
            ["alerts.escalation.id"],
        ),
        sa.PrimaryKeyConstraint("escalation", "n", name=op.f("pk_explanation")),
        schema="alerts",
    )
    op.create_table(
        "attempt",
        sa.Column("delivery", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "excerpt",
            sa.Text(),
            nullable=True,
            comment="the start of the answer, made harmless",
        ),
        sa.Column("ms", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery"],
            ["alerts.delivery.id"],
        ),
        sa.PrimaryKeyConstraint("delivery", "n", name=op.f("pk_attempt")),
        schema="alerts",
    )
    _run(_GRANTS)


def downgrade() -> None:
    op.drop_table("attempt", schema="alerts")
    op.drop_table("explanation", schema="alerts")
    op.drop_table("entry", schema="alerts")
    op.drop_index(
        "ix_delivery_waiting",
        table_name="delivery",
        schema="alerts",
        postgresql_where=sa.text("state IN ('pending', 'retrying', 'leased')"),
    )
    op.drop_index(
        "ix_delivery_undone",
        table_name="delivery",
        schema="alerts",
        postgresql_where=sa.text("state NOT IN ('delivered', 'dead')"),
    )
    op.drop_table("delivery", schema="alerts")
    op.drop_table("subscription", schema="alerts")
    op.drop_index(
        "ix_rule_active",
        table_name="rule",
        schema="alerts",
        postgresql_where=sa.text("state = 'active'"),
    )
    op.drop_table("rule", schema="alerts")
    op.drop_index(
        "ix_message_escalation_sequence", table_name="message", schema="alerts"
    )
    op.drop_table("message", schema="alerts")
    op.drop_index(
        "ix_escalation_opened_at_id", table_name="escalation", schema="alerts"
    )
    op.drop_table("escalation", schema="alerts")
    op.drop_table("decision", schema="alerts")
