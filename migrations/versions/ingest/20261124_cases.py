"""Case records: one row for each case, every record received, what brought them."""

import sqlalchemy as sa
from alembic import op

revision = "ingest_cases"
down_revision = "ingest_mappings"
branch_labels = None
depends_on = None

_KEPT = """
CREATE TABLE ingest.case_intake (
  id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_case_intake PRIMARY KEY,
  batch text NOT NULL,
  received_at timestamptz NOT NULL);
COMMENT ON TABLE ingest.case_intake IS 'so that a million rows need not repeat their batch'
"""

# Wide columns first, so that none is padded.
_CONTENT = """
  as_of timestamptz NOT NULL,
  due_vnd bigint NOT NULL,
  collected_vnd bigint NOT NULL,
  held_vnd bigint,
  decided_on date NOT NULL,
  status_since date NOT NULL,
  published_on date,
  auctioned_on date,
  handed_over_on date,
  intake integer NOT NULL,
  version integer NOT NULL,
  key_case boolean NOT NULL,
  status text COLLATE "C" NOT NULL,
  officer text COLLATE "C",
  claims text[] NOT NULL,
  verified_on date[] NOT NULL,
  reason_code text COLLATE "C"
"""

_TABLES = f"""
CREATE TABLE ingest.enforcement_case (
  id bigint GENERATED ALWAYS AS IDENTITY, {_CONTENT},
  versions integer NOT NULL,
  year smallint NOT NULL,
  unit text COLLATE "C" NOT NULL,
  case_no text COLLATE "C" NOT NULL,
  CONSTRAINT pk_enforcement_case PRIMARY KEY (unit, case_no, year));
CREATE UNIQUE INDEX uq_enforcement_case_id ON ingest.enforcement_case (id);
COMMENT ON TABLE ingest.enforcement_case IS 'each case as its newest record (by as_of) has it';
COMMENT ON COLUMN ingest.enforcement_case.versions IS 'how many were received';
COMMENT ON COLUMN ingest.enforcement_case.year IS 'of the decision';
CREATE TABLE ingest.case_history (
  case_id bigint NOT NULL, {_CONTENT},
  applied boolean NOT NULL,
  CONSTRAINT pk_case_history PRIMARY KEY (case_id, version));
COMMENT ON TABLE ingest.case_history IS 'every record received, also those too old to be applied';
COMMENT ON COLUMN ingest.case_history.applied IS 'newer than all before it'
"""

_COMMENTS = """
COMMENT ON COLUMN ingest.{0}.intake IS 'what brought it';
COMMENT ON COLUMN ingest.{0}.version IS 'of those received, from 1'
"""

# Records arrive in a temporary table; the history is only ever added to.
_GRANTS = """
GRANT SELECT, INSERT ON ingest.case_intake, ingest.case_history TO dondoc_ingest;
GRANT SELECT, INSERT ON ingest.enforcement_case TO dondoc_ingest;
GRANT UPDATE (as_of, due_vnd, collected_vnd, held_vnd, decided_on, status_since, published_on, auctioned_on, handed_over_on, intake, version, key_case, status, officer, claims, verified_on, reason_code, versions) ON ingest.enforcement_case TO dondoc_ingest
"""


def _run(statements: str) -> None:
    # asyncpg prepares each statement by itself.
    for statement in statements.split(";\n"):
        op.execute(statement)


def upgrade() -> None:
    _run(_KEPT)
    _run(_TABLES)
    for table in ("enforcement_case", "case_history"):
        _run(_COMMENTS.format(table))
    _run(_GRANTS)
    here = op.get_bind().execute(sa.text("SELECT quote_ident(current_database())"))
    op.execute(f"GRANT TEMPORARY ON DATABASE {here.scalar_one()} TO dondoc_ingest")


def downgrade() -> None:
    op.drop_table("case_history", schema="ingest")
    op.drop_table("enforcement_case", schema="ingest")
    op.drop_table("case_intake", schema="ingest")
    here = op.get_bind().execute(sa.text("SELECT quote_ident(current_database())"))
    op.execute(f"REVOKE TEMPORARY ON DATABASE {here.scalar_one()} FROM dondoc_ingest")
