"""A scorecard says on which basis last year's rate stands."""

import sqlalchemy as sa
from alembic import op

revision = "scoring_2"
down_revision = "scoring_1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "scorecard",
        sa.Column(
            "last_basis",
            sa.Text(),
            comment="as_reported or restated; null with a why",
        ),
        schema="scoring",
    )


def downgrade() -> None:
    op.drop_column("scorecard", "last_basis", schema="scoring")
