"""A unit that is split may pass its figures on by decided shares; words are kept."""

import sqlalchemy as sa
from alembic import op

revision = "ingest_shares"
down_revision = "ingest_past_obligations"
branch_labels = None
depends_on = None

_KEY = "predecessor, successor, effective"
_KNOWN = f"""
CREATE VIEW ingest.known_lineage AS
SELECT DISTINCT ON ({_KEY}) {_KEY}, share, document FROM ingest.lineage
WHERE recorded_at <= (SELECT platform.known_at())
ORDER BY {_KEY}, id DESC
"""


def upgrade() -> None:
    op.drop_constraint("pk_lineage", "lineage", schema="ingest")
    op.add_column(
        "lineage",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        schema="ingest",
    )
    op.create_primary_key(op.f("pk_lineage"), "lineage", ["id"], schema="ingest")
    op.create_index("ix_lineage_successor", "lineage", ["successor"], schema="ingest")
    op.add_column(
        "lineage",
        sa.Column(
            "share",
            sa.Numeric(9, 8),
            comment="of a unit that was split; the last word",
        ),
        schema="ingest",
    )
    op.execute(_KNOWN)
    op.execute("GRANT SELECT ON ingest.known_lineage TO dondoc_ingest")
    op.execute(
        f"CREATE OR REPLACE VIEW platform.lineage AS SELECT {_KEY}, share"
        " FROM ingest.known_lineage"
    )


def downgrade() -> None:
    op.execute("DROP VIEW platform.lineage")
    op.execute("DROP VIEW ingest.known_lineage")
    op.execute(
        "DELETE FROM ingest.lineage l USING ingest.lineage later"
        " WHERE later.predecessor = l.predecessor AND later.successor = l.successor"
        " AND later.effective = l.effective AND later.id < l.id"
    )
    op.drop_column("lineage", "share", schema="ingest")
    op.drop_index("ix_lineage_successor", "lineage", schema="ingest")
    op.drop_column("lineage", "id", schema="ingest")
    op.create_primary_key(
        op.f("pk_lineage"),
        "lineage",
        ["predecessor", "successor", "effective"],
        schema="ingest",
    )
    op.execute(
        f"CREATE VIEW platform.lineage AS SELECT {_KEY} FROM ingest.lineage"
        " WHERE recorded_at <= (SELECT platform.known_at())"
    )
    op.execute(
        "GRANT SELECT ON platform.lineage"
        " TO dondoc_ingest, dondoc_scoring, dondoc_alerts"
    )
