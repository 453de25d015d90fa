"""What one heir of a split unit takes over of a count: parts that add up to the whole."""

from alembic import op

revision = "scoring_7"
down_revision = "scoring_6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The rounded total up to and with this heir, less the one before it: whatever the
    # shares, the last heir ends at the count itself.
    op.execute(
        "CREATE FUNCTION scoring.apportioned(count bigint, before_it numeric,"
        " share numeric) RETURNS bigint LANGUAGE sql IMMUTABLE"
        " RETURN (round(count * (before_it + share)) - round(count * before_it))::bigint"
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION scoring.apportioned")
