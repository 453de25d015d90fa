"""Queries of what leaves: frozen messages, subscriptions, deliveries and attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.common.database import Connection, Row
from libs.common.events import notify

DELIVERY = "delivery"
LEASE = "30 seconds"
IN_FLIGHT = 4
"""Posts at once to one subscription, so that a slow one slows nobody else."""


@dataclass(frozen=True, slots=True)
class Message:
    """What subscribers hear: its bytes are made once and never again."""

    id: str
    type: str
    unit: str | None
    body: bytes
    severity: str | None = None
    escalation: str | None = None
    sequence: int | None = None


# Each message meets every subscription whose types, subtree and severity it fits, as
# long as the key that made it still opens the unit; an ended one where it last stood.
_ADDRESS = """
WITH RECURSIVE placed AS (
  SELECT DISTINCT ON (code) code, parent FROM platform.unit
  WHERE valid_from <= platform.business_date() ORDER BY code, valid_from DESC),
above AS (
  SELECT DISTINCT unit, unit AS ancestor FROM alerts.message WHERE id = ANY($1)
  UNION SELECT above.unit, placed.parent FROM above
  JOIN placed ON placed.code = above.ancestor WHERE placed.parent IS NOT NULL)
INSERT INTO alerts.delivery (message, subscription, escalation, sequence)
SELECT m.id, s.id, m.escalation, m.sequence
FROM alerts.message m JOIN alerts.subscription s
  ON m.type = ANY(s.types) OR '*' = ANY(s.types)
  OR split_part(m.type, '.', 1) || '.*' = ANY(s.types)
JOIN platform.api_key k ON k.id = s.key
WHERE m.id = ANY($1)
  AND EXISTS (SELECT FROM above WHERE unit = m.unit AND ancestor = s.under)
  AND EXISTS (SELECT FROM above WHERE unit = m.unit AND ancestor = ANY(k.units))
  AND (m.severity IS NULL OR s.min_severity IS NULL OR
    array_position(ARRAY['low', 'medium', 'high', 'critical'], m.severity) >=
    array_position(ARRAY['low', 'medium', 'high', 'critical'], s.min_severity))
"""


async def announce(connection: Connection, messages: Sequence[Message]) -> None:
    """Freeze messages and address them, in the transaction of what they tell."""
    if not messages:
        return
    await connection.copy_records_to_table(
        "message",
        schema_name="alerts",
        columns=("id", "type", "unit", "body", "severity", "escalation", "sequence"),
        records=[
            (m.id, m.type, m.unit, m.body, m.severity, m.escalation, m.sequence)
            for m in messages
        ],
    )
    status = await connection.execute(_ADDRESS, [m.id for m in messages])
    if status != "INSERT 0 0":
        await notify(connection, DELIVERY)


async def address_to(
    connection: Connection, message: Message, subscription: str
) -> None:
    """Freeze a message for one subscription alone."""
    await connection.execute(
        "INSERT INTO alerts.message (id, type, unit, body) VALUES ($1, $2, $3, $4)",
        message.id,
        message.type,
        message.unit,
        message.body,
    )
    await connection.execute(
        "INSERT INTO alerts.delivery (message, subscription) VALUES ($1, $2)",
        message.id,
        subscription,
    )
    await notify(connection, DELIVERY)


# Round robin over subscriptions with room, first tries before retries, the messages of
# one matter one after another. The subscription's row lock makes the cap hold among
# several workers, and lets those pass who address new messages to it meanwhile; the
# state is asked again below, for a row may have moved meanwhile.
_CLAIM = f"""
WITH room AS (
  SELECT s.id, s.url, s.secret FROM alerts.subscription s
  JOIN platform.api_key k ON k.id = s.key AND k.revoked_at IS NULL
    AND (k.expires_at IS NULL OR k.expires_at > now())
  WHERE s.state = 'enabled' ORDER BY s.id FOR NO KEY UPDATE OF s SKIP LOCKED),
due AS (
  SELECT d.id, room.url, room.secret FROM room CROSS JOIN LATERAL (
    SELECT d.id, row_number() OVER () AS turn FROM (
    SELECT d.id FROM alerts.delivery d
    WHERE d.subscription = room.id AND d.next_attempt_at <= now()
      AND (d.state IN ('pending', 'retrying') OR (d.state = 'leased' AND d.lease_until <= now()))
      AND NOT EXISTS (
        SELECT FROM alerts.delivery e WHERE e.subscription = d.subscription
          AND e.escalation = d.escalation AND e.sequence < d.sequence
          AND e.state NOT IN ('delivered', 'dead'))
    ORDER BY d.attempts > 0, d.next_attempt_at, d.id
    LIMIT greatest(0, {IN_FLIGHT} - (
      SELECT count(*) FROM alerts.delivery f WHERE f.subscription = room.id
      AND f.state = 'leased' AND f.lease_until > now()))) d) d
  ORDER BY d.turn LIMIT $2)
UPDATE alerts.delivery d SET state = 'leased', claim = $1, attempts = attempts + 1,
  lease_until = now() + interval '{LEASE}'
