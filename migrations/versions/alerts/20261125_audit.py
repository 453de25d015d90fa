"""Who changed what in alerts."""

from alembic import op

revision = "alerts_audit"
down_revision = "alerts_life"
branch_labels = None
depends_on = None

# Table: what it is called, the columns of its key, those that may be shown, and for a
# log of its own the column that says what happened.
_WATCHED = {
    "rule": ("rule", "id,version", "state,activated_at"),
    "entry": ("escalation", "escalation", "n", "change"),
    "explanation": ("explanation", "escalation,n", "causes"),
    "exemption": ("exemption", "id", "unit,rule,until,document,ended_at"),
}
_SHOWN = "key,types,under,min_severity,state,rate_per_second,disabled_why"
_HOLD = "url,types,under,min_severity,secret,state,rate_per_second"
# Deliveries note how a subscription fares in its row, all the time: that is no change
# of it. An address may hold a secret, so that it changed is all that is said.
_SUBSCRIPTION = (
    ("added", "INSERT", ""),
    (
        "changed",
        "UPDATE",
        "WHEN ("
        + " OR ".join(f"OLD.{c} IS DISTINCT FROM NEW.{c}" for c in _HOLD.split(","))
        + ")",
    ),
)


def upgrade() -> None:
    for table, watched in _WATCHED.items():
        words = ", ".join(f"'{word}'" for word in watched)
        op.execute(f"SELECT platform.watch('alerts.{table}', {words})")
    for deed, event, condition in _SUBSCRIPTION:
        op.execute(
            f"CREATE TRIGGER audit_{deed} AFTER {event} ON alerts.subscription"
            f" FOR EACH ROW {condition} EXECUTE FUNCTION"
            f" platform.note_row('subscription', 'id', '{_SHOWN}', '{deed}')"
        )


def downgrade() -> None:
    for deed, _, _ in _SUBSCRIPTION:
        op.execute(f"DROP TRIGGER audit_{deed} ON alerts.subscription")
    for table in _WATCHED:
        for deed in ("added", "changed", "removed"):
            op.execute(f"DROP TRIGGER audit_{deed} ON alerts.{table}")
