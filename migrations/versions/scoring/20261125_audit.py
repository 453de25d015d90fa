"""Who changed what in scoring."""

from alembic import op

revision = "scoring_audit"
down_revision = "scoring_9"
branch_labels = None
depends_on = None

# Table: what it is called, the columns of its key, those that may be shown, and for a
# log of its own the column that says what happened.
_WATCHED = {
    "target": (
        "target",
        "unit,year,measure,category",
        "rate,operator,basis,document",
    ),
}


def upgrade() -> None:
    for table, watched in _WATCHED.items():
        words = ", ".join(f"'{word}'" for word in watched)
        op.execute(f"SELECT platform.watch('scoring.{table}', {words})")


def downgrade() -> None:
    for table in _WATCHED:
        for deed in ("added", "changed", "removed"):
            op.execute(f"DROP TRIGGER audit_{deed} ON scoring.{table}")
