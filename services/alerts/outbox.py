"""What leaves: messages whose bytes are frozen, and the deliveries that they become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from libs.common.database import Connection
from libs.common.events import notify

DELIVERY = "delivery"


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
    key: str | None = None
    """Whose subscriptions alone hear it, beside the root's; None: everyone's."""
    hidden: bool = False
    """Whether only keys strictly above its unit may hear it."""


ABOVE = """
  above AS (
    SELECT unit, unit AS ancestor FROM heard WHERE unit IS NOT NULL
    UNION SELECT above.unit, placed.over FROM above CROSS JOIN LATERAL (
      (SELECT parent AS over FROM platform.unit
      WHERE code = above.ancestor AND valid_from <= platform.business_date()
      ORDER BY valid_from DESC LIMIT 1)
      UNION ALL SELECT successor FROM platform.lineage
      WHERE predecessor = above.ancestor AND effective <= platform.business_date()
      ) placed
    WHERE placed.over IS NOT NULL)"""
"""The units over those of `heard` (a CTE with `unit`): an ended one where it stood, and
under what it became."""

CONCERNS = """
  (m.type = ANY(s.types) OR '*' = ANY(s.types)
    OR split_part(m.type, '.', 1) || '.*' = ANY(s.types))
  AND (m.unit IS NULL
    OR (EXISTS (SELECT FROM above WHERE unit = m.unit AND ancestor = s.under)
      AND EXISTS (SELECT FROM above WHERE unit = m.unit AND ancestor = ANY(k.units))))
  AND (m.severity IS NULL OR s.min_severity IS NULL OR
    array_position(ARRAY['low', 'medium', 'high', 'critical'], m.severity) >=
    array_position(ARRAY['low', 'medium', 'high', 'critical'], s.min_severity))
  AND (NOT m.hidden OR EXISTS (SELECT FROM above
    WHERE unit = m.unit AND ancestor <> m.unit AND ancestor = ANY(k.units)))
  AND (m.key IS NULL OR m.key = s.key
    OR ('admin' = ANY(k.roles) AND 'VN' = ANY(k.units)))"""
"""Whether a message (m) is for a subscription (s): by what it wishes to hear, and by
the subtree that the key which made it (k) opens today. Asked when a message is
addressed, and again each time that it is about to be sent."""

_ADDRESS = f"""
WITH RECURSIVE heard AS (
  SELECT DISTINCT unit FROM alerts.message WHERE id = ANY($1)),
{ABOVE},
addressed AS (
  INSERT INTO alerts.delivery (message, subscription, escalation, sequence)
  SELECT m.id, s.id, m.escalation, m.sequence
  FROM alerts.message m CROSS JOIN alerts.subscription s
  JOIN platform.api_key k ON k.id = s.key
  WHERE m.id = ANY($1) AND s.state <> 'deleted' AND {CONCERNS}
  RETURNING id)
SELECT pg_notify('dondoc', '{DELIVERY}') WHERE EXISTS (SELECT FROM addressed)
"""


async def announce(connection: Connection, messages: Sequence[Message]) -> None:
    """Freeze messages and address them, in the transaction of what they tell."""
    if not messages:
        return
    await _freeze(connection, messages)
    await connection.execute(_ADDRESS, [m.id for m in messages])


async def address_to(
    connection: Connection, message: Message, subscriptions: Sequence[str]
) -> None:
    """Freeze a message for these subscriptions alone."""
    await _freeze(connection, [message])
    await connection.execute(
        "INSERT INTO alerts.delivery (message, subscription)"
        " SELECT $1, unnest($2::text[])",
        message.id,
        list(subscriptions),
    )
    await notify(connection, DELIVERY)


async def _freeze(connection: Connection, messages: Sequence[Message]) -> None:
    names = (
        *("id", "type", "unit", "body", "severity"),
        *("escalation", "sequence", "key", "hidden"),
    )
    await connection.copy_records_to_table(
        "message",
        schema_name="alerts",
        columns=names,
        records=[tuple(getattr(m, name) for name in names) for m in messages],
    )