FROM due, alerts.message m
WHERE d.id = due.id AND m.id = d.message
  AND (d.state IN ('pending', 'retrying') OR (d.state = 'leased' AND d.lease_until <= now()))
RETURNING d.id, d.attempts, d.subscription, d.message, m.body, due.url, due.secret,
  extract(epoch FROM now())::bigint AS now
"""


async def claim(connection: Connection, worker: str, most: int) -> list[Row]:
    """Lease deliveries that are due, and count the attempt before it is made."""
    rows = await connection.fetch(_CLAIM, worker, most)
    await connection.executemany(
        "INSERT INTO alerts.attempt (delivery, n) VALUES ($1, $2)",
        [(row["id"], row["attempts"]) for row in rows],
    )
    return rows


@dataclass(frozen=True, slots=True)
class Settled:
    """How one attempt ended and what becomes of its delivery."""

    delivery: int
    attempt: int
    claim: str
    state: str
    next_attempt_at: datetime | None
    status: int | None
    error: str | None
    excerpt: str
    ms: int


async def settle(connection: Connection, settled: Sequence[Settled]) -> None:
    """Write outcomes; one whose lease has passed to another is refused by its fence."""
    await connection.executemany(
        "UPDATE alerts.delivery SET state = $4, next_attempt_at = $5,"
        " lease_until = NULL, claim = NULL,"
        " delivered_at = CASE WHEN $4 = 'delivered' THEN now() END"
        " WHERE id = $1 AND claim = $2 AND attempts = $3 AND state = 'leased'",
        [(s.delivery, s.claim, s.attempt, s.state, s.next_attempt_at) for s in settled],
    )
    await connection.executemany(
        "UPDATE alerts.attempt SET finished_at = now(), status = $3, error = $4,"
        " excerpt = $5, ms = $6 WHERE delivery = $1 AND n = $2",
        [(s.delivery, s.attempt, s.status, s.error, s.excerpt, s.ms) for s in settled],
    )
    gone = [s.delivery for s in settled if s.state == "held"]
    if gone:  # 410 Gone: the subscriber wants no more
        await connection.execute(
            "UPDATE alerts.subscription SET state = 'disabled' WHERE id IN"
            " (SELECT subscription FROM alerts.delivery WHERE id = ANY($1)"
            "  AND state = 'held')",
            gone,
        )


async def next_due(connection: Connection) -> int | None:
    """Seconds the oldest undelivered message of an enabled subscription has waited."""
    seconds: int | None = await connection.fetchval(
        "SELECT extract(epoch FROM now() - min(d.created_at))::int"
        " FROM alerts.delivery d JOIN alerts.subscription s ON s.id = d.subscription"
        " WHERE d.state NOT IN ('delivered', 'dead') AND s.state = 'enabled'"
    )
    return seconds


# Subscriptions ----------------------------------------------------------------------


async def keep_subscription(
    connection: Connection,
    id: str,
    *,
    key: str,
    url: str,
    types: Sequence[str],
    under: str,
    min_severity: str | None,
    secret: bytes,
    now: datetime,
) -> Row:
    """Store a subscription with its sealed secret."""
    row = await connection.fetchrow(
        "INSERT INTO alerts.subscription (id, key, url, types, under, min_severity,"
        " secret, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING *",
        id,
        key,
        url,
        list(types),
        under,
        min_severity,
        secret,
        now,
    )
    assert row is not None
    return row


async def subscription(connection: Connection, id: str, key: str | None) -> Row | None:
    """One subscription of a key; `key` None finds everyone's."""
    return await connection.fetchrow(
        "SELECT * FROM alerts.subscription"
        " WHERE id = $1 AND ($2::text IS NULL OR key = $2)",
        id,
        key,
    )


async def subscriptions(
    connection: Connection, key: str | None, after: str | None, limit: int
) -> list[Row]:
    """The subscriptions of a key; `key` None lists everyone's."""
    return await connection.fetch(
        "SELECT * FROM alerts.subscription WHERE ($1::text IS NULL OR key = $1)"
        " AND ($2::text IS NULL OR id > $2) ORDER BY id LIMIT $3",
        key,
        after,
        limit,
    )


async def deliveries(
    connection: Connection, subscription: str, before: int | None, limit: int
) -> list[Row]:
    """Deliveries of a subscription with their attempts, newest first."""
    return await connection.fetch(
        "SELECT d.*, m.type, (SELECT coalesce(jsonb_agg(jsonb_build_object('n', a.n,"
        " 'started_at', a.started_at, 'status', a.status, 'error', a.error,"
        " 'response', a.excerpt, 'ms', a.ms) ORDER BY a.n), '[]')"
        " FROM alerts.attempt a WHERE a.delivery = d.id) AS log"
        " FROM alerts.delivery d JOIN alerts.message m ON m.id = d.message"
        " WHERE d.subscription = $1 AND ($2::bigint IS NULL OR d.id < $2)"
        " ORDER BY d.id DESC LIMIT $3",
        subscription,
        before,
        limit,
    )
