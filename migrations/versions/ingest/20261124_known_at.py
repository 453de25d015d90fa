"""Figures and the tree as they were known at a moment, or as a dry run would have them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "ingest_3"
down_revision = "ingest_2"
branch_labels = None
depends_on = None

_COUNTS = (
    "carried_over, newly_accepted, total_accepted, entrusted, withdrawn, pulled_up,"
    " to_enforce, enforceable, done, completed, terminated, reduced, in_progress,"
    " postponed_suspended, not_enforceable, carried_forward, separate_ledger,"
    " enforceable_over_1y"
)
_CELL = "period, unit, measure, category"
_ROW = (
    f"{_CELL}, revision, removed, illustrative, document, document_date,"
    f" published_rate, {_COUNTS}"
)
_BEFORE = """
CREATE VIEW ingest.current_figure AS
SELECT * FROM (
  SELECT DISTINCT ON (period, unit, measure, category) * FROM ingest.figure
  ORDER BY period, unit, measure, category, revision DESC) latest
WHERE NOT removed
"""

# What a dry run would store stands in for what is stored.
_CURRENT = f"""
CREATE OR REPLACE VIEW ingest.current_figure AS
WITH proposed AS MATERIALIZED (
  SELECT f.* FROM platform.preview p,
    jsonb_populate_recordset(NULL::ingest.figure, p.rows) f
  WHERE p.batch = (SELECT platform.previewed()) AND p.kind = 'figures')
SELECT {_ROW}, resolved, resolved_in_time FROM (
  SELECT DISTINCT ON ({_CELL}) * FROM ingest.figure
  WHERE received_at <= (SELECT platform.known_at())
  ORDER BY {_CELL}, revision DESC) latest
WHERE NOT removed AND ({_CELL}) NOT IN (SELECT {_CELL} FROM proposed)
UNION ALL
SELECT {_ROW}, resolved, resolved_in_time FROM proposed WHERE NOT removed
"""
_UNIT = "code, valid_from, valid_to, name, name_sort, kind, parent"
_KNOWN_UNIT = f"""
CREATE VIEW ingest.known_unit AS
SELECT {_UNIT}, aliases, codes FROM ingest.unit
WHERE recorded_at <= (SELECT platform.known_at())
UNION ALL
SELECT {_UNIT}, aliases, codes FROM ingest.unit_past
WHERE recorded_at <= (SELECT platform.known_at())
  AND replaced_at > (SELECT platform.known_at())
"""


def upgrade() -> None:
    op.add_column(
        "figure",
        sa.Column("received_at", sa.DateTime(timezone=True)),
        schema="ingest",
    )
    op.execute(
        "UPDATE ingest.figure f SET received_at = r.received_at FROM ingest.report r"
        " WHERE r.unit = f.unit AND r.period = f.period AND r.revision = f.revision"
    )
    op.alter_column("figure", "received_at", nullable=False, schema="ingest")
    for name in ("resolved", "resolved_in_time"):
        op.add_column("figure", sa.Column(name, sa.BigInteger()), schema="ingest")
    op.add_column(
        "unit",
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("'-infinity'"),
            nullable=False,
        ),
        schema="ingest",
    )
    op.create_table(
        "unit_past",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_sort", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text()),
        sa.Column("aliases", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("codes", postgresql.JSONB(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "code", "valid_from", "recorded_at", name=op.f("pk_unit_past")
        ),
        schema="ingest",
        comment="rows of the tree as they were known before they were replaced",
    )
    op.execute("GRANT SELECT, INSERT ON ingest.unit_past TO dondoc_ingest")
    op.execute(_KNOWN_UNIT)
    op.execute("GRANT SELECT ON ingest.known_unit TO dondoc_ingest")
    op.execute(
        f"CREATE OR REPLACE VIEW platform.unit AS SELECT {_UNIT} FROM ingest.known_unit"
    )
    op.execute(
        "CREATE OR REPLACE VIEW platform.lineage AS"
        " SELECT predecessor, successor, effective FROM ingest.lineage"
        " WHERE recorded_at <= (SELECT platform.known_at())"
    )
    op.execute(_CURRENT)


def downgrade() -> None:
    op.execute(
        "CREATE OR REPLACE VIEW platform.lineage AS"
        " SELECT predecessor, successor, effective FROM ingest.lineage"
    )
    op.execute(
        f"CREATE OR REPLACE VIEW platform.unit AS SELECT {_UNIT} FROM ingest.unit"
    )
    op.execute("DROP VIEW ingest.known_unit")
    op.drop_table("unit_past", schema="ingest")
    op.drop_column("unit", "recorded_at", schema="ingest")
    op.execute("DROP VIEW ingest.current_figure")
    for name in ("received_at", "resolved", "resolved_in_time"):
        op.drop_column("figure", name, schema="ingest")
    op.execute(_BEFORE)
    op.execute(
        "GRANT SELECT ON ingest.current_figure"
        " TO dondoc_ingest, dondoc_scoring, dondoc_alerts"
    )
