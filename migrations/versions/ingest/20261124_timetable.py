"""Periods close, reports are owed by a day, and days are decreed on or off work."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "ingest_4"
down_revision = "ingest_3"
branch_labels = None
depends_on = None

_GRANTS = """
GRANT SELECT, INSERT ON ingest.closing TO dondoc_ingest;
GRANT SELECT, INSERT, UPDATE ON ingest.obligation TO dondoc_ingest;
GRANT SELECT, INSERT ON ingest.calendar_day TO dondoc_ingest;
GRANT SELECT ON ingest.decreed_day TO dondoc_ingest;
GRANT SELECT ON platform.calendar_day TO dondoc_ingest, dondoc_scoring, dondoc_alerts;
GRANT SELECT ON ingest.published_closing TO dondoc_alerts
"""
_REPORT = "unit, period, revision, batch, form, reason, illustrative, received_at"


def upgrade() -> None:
    op.add_column(
        "report",
        sa.Column(
            "correction",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="it came after its period was closed",
        ),
        schema="ingest",
    )
    op.execute(
        "CREATE OR REPLACE VIEW ingest.published_report AS"
        f" SELECT {_REPORT}, correction FROM ingest.report"
    )
    op.create_table(
        "closing",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column(
            "under", sa.Text(), nullable=False, comment="the unit and all below it"
        ),
        sa.Column("closed", sa.Boolean(), nullable=False, comment="false: reopened"),
        sa.Column("reason", sa.Text()),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False, comment="the API key"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_closing")),
        schema="ingest",
        comment="periods closed and reopened; the latest word on a unit's way up holds",
    )
    op.create_index("ix_closing_period", "closing", ["period"], schema="ingest")
    op.execute(
        "CREATE VIEW ingest.published_closing AS"
        ' SELECT id, period, under, closed, reason, batch, "at" FROM ingest.closing'
    )
    op.create_table(
        "obligation",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column(
            "valid_to",
            sa.Date(),
            comment="the first day out; null while in force",
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("under", sa.Text(), nullable=False),
        sa.Column("months", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column(
            "rows",
            postgresql.JSONB(),
            nullable=False,
            comment="measures and categories owed",
        ),
        sa.Column(
            "within",
            sa.Integer(),
            nullable=False,
            comment="working days after its end",
        ),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False, comment="the API key"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "valid_to > valid_from", name=op.f("ck_obligation_interval")
        ),
        sa.PrimaryKeyConstraint("name", "valid_from", name=op.f("pk_obligation")),
        schema="ingest",
        comment="who owes which report, and by when",
    )
    op.create_table(
        "calendar_day",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("works", sa.Boolean(), comment="null: no longer decreed"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", sa.Text()),
        sa.Column("author", sa.Text(), nullable=False, comment="the API key"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_day")),
        schema="ingest",
        comment="days decreed on or off work; the latest word on a day holds",
    )
    op.create_index("ix_calendar_day_day", "calendar_day", ["day"], schema="ingest")
    op.execute(
        "CREATE VIEW ingest.decreed_day AS SELECT day, works, name, document FROM ("
        " SELECT DISTINCT ON (day) * FROM ingest.calendar_day"
        " WHERE recorded_at <= (SELECT platform.known_at())"
        " ORDER BY day, id DESC) latest WHERE works IS NOT NULL"
    )
    op.execute(
        "CREATE VIEW platform.calendar_day AS SELECT day, works FROM ingest.decreed_day"
    )
    for statement in _GRANTS.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP VIEW platform.calendar_day")
    op.execute("DROP VIEW ingest.decreed_day")
    op.drop_table("calendar_day", schema="ingest")
    op.drop_table("obligation", schema="ingest")
    op.execute("DROP VIEW ingest.published_closing")
    op.drop_table("closing", schema="ingest")
    op.execute("DROP VIEW ingest.published_report")
    op.drop_column("report", "correction", schema="ingest")
    op.execute(
        f"CREATE VIEW ingest.published_report AS SELECT {_REPORT} FROM ingest.report"
    )
    op.execute(
        "GRANT SELECT ON ingest.published_report"
        " TO dondoc_ingest, dondoc_scoring, dondoc_alerts"
    )
