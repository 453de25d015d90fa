"""Queries of the worker: what is due is leased, and how it ended is written.

Whoever changes the state of deliveries holds the lock of their subscription first. So
the cap, the order and the breaker hold among any number of workers, and a subscription
that one worker claims is passed over by the others.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.common.database import Connection, Row
from services.alerts.domain.breaker import Health, Why, after
from services.alerts.outbox import ABOVE, CONCERNS

LEASE = "30 seconds"
IN_FLIGHT = 4
"""Posts at once to one subscription, so that a slow one slows nobody else."""

AHEAD = 28
"""Leases beyond that, which a worker keeps at hand while it alone serves a subscription:
none is posted until one of the others has ended."""

NOT_SENT = "not_sent"
"""The error of an attempt that was not made after all: it counts for nothing."""

WAITING = "('pending', 'retrying', 'leased')"
"""Not at their end; a lease that has run out is due like any other."""

# First those whose outcomes are to be written, which is waited for; then those that
# something is due for, of which the ones that another worker holds are passed over.
_LOCK = f"""
WITH settling AS (
  SELECT s.id, s.state, s.recent, s.paused_until, s.failing_since
  FROM alerts.subscription s WHERE s.id = ANY($1) ORDER BY s.id FOR NO KEY UPDATE),
room AS (
  SELECT s.id FROM alerts.subscription s JOIN platform.api_key k ON k.id = s.key
  WHERE $2 AND s.state = 'enabled' AND (s.paused_until IS NULL OR s.paused_until <= now())
    AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
    AND EXISTS (SELECT FROM alerts.delivery d WHERE d.subscription = s.id
      AND d.state IN {WAITING} AND d.next_attempt_at <= now())
  ORDER BY s.id FOR NO KEY UPDATE OF s SKIP LOCKED)
SELECT false AS room, now() AS now, * FROM settling
UNION ALL SELECT true, now(), id, NULL, NULL, NULL, NULL FROM room
"""


def _first(again: int) -> str:
    """First tries (0) or further ones (1) of a subscription, the longest due first.

    The messages of one matter go one after another; waiting uses up no try. (A scalar
    question: as a join it would be asked of everything that waits.)
    """
    return f"""
      (SELECT d.id, d.message, {again} AS again, d.next_attempt_at
      FROM alerts.delivery d WHERE d.subscription = room.id AND d.state IN {WAITING}
        AND least(d.attempts, 1) = {again} AND d.next_attempt_at <= now()
        AND (d.escalation IS NULL OR (
          SELECT e.id FROM alerts.delivery e WHERE e.subscription = d.subscription
            AND e.escalation = d.escalation AND e.sequence < d.sequence
            AND e.state IN {WAITING} LIMIT 1) IS NULL)
      ORDER BY d.next_attempt_at, d.id LIMIT greatest(0, room.most))"""


# Round robin over subscriptions with room. A rate is a bucket that one second fills;
# while the breaker is half open, one call at a time probes. What a subscription may
# no longer hear when its turn comes is withheld.
_CLAIM = f"""
WITH RECURSIVE room AS MATERIALIZED (
  SELECT s.id, least(
    CASE WHEN s.paused_until IS NOT NULL THEN 1 - l.all
      WHEN l.all = l.mine THEN {IN_FLIGHT + AHEAD} - l.mine
      ELSE {IN_FLIGHT} - l.all END,
    floor(s.rate_per_second * extract(epoch FROM
      now() + interval '1 second' - greatest(s.spent_until, now())))::bigint) AS most
  FROM alerts.subscription s CROSS JOIN LATERAL (
    SELECT count(*) AS all, count(*) FILTER (WHERE d.claim = $1) AS mine
    FROM alerts.delivery d WHERE d.subscription = s.id
      AND d.state = 'leased' AND d.next_attempt_at > now()) l
  WHERE s.id = ANY($3) AND s.state = 'enabled'
    AND (s.paused_until IS NULL OR s.paused_until <= now())),
due AS (
  SELECT d.id, d.message, room.id AS subscription, d.turn FROM room CROSS JOIN LATERAL (
    SELECT d.id, d.message, row_number() OVER () AS turn FROM ({_first(0)}
      UNION ALL {_first(1)}
      ORDER BY again, next_attempt_at, id LIMIT greatest(0, room.most)) d) d
  ORDER BY d.turn LIMIT $2),
heard AS (
  SELECT DISTINCT m.unit FROM due JOIN alerts.message m ON m.id = due.message),
{ABOVE},
fit AS (
  SELECT due.id, due.subscription FROM due
  JOIN alerts.message m ON m.id = due.message
  JOIN alerts.subscription s ON s.id = due.subscription
  JOIN platform.api_key k ON k.id = s.key
  WHERE m.type IN ('ping', 'heartbeat') OR ({CONCERNS})),
withheld AS (
  UPDATE alerts.delivery SET state = 'withheld', next_attempt_at = NULL
  WHERE id IN (SELECT id FROM due EXCEPT SELECT id FROM fit)),
spent AS (
  UPDATE alerts.subscription s SET spent_until =
    greatest(s.spent_until, now()) + f.calls * interval '1 second' / s.rate_per_second
  FROM (SELECT subscription, count(*) AS calls FROM fit GROUP BY 1) f
  WHERE s.id = f.subscription AND s.rate_per_second IS NOT NULL),
claimed AS (
  UPDATE alerts.delivery d SET state = 'leased', claim = $1, attempts = attempts + 1,
    next_attempt_at = now() + interval '{LEASE}'
  FROM fit WHERE d.id = fit.id
  RETURNING d.id, d.attempts, d.spared, d.subscription, d.message, d.created_at),
logged AS (
  INSERT INTO alerts.attempt (delivery, n) SELECT id, attempts FROM claimed)
