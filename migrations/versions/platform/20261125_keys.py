"""Keys that begin later, live with two secrets for a while, and ask only so fast."""

import sqlalchemy as sa
from alembic import op

revision = "platform_keys"
down_revision = "platform_readers"
branch_labels = None
depends_on = None

_ROLES = "dondoc_ingest, dondoc_scoring, dondoc_alerts"


def upgrade() -> None:
    for column in (
        sa.Column("not_before", sa.DateTime(timezone=True)),
        sa.Column(
            "retired_digest",
            sa.LargeBinary(),
            comment="of the secret before; it opens as well until then",
        ),
        sa.Column("retired_until", sa.DateTime(timezone=True)),
    ):
        op.add_column("api_key", column, schema="platform")
    op.create_table(
        "bucket",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "spent_until",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="how far its rate is used up",
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_bucket")),
        schema="platform",
        prefixes=["UNLOGGED"],
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON platform.bucket TO {_ROLES}")


def downgrade() -> None:
    op.drop_table("bucket", schema="platform")
    for column in ("retired_until", "retired_digest", "not_before"):
        op.drop_column("api_key", column, schema="platform")
