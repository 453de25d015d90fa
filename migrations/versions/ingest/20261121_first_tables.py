"""The first tables of ingest."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from services.ingest.domain.names import sort_key

revision = "ingest_1"
down_revision = None
branch_labels = None
depends_on = None

_ROOT = """
INSERT INTO ingest.unit (code, valid_from, name, name_sort, kind, aliases, codes)
VALUES ('VN', '2010-01-01', 'Toàn quốc', :sort, 'national', '{}', '[]')
"""

# What others may read of ingest, and how.
_VIEWS = """
CREATE VIEW platform.unit AS
SELECT code, valid_from, valid_to, name, name_sort, kind, parent FROM ingest.unit;
CREATE VIEW ingest.current_figure AS
SELECT * FROM (
  SELECT DISTINCT ON (period, unit, measure, category) * FROM ingest.figure
  ORDER BY period, unit, measure, category, revision DESC) latest
WHERE NOT removed;
CREATE VIEW ingest.published_report AS
SELECT unit, period, revision, batch, form, reason, illustrative, received_at FROM ingest.report
"""

_GRANTS = """
GRANT USAGE ON SCHEMA ingest TO dondoc_ingest, dondoc_scoring, dondoc_alerts;
GRANT SELECT, INSERT, UPDATE ON ingest.unit TO dondoc_ingest;
GRANT SELECT, INSERT ON ingest.report, ingest.figure TO dondoc_ingest;
GRANT SELECT ON ingest.current_figure, ingest.published_report TO dondoc_ingest, dondoc_scoring, dondoc_alerts;
GRANT SELECT ON platform.unit TO dondoc_ingest, dondoc_scoring, dondoc_alerts
"""


def _run(statements: str) -> None:
    # asyncpg prepares each statement by itself.
    for statement in statements.split(";\n"):
        op.execute(statement)


def upgrade() -> None:
    op.create_table(
        "figure",
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column(
            "removed", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column(
            "illustrative",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
        ),
        sa.Column(
            "document", sa.Text(), nullable=True, comment="where the row was read"
        ),
        sa.Column("document_date", sa.Date(), nullable=True),
        sa.Column("published_rate", sa.Numeric(precision=5, scale=2), nullable=True),
        sa.Column("carried_over", sa.BigInteger(), nullable=True),
        sa.Column("newly_accepted", sa.BigInteger(), nullable=True),
        sa.Column("total_accepted", sa.BigInteger(), nullable=True),
        sa.Column("entrusted", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn", sa.BigInteger(), nullable=True),
        sa.Column("pulled_up", sa.BigInteger(), nullable=True),
        sa.Column("to_enforce", sa.BigInteger(), nullable=True),
        sa.Column("enforceable", sa.BigInteger(), nullable=True),
        sa.Column("done", sa.BigInteger(), nullable=True),
        sa.Column("completed", sa.BigInteger(), nullable=True),
        sa.Column("terminated", sa.BigInteger(), nullable=True),
        sa.Column("reduced", sa.BigInteger(), nullable=True),
        sa.Column("in_progress", sa.BigInteger(), nullable=True),
        sa.Column("postponed_suspended", sa.BigInteger(), nullable=True),
        sa.Column("not_enforceable", sa.BigInteger(), nullable=True),
        sa.Column("carried_forward", sa.BigInteger(), nullable=True),
        sa.Column("separate_ledger", sa.BigInteger(), nullable=True),
        sa.Column("enforceable_over_1y", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint(
            "period", "unit", "measure", "category", "revision", name=op.f("pk_figure")
        ),
        schema="ingest",
    )
    op.create_table(
        "report",
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("illustrative", sa.Boolean(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False, comment="the API key"),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("unit", "period", "revision", name=op.f("pk_report")),
        schema="ingest",
    )
    op.create_index(
        "ix_report_batch", "report", ["batch"], unique=False, schema="ingest"
    )
    op.create_index(
        "ix_report_period", "report", ["period"], unique=False, schema="ingest"
    )
    op.create_table(
        "unit",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column(
            "valid_to",
            sa.Date(),
            nullable=True,
            comment="the first day out; null while in force",
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_sort", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=True, comment="null for the root"),
        sa.Column("aliases", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "codes",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="state codes with their days",
        ),
        sa.CheckConstraint("valid_to > valid_from", name=op.f("ck_unit_interval")),
        sa.PrimaryKeyConstraint("code", "valid_from", name=op.f("pk_unit")),
        schema="ingest",
    )
    op.execute(sa.text(_ROOT).bindparams(sort=sort_key("Toàn quốc")))
    _run(_VIEWS)
    _run(_GRANTS)


def downgrade() -> None:
    op.execute("DROP VIEW ingest.published_report")
    op.execute("DROP VIEW ingest.current_figure")
    op.execute("DROP VIEW platform.unit")
    op.drop_table("unit", schema="ingest")
    op.drop_index("ix_report_period", table_name="report", schema="ingest")
    op.drop_index("ix_report_batch", table_name="report", schema="ingest")
    op.drop_table("report", schema="ingest")
    op.drop_table("figure", schema="ingest")
