"""Tables of schema `alerts`: rules, matters, what subscribers hear."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from libs.common.tables import moment, schema

alerts = schema("alerts")

rule = Table(
    "rule",
    alerts,
    Column("id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("source", Text, nullable=False, comment="the YAML, word for word"),
    moment("activated_at", needed=False),
    moment("created_at"),
    Column(
        "origin",
        Text,
        nullable=False,
        server_default=text("'shipped'"),
        comment="shipped, file or api",
    ),
    CheckConstraint("state IN ('draft', 'shadow', 'active', 'retired')", name="state"),
    *(
        Index(
            f"ix_rule_{state}",
            "id",
            unique=True,
            postgresql_where=text(f"state = '{state}'"),
        )
        for state in ("active", "shadow")
    ),
)

rule_event = Table(
    "rule_event",
    alerts,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("rule", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("change", Text, nullable=False),
    Column("actor", Text, nullable=False, comment="an API key, or `dondoc`"),
    Column("reason", Text),
    moment("at"),
    ForeignKeyConstraint(["rule", "version"], [rule.c.id, rule.c.version]),
    Index("ix_rule_event_rule_version", "rule", "version"),
    comment="append-only: who moved a version of a rule",
)

shadow_decision = Table(
    "shadow_decision",
    alerts,
    Column("rule", Text, primary_key=True),
    Column("period", Text, primary_key=True, comment="empty for rules of cases"),
    Column("unit", Text, primary_key=True),
    Column("measure", Text, primary_key=True),
    Column("category", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("severity", Text),
    Column("missing", ARRAY(Text), nullable=False),
    Column("active_version", Integer),
    Column(
        "active_verdict",
        Text,
        comment="null: no active version, or out of its scope",
    ),
    Column("cases", BigInteger, comment="of the unit, on which it fires"),
    Column("active_cases", BigInteger),
    Column("at", Date, nullable=False),
    comment="what the version in shadow says, opening nothing",
)

backtest = Table(
    "backtest",
    alerts,
    Column("id", Text, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("against", Integer, comment="the version that was active"),
    Column("periods", ARRAY(Text), nullable=False),
    Column("known", Text, nullable=False),
    Column("actor", Text, nullable=False),
    moment("at"),
    ForeignKeyConstraint(["rule", "version"], [rule.c.id, rule.c.version]),
    CheckConstraint("known IN ('then', 'now')", name="known"),
    Index("ix_backtest_rule_version", "rule", "version"),
)

backtest_period = Table(
    "backtest_period",
    alerts,
    Column("backtest", ForeignKey(backtest.c.id), primary_key=True),
    Column("period", Text, primary_key=True),
    Column("found", JSONB, nullable=False),
    comment="a backtest is done when each of its periods is here",
)

decision = Table(
    "decision",
    alerts,
    Column("period", Text, primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("unit", Text, primary_key=True),
    Column("measure", Text, primary_key=True),
    Column("category", Text, primary_key=True),
    Column("rule_version", Integer, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("missing", ARRAY(Text), nullable=False),
    Column("severity", Text),
    Column("at", Date, nullable=False, comment="the evaluation day"),
    Column("decided_by", Text, nullable=False),
    Column("why", Text),
    Column("trace", JSONB, nullable=False),
    Column("inhibited_by", Text, comment="the matter that kept it silent"),
)

day = Table(
    "day",
    alerts,
    Column("day", Date, primary_key=True),
    moment("done_at", now=True),
    comment="the days that were judged as they began",
)

escalation = Table(
    "escalation",
    alerts,
    Column("id", Text, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("unit", Text, nullable=False),
    Column("period", Text),
    Column("measure", Text),
    Column("category", Text),
    Column("state", Text, nullable=False),
    Column("closed_as", Text),
    Column("severity", Text, nullable=False),
    moment("opened_at"),
    moment("acknowledged_at", needed=False),
    Column("level", Integer, nullable=False, server_default=text("0")),
    Column("addressed_to", Text, nullable=False),
    Column("owes", Text, nullable=False),
    Column("closes", Text, nullable=False),
    Column("due_on", Date),
    Column("due_inclusive", Boolean),
    moment("ends_at", needed=False),
    Column("facts", JSONB, nullable=False),
    Column("trace", JSONB, nullable=False),
    Column("basis", JSONB, nullable=False),
    Column("title", JSONB, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("why", Text),
    Column("illustrative", Boolean, nullable=False),
    Column("sequence", Integer, nullable=False, server_default=text("0")),
    Column("message", JSONB, comment="the rule's words, filled in"),
    Column("visibility", Text, nullable=False, server_default=text("'unit'")),
    Column(
        "members", JSONB, comment="the first of a unit's cases; rules find them all"
    ),
    CheckConstraint(
        "state IN ('open', 'explained', 'returned', 'closed')", name="state"
    ),
    # "No duplicate escalation" is a constraint, not a hope. A unit's cases make one
    # matter at a time: after it is closed a new one may open.
    Index(
        "uq_escalation_matter",
        *("rule", "unit", "period", "measure", "category"),
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=text("period IS NOT NULL"),
    ),
    Index(
        "uq_escalation_of_cases",
        *("rule", "unit"),
        unique=True,
        postgresql_where=text("period IS NULL AND state <> 'closed'"),
    ),
    Index("ix_escalation_opened_at_id", "opened_at", "id"),
)

exemption = Table(
    "exemption",
    alerts,
    Column("id", Text, primary_key=True),
    Column("unit", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("until", Date, nullable=False, comment="the last day that it holds"),
    Column("document", JSONB, nullable=False),
    Column("reason", Text, nullable=False),
    Column("author", Text, nullable=False, comment="the API key"),
    moment("made_at"),
    moment("ended_at", needed=False),
    Column("ended_by", Text),
    Column("end_reason", Text),
    Index("ix_exemption_rule_unit", "rule", "unit"),
    comment="units that owe nothing under a rule for a while",
)

entry = Table(
    "entry",
    alerts,
    Column("escalation", ForeignKey(escalation.c.id), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("change", Text, nullable=False),
    moment("at"),
    Column("actor", Text, nullable=False, comment="an API key, or `dondoc`"),
    Column("detail", JSONB, nullable=False),
    comment="append-only: what happened to a matter",
)

timer = Table(
    "timer",
    alerts,
    Column("escalation", ForeignKey(escalation.c.id), primary_key=True),
    Column("n", Integer, primary_key=True, comment="0 is the deadline itself"),
    Column("working_days", Integer, comment="after the step before; null: at the due"),
    Column("levels", Integer, comment="how far up it goes; null for the deadline"),
    moment("due_at"),
    moment("fired_at", needed=False),
    Index("ix_timer_due_at", "due_at", postgresql_where=text("fired_at IS NULL")),
    comment="the rule's policy as it was when the matter opened",
)

explanation = Table(
    "explanation",
    alerts,
    Column("escalation", ForeignKey(escalation.c.id), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("causes", ARRAY(Text), nullable=False),
    Column("text", Text, nullable=False),
    Column("remedies", JSONB, nullable=False),
    Column("attachments", ARRAY(Text), nullable=False),
    Column("author", Text, nullable=False),
    moment("handed_in_at"),
)

message = Table(
    "message",
    alerts,
    Column("id", Text, primary_key=True, comment="webhook-id and CloudEvents id"),
    Column("type", Text, nullable=False),
    Column("unit", Text, comment="the subject"),
    Column("severity", Text),
    Column("escalation", Text),
    Column("sequence", Integer),
    Column("body", LargeBinary, nullable=False, comment="the bytes that are signed"),
    moment("created_at", now=True),
    Column("key", Text, comment="whose subscriptions alone hear it; null: everyone's"),
    Column(
        "hidden",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="heard only by keys strictly above its unit",
    ),
    Index("ix_message_escalation_sequence", "escalation", "sequence"),
    Index("ix_message_created_at_id", "created_at", "id"),
)

subscription = Table(
    "subscription",
    alerts,
    Column("id", Text, primary_key=True),
    Column("key", Text, nullable=False, comment="the API key that made it"),
    Column("url", Text, nullable=False),
    Column("types", ARRAY(Text), nullable=False),
    Column("under", Text, nullable=False),
    Column("min_severity", Text),
    Column("secret", LargeBinary, nullable=False, comment="sealed, never in clear"),
    Column("state", Text, nullable=False, server_default=text("'enabled'")),
    moment("created_at"),
    Column("rate_per_second", Integer, comment="null: as fast as it answers"),
    moment("spent_until", needed=False, comment="how far its rate is used up"),
    Column(
        "recent",
        JSONB,
        nullable=False,
        server_default=text("'[]'"),
        comment="calls and failures of the last minutes, for the breaker",
    ),
    moment("paused_until", needed=False, comment="the breaker is open; then a probe"),
    moment("failing_since", needed=False, comment="nothing was delivered since"),
    moment("disabled_at", needed=False),
    Column("disabled_why", Text, comment="gone or failing"),
    moment("heartbeat_at", needed=False),
    CheckConstraint("state IN ('enabled', 'disabled', 'deleted')", name="state"),
)

retired_secret = Table(
    "retired_secret",
    alerts,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("subscription", ForeignKey(subscription.c.id), nullable=False, index=True),
    Column("secret", LargeBinary, nullable=False, comment="sealed, never in clear"),
    moment("until", comment="it signs beside the new one until then"),
)

recovery = Table(
    "recovery",
    alerts,
    Column("id", Text, primary_key=True),
    Column("subscription", ForeignKey(subscription.c.id), nullable=False, index=True),
    moment("since"),
    moment("until", comment="what is newer is delivered anyway"),
    moment("reached_at", comment="how far it has come, with the id"),
    Column("reached_id", Text, nullable=False, server_default=text("''")),
    Column("found", Integer, nullable=False, server_default=text("0")),
    moment("created_at", now=True),
    moment("finished_at", needed=False),
    Index(
        "ix_recovery_unfinished",
        "created_at",
        postgresql_where=text("finished_at IS NULL"),
    ),
)

delivery = Table(
    "delivery",
    alerts,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("message", ForeignKey(message.c.id), nullable=False),
    Column("subscription", ForeignKey(subscription.c.id), nullable=False),
    Column("escalation", Text),
    Column("sequence", Integer),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    moment("next_attempt_at", needed=False, now=True, comment="leased: when it ends"),
    Column("claim", Text, comment="the fence: only its holder writes the outcome"),
    moment("created_at", now=True),
    moment("delivered_at", needed=False),
    Column(
        "spared",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="attempts that used up no try",
    ),
    moment("acknowledged_at", needed=False, comment="someone knows that it is dead"),
    UniqueConstraint("message", "subscription"),
    CheckConstraint(
        "state IN ('pending', 'leased', 'retrying', 'delivered', 'withheld', 'dead')",
        name="state",
    ),
    Index(
        "ix_delivery_due",
        "subscription",
        text("least(attempts, 1)"),
        "next_attempt_at",
        "id",
        postgresql_where=text("state IN ('pending', 'retrying', 'leased')"),
    ),
    Index(
        "ix_delivery_leased", "subscription", postgresql_where=text("state = 'leased'")
    ),
    Index(
        "ix_delivery_undone",
        "subscription",
        "escalation",
        "sequence",
        postgresql_where=text(
            "state IN ('pending', 'retrying', 'leased') AND escalation IS NOT NULL"
        ),
    ),
    Index("ix_delivery_subscription_id", "subscription", "id"),
    Index(
        "ix_delivery_dead",
        "subscription",
        postgresql_where=text("state = 'dead' AND acknowledged_at IS NULL"),
    ),
)

attempt = Table(
    "attempt",
    alerts,
    Column("delivery", BigInteger, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column(
        "started_at",
        DateTime(timezone=True),
        primary_key=True,
        server_default=text("now()"),
    ),
    moment("finished_at", needed=False),
    Column("status", Integer),
    Column("error", Text),
    Column("excerpt", Text, comment="the start of the answer, made harmless"),
    Column("ms", Integer),
    comment="a partition for each month, dropped when all of it is 90 days old",
    postgresql_partition_by="RANGE (started_at)",
)
