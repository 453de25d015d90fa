"""Tables of schema `platform`: events, batches, keys, the clock."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "pk": "pk_%(table_name)s",
}


def schema(name: str) -> MetaData:
    """One declarative home per schema; no foreign key crosses its border."""
    return MetaData(schema=name, naming_convention=NAMING)


def moment(
    name: str, *, needed: bool = True, now: bool = False, **more: Any
) -> Column[object]:
    """A timestamp with its offset; `now` is the database's true time."""
    if now:
        more["server_default"] = text("now()")
    return Column(name, DateTime(timezone=True), nullable=not needed, **more)


platform = schema("platform")

event = Table(
    "event",
    platform,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("topic", Text, nullable=False),
    Column("key", Text, nullable=False, comment="the period; one worker at a time"),
    Column("batch", Text, comment="whose deed it descends from"),
    Column("request", Text, comment="the request id that follows a batch"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    moment("run_at", now=True),
    moment("created", now=True),
    moment("dead_at", needed=False),
    Column("error", Text),
    Index(
        "ix_event_waiting",
        "topic",
        "run_at",
        "id",
        postgresql_where=text("dead_at IS NULL"),
    ),
    Index("ix_event_batch", "batch"),
)

batch = Table(
    "batch",
    platform,
    Column("id", Text, primary_key=True),
    Column("key", Text, nullable=False, comment="the API key that sent it"),
    Column("request", Text),
    moment("received_at"),
    moment("scored_at", needed=False),
    moment("evaluated_at", needed=False),
    Column("opened", Integer, nullable=False, server_default=text("0")),
    Column("closed", Integer, nullable=False, server_default=text("0")),
    Column("dry_run", Boolean, nullable=False, server_default=text("false")),
)

preview = Table(
    "preview",
    platform,
    Column("batch", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("rows", JSONB, nullable=False),
    comment="what a dry run would do; only the answer outlives it",
)

idempotency = Table(
    "idempotency",
    platform,
    Column("principal", Text, primary_key=True, comment="the API key"),
    Column("method", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", Integer, nullable=False),
    Column("kind", Text, nullable=False, comment="its content type"),
    Column("answer", LargeBinary, nullable=False, comment="sealed"),
    moment("kept_at", now=True),
    Index("ix_idempotency_kept_at", "kept_at"),
)

api_key = Table(
    "api_key",
    platform,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, comment="HMAC with the pepper"),
    Column("roles", ARRAY(Text), nullable=False),
    Column("units", ARRAY(Text), nullable=False),
    moment("created_at", now=True),
    moment("expires_at", needed=False),
    moment("revoked_at", needed=False),
    moment("not_before", needed=False),
    Column(
        "retired_digest",
        LargeBinary,
        comment="of the secret before; it opens as well until then",
    ),
    moment("retired_until", needed=False),
)

bucket = Table(
    "bucket",
    platform,
    Column("key", Text, primary_key=True),
    moment("spent_until", comment="how far its rate is used up"),
    prefixes=["UNLOGGED"],
)

clock = Table(
    "clock",
    platform,
    Column("only", Boolean, primary_key=True),
    moment("business_at"),
    moment("true_at"),
    CheckConstraint('"only"', name="one_row"),
)

audit = Table(
    "audit",
    platform,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    moment("at", comment="business time"),
    Column("role", Text, nullable=False, comment="as whom the database knew them"),
    Column("actor", Text, nullable=False, comment="an API key, or `dondoc`"),
    Column("request", Text),
    Column("action", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    Column("block", BigInteger, comment="null: not sealed yet"),
    Index("ix_audit_unsealed", "id", postgresql_where=text("block IS NULL")),
    Index("ix_audit_block", "block"),
    Index("ix_audit_kind_object", "kind", "object", "id"),
    Index("ix_audit_actor", "actor", "id"),
    comment="append-only: every change of configuration and state",
)

audit_block = Table(
    "audit_block",
    platform,
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("previous", LargeBinary, comment="the hash before; null: the first"),
    Column("count", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False, comment="of its rows"),
    Column(
        "hash",
        LargeBinary,
        nullable=False,
        comment="HMAC over all of these; whoever lacks DONDOC_SECRET cannot make it",
    ),
    moment("sealed_at", server_default=text("clock_timestamp()")),
    comment="the chain over the audit log",
)
