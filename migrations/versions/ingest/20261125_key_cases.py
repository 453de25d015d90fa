"""Key cases are few among a million, and are found without reading the others."""

import sqlalchemy as sa
from alembic import op

revision = "ingest_key_cases"
down_revision = "ingest_latest_first"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_enforcement_case_key",
        "enforcement_case",
        ["unit", "case_no", "year"],
        schema="ingest",
        postgresql_where=sa.text("key_case"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_enforcement_case_key", table_name="enforcement_case", schema="ingest"
    )
