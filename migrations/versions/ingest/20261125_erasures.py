"""Who erased how many cases, and when."""

import sqlalchemy as sa
from alembic import op

revision = "ingest_erasures"
down_revision = "ingest_totals"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "erasure",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("login", sa.Text(), nullable=False, comment="who ran the command"),
        sa.Column(
            "role", sa.Text(), nullable=False, comment="as whom the database knew them"
        ),
        sa.Column("cases", sa.BigInteger(), nullable=False, comment="how many went"),
        sa.Column("case_id", sa.BigInteger(), comment="null: not one by its id"),
        sa.Column("before", sa.Date(), comment="finished before this day"),
        sa.Column("unit", sa.Text(), comment="of this unit and all below it"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure")),
        schema="ingest",
        comment="cases erased for good, by the database's owner alone",
    )


def downgrade() -> None:
    op.drop_table("erasure", schema="ingest")
