"""Who changed what in ingest."""

from alembic import op

revision = "ingest_audit"
down_revision = "ingest_lineage_document"
branch_labels = None
depends_on = None

# Table: what it is called, the columns of its key, those that may be shown, and for a
# log of its own the column that says what happened.
_WATCHED = {
    "unit": ("unit", "code,valid_from", "valid_to,kind,parent,codes"),
    "lineage": ("lineage", "predecessor,successor,effective", "share,document"),
    "mapping": ("mapping", "name,version", "units"),
    "obligation": (
        "obligation",
        "name,valid_from",
        "valid_to,kind,under,months,rows,within,document",
    ),
    "calendar_day": ("calendar day", "day", "works,document"),
    "category": ("category", "code", "partition"),
    "closing": ("closing", "period,under", "closed,batch"),
    "erasure": ("erasure", "id", "cases,case_id,before,unit"),
}


def upgrade() -> None:
    for table, watched in _WATCHED.items():
        words = ", ".join(f"'{word}'" for word in watched)
        op.execute(f"SELECT platform.watch('ingest.{table}', {words})")


def downgrade() -> None:
    for table in _WATCHED:
        for deed in ("added", "changed", "removed"):
            op.execute(f"DROP TRIGGER audit_{deed} ON ingest.{table}")
