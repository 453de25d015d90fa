"""The first tables of scoring."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "scoring_1"
down_revision = None
branch_labels = None
depends_on = None

# The published rate is rounded half up in whole numbers: numeric division keeps
# about 16 places and may mis-round amounts above some 10^14 đồng.
_RATE = """
CREATE FUNCTION scoring.published_rate(done bigint, enforceable bigint)
RETURNS numeric LANGUAGE sql IMMUTABLE
RETURN CASE WHEN enforceable > 0 THEN
  div(20000::numeric * done + enforceable, 2::numeric * enforceable) * 0.01 END;
CREATE FUNCTION scoring.done(measure text, done bigint, completed bigint, terminated bigint, reduced bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE
RETURN coalesce(done, completed + terminated + CASE measure WHEN 'money' THEN coalesce(reduced, 0) ELSE 0 END, completed)
"""

_VIEWS = """
CREATE VIEW scoring.rated_figure AS
SELECT period, unit, measure, category, revision, illustrative, enforceable,
  scoring.done(measure, done, completed, terminated, reduced) AS done,
  CASE WHEN done IS NOT NULL THEN 'given'
    WHEN completed IS NOT NULL AND terminated IS NOT NULL THEN 'split'
    WHEN completed IS NOT NULL THEN 'inclusive'
    WHEN published_rate IS NOT NULL THEN 'published_rate' END AS done_basis,
  CASE WHEN enforceable = 0 THEN NULL ELSE coalesce(scoring.published_rate(
    scoring.done(measure, done, completed, terminated, reduced), enforceable),
    published_rate) END AS rate
FROM ingest.current_figure;
CREATE VIEW scoring.published_scorecard AS
SELECT *, rate - last_rate AS last_points, rate - national_rate AS above_national,
  CASE WHEN met THEN 0.00 ELSE target_rate - rate END AS shortfall_points
FROM (SELECT *, rate > target_rate OR (target_operator = 'at_least' AND rate = target_rate) AS met
  FROM scoring.scorecard) judged
"""

_GRANTS = """
GRANT USAGE ON SCHEMA scoring TO dondoc_scoring, dondoc_alerts;
GRANT SELECT, INSERT ON scoring.target TO dondoc_scoring;
GRANT SELECT, INSERT, UPDATE, DELETE ON scoring.scorecard TO dondoc_scoring;
GRANT SELECT ON scoring.rated_figure TO dondoc_scoring;
GRANT SELECT ON scoring.published_scorecard TO dondoc_scoring, dondoc_alerts
"""


def _run(statements: str) -> None:
    # asyncpg prepares each statement by itself.
    for statement in statements.split(";\n"):
        op.execute(statement)


def upgrade() -> None:
    op.create_table(
        "scorecard",
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("illustrative", sa.Boolean(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=True),
        sa.Column("enforceable", sa.BigInteger(), nullable=True),
        sa.Column("done_basis", sa.Text(), nullable=True),
        sa.Column(
            "rate",
            sa.Numeric(precision=5, scale=2),
            nullable=True,
            comment="as published",
        ),
        sa.Column(
            "target_rate",
            sa.Numeric(precision=5, scale=2),
            nullable=True,
            comment="that holds for this period",
        ),
        sa.Column("target_operator", sa.Text(), nullable=True),
        sa.Column(
            "target_document", postgresql.JSONB(astext_type=sa.Text()), nullable=True
        ),
        sa.Column(
            "target_unit",
            sa.Text(),
            nullable=True,
            comment="the unit whose target it is",
        ),
        sa.Column("last_period", sa.Text(), nullable=False),
        sa.Column("last_rate", sa.Numeric(precision=5, scale=2), nullable=True),
        sa.Column(
            "last_why",
            sa.Text(),
            nullable=True,
            comment="why there is no rate of last year",
        ),
        sa.Column(
            "last_illustrative",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
        ),
        sa.Column("national_rate", sa.Numeric(precision=5, scale=2), nullable=True),
        sa.Column("rank_position", sa.Integer(), nullable=True),
        sa.Column("rank_of", sa.Integer(), nullable=True),
        sa.Column("rank_from_bottom", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint(
            "period", "unit", "measure", "category", name=op.f("pk_scorecard")
        ),
        schema="scoring",
    )
    op.create_table(
        "target",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("rate", sa.Numeric(precision=5, scale=2), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column(
            "basis",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="annual, pro_rata or a table",
        ),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("author", sa.Text(), nullable=False, comment="the API key"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_target")),
        schema="scoring",
    )
    op.create_index(
        "ix_target_cell",
        "target",
        ["year", "unit", "measure", "category", "id"],
        unique=False,
        schema="scoring",
    )
    _run(_RATE)
    _run(_VIEWS)
    _run(_GRANTS)


def downgrade() -> None:
    op.execute("DROP VIEW scoring.published_scorecard")
    op.execute("DROP VIEW scoring.rated_figure")
    op.execute("DROP FUNCTION scoring.done")
    op.execute("DROP FUNCTION scoring.published_rate")
    op.drop_index("ix_target_cell", table_name="target", schema="scoring")
    op.drop_table("target", schema="scoring")
    op.drop_table("scorecard", schema="scoring")