SELECT due.id AS due, c.*, m.type, m.body, s.url, now() AS started_at,
  s.paused_until IS NOT NULL AS probe,
  ARRAY[s.secret] || ARRAY(SELECT r.secret FROM alerts.retired_secret r
    WHERE r.subscription = s.id AND r.until > now() ORDER BY r.id DESC) AS secrets
FROM due LEFT JOIN claimed c ON c.id = due.id
JOIN alerts.message m ON m.id = due.message
JOIN alerts.subscription s ON s.id = due.subscription
ORDER BY due.turn, due.subscription
"""


@dataclass(frozen=True, slots=True)
class Settled:
    """How one attempt ended and what becomes of its delivery."""

    delivery: int
    subscription: str
    attempt: int
    claim: str
    started_at: datetime
    state: str
    next_attempt_at: datetime | None
    spared: bool
    status: int | None
    error: str | None
    excerpt: str
    ms: int


@dataclass(frozen=True, slots=True)
class Ended:
    """What others are told of: deliveries that are dead, subscriptions cut off."""

    dead: Sequence[int]
    disabled: Sequence[tuple[str, Why]]


_SETTLE = """
WITH ended AS (
  SELECT * FROM unnest($1::bigint[], $2::text[], $3::int[], $4::timestamptz[],
    $5::text[], $6::timestamptz[], $7::boolean[], $8::int[], $9::text[], $10::text[],
    $11::int[]) AS u (id, claim, n, started_at, state, next_attempt_at, spared, status,
    error, excerpt, ms)),
logged AS (
  UPDATE alerts.attempt a SET finished_at = now(), status = u.status, error = u.error,
    excerpt = u.excerpt, ms = u.ms FROM ended u
  WHERE a.delivery = u.id AND a.n = u.n AND a.started_at = u.started_at),
felt AS (
  UPDATE alerts.subscription s SET recent = u.recent::jsonb, paused_until = u.paused_until,
    failing_since = u.failing_since, disabled_why = u.disabled_why,
    state = CASE WHEN u.disabled_why IS NULL THEN s.state ELSE 'disabled' END,
    disabled_at = CASE WHEN u.disabled_why IS NOT NULL THEN now() END
  FROM unnest($12::text[], $13::text[], $14::timestamptz[], $15::timestamptz[],
    $16::text[]) AS u (id, recent, paused_until, failing_since, disabled_why)
  WHERE s.id = u.id)
UPDATE alerts.delivery d SET state = u.state, next_attempt_at = u.next_attempt_at,
  claim = NULL, spared = d.spared + u.spared::int,
  delivered_at = CASE WHEN u.state = 'delivered' THEN now() END
FROM ended u WHERE d.id = u.id AND d.claim = u.claim AND d.attempts = u.n
  AND d.state = 'leased' RETURNING d.id, d.state
"""
_ENDED = (
    *("delivery", "claim", "attempt", "started_at", "state", "next_attempt_at"),
    *("spared", "status", "error", "excerpt", "ms"),
)
_FELT = ("paused_until", "failing_since", "disabled")


async def settle_and_claim(
    connection: Connection, settled: Sequence[Settled], worker: str, most: int
) -> tuple[Ended, list[Row]]:
    """Write outcomes, then lease at most so many deliveries that are due.

    An outcome whose lease has passed to another is refused by its fence. The attempt is
    counted before it is made. A row without `id` was withheld instead of leased.
    """
    concerned = sorted({one.subscription for one in settled})
    locked = await connection.fetch(_LOCK, concerned, most > 0)
    ended = Ended((), ())
    if settled:
        ended = await _settle(connection, settled, [r for r in locked if not r["room"]])
    room = [row["id"] for row in locked if row["room"]]
    # A statement of its own: it sees what was committed before the locks were taken.
    rows = await connection.fetch(_CLAIM, worker, most, room) if room else []
    return ended, rows


async def settle(connection: Connection, settled: Sequence[Settled]) -> Ended:
    """Write outcomes and lease nothing."""
    ended, _ = await settle_and_claim(connection, settled, "", 0)
    return ended


async def claim(connection: Connection, worker: str, most: int) -> list[Row]:
    """Lease and write nothing."""
    _, rows = await settle_and_claim(connection, (), worker, most)
    return rows


async def _settle(
    connection: Connection, settled: Sequence[Settled], locked: Sequence[Row]
) -> Ended:
    felt = _felt(locked, settled)
    moved = await connection.fetch(
        _SETTLE,
        *([getattr(one, name) for one in settled] for name in _ENDED),
        list(felt),
        # As text: a list in a list would be taken for an array of two dimensions.
        [json.dumps(health.recent) for health in felt.values()],
        *([getattr(health, name) for health in felt.values()] for name in _FELT),
    )
    return Ended(
        [row["id"] for row in moved if row["state"] == "dead"],
        [(id, h.disabled) for id, h in felt.items() if h.disabled is not None],
    )


def _felt(locked: Sequence[Row], settled: Sequence[Settled]) -> dict[str, Health]:
    """How each subscription fares after the calls that ended."""
    ended: dict[str, list[Settled]] = defaultdict(list)
    for one in settled:
        ended[one.subscription].append(one)
    found: dict[str, Health] = {}
    for row in locked:
        calls = [one for one in ended[row["id"]] if one.error != NOT_SENT]
        delivered = sum(one.state == "delivered" for one in calls)
        before = Health(row["recent"], row["paused_until"], row["failing_since"])
        if row["state"] == "enabled":
            found[row["id"]] = after(
                before,
                delivered=delivered,
                failed=len(calls) - delivered,
                gone=any(one.status == 410 for one in calls),
                now=row["now"],
            )
    return found
