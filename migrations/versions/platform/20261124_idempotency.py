"""Answers that are given again, with the key that they were asked with."""

import sqlalchemy as sa
from alembic import op

revision = "platform_3"
down_revision = "platform_2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idempotency",
        sa.Column("principal", sa.Text(), nullable=False, comment="the API key"),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="its content type"),
        sa.Column("answer", sa.LargeBinary(), nullable=False, comment="sealed"),
        sa.Column(
            "kept_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "principal", "method", "path", "key", name=op.f("pk_idempotency")
        ),
        schema="platform",
    )
    op.create_index(
        "ix_idempotency_kept_at", "idempotency", ["kept_at"], schema="platform"
    )
    op.execute(
        "GRANT SELECT, INSERT, DELETE ON platform.idempotency"
        " TO dondoc_ingest, dondoc_scoring, dondoc_alerts"
    )


def downgrade() -> None:
    op.drop_table("idempotency", schema="platform")
