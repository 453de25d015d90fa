"""What the months before one say of a unit is remembered until one of them changes."""

import sqlalchemy as sa
from alembic import op

revision = "scoring_history"
down_revision = "scoring_whole_numbers"
branch_labels = None
depends_on = None

_MOVEMENTS = ("reclassified", "separate_ledger", "entrusted", "done")


def upgrade() -> None:
    # Empty at first: a period is remembered when it is next computed.
    op.create_table(
        "history",
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column(
            "below",
            sa.Integer(),
            nullable=False,
            comment="months in a row, up to the last",
        ),
        sa.Column("usual_done", sa.BigInteger()),
        *(sa.Column(f"{name}_twice", sa.BigInteger()) for name in _MOVEMENTS),
        *(sa.Column(f"{name}_fourths", sa.BigInteger()) for name in _MOVEMENTS),
        sa.PrimaryKeyConstraint("period", "measure", "unit", name=op.f("pk_history")),
        schema="scoring",
        comment="what the months before one say of a unit: it changes only when they do",
    )
    op.execute("GRANT SELECT, INSERT, DELETE ON scoring.history TO dondoc_scoring")


def downgrade() -> None:
    op.drop_table("history", schema="scoring")
