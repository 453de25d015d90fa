"""What leaves: messages whose bytes are frozen, and the deliveries that they become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from libs.common.database import Connection

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

_NAMES = (
    *("id", "type", "unit", "body", "severity"),
    *("escalation", "sequence", "key", "hidden"),
)
# The bytes are not asked back: megabytes that nobody reads would go to disk.
_FROZEN = f"""
frozen AS (
  INSERT INTO alerts.message ({", ".join(_NAMES)})
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[],
    $6::text[], $7::int[], $8::text[], $9::boolean[])
  RETURNING id, type, unit, severity, escalation, sequence, key, hidden)"""

_ANNOUNCE = f"""
WITH RECURSIVE {_FROZEN},
heard AS (SELECT DISTINCT unit FROM frozen),
{ABOVE},
addressed AS (
  INSERT INTO alerts.delivery (message, subscription, escalation, sequence)
  SELECT m.id, s.id, m.escalation, m.sequence
  FROM frozen m CROSS JOIN alerts.subscription s
  JOIN platform.api_key k ON k.id = s.key
  WHERE s.state <> 'deleted' AND {CONCERNS}
  RETURNING id)
SELECT pg_notify('dondoc', '{DELIVERY}') WHERE EXISTS (SELECT FROM addressed)
"""

_ADDRESS_TO = f"""
WITH {_FROZEN},
addressed AS (
  INSERT INTO alerts.delivery (message, subscription)
  SELECT id, unnest($10::text[]) FROM frozen)
SELECT pg_notify('dondoc', '{DELIVERY}')
"""


async def announce(connection: Connection, messages: Sequence[Message]) -> None:
    """Freeze messages and address them, in the transaction of what they tell."""
    if messages:
        await connection.execute(_ANNOUNCE, *_columns(messages))


async def address_to(
    connection: Connection, message: Message, subscriptions: Sequence[str]
) -> None:
    """Freeze a message for these subscriptions alone."""
    await connection.execute(_ADDRESS_TO, *_columns([message]), list(subscriptions))


def _columns(messages: Sequence[Message]) -> list[list[object]]:
    return [[getattr(message, name) for message in messages] for name in _NAMES]
