"""Queries of subscriptions, what is owed to them, and what they were sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from libs.common.database import Connection, Row
from services.alerts.leases import WAITING
from services.alerts.outbox import ABOVE, CONCERNS

_SHOWN = """
SELECT s.*, 1 + (SELECT count(*) FROM alerts.retired_secret r
  WHERE r.subscription = s.id AND r.until > now()) AS signatures
FROM alerts.subscription s
WHERE s.state <> 'deleted' AND ($1::text IS NULL OR s.key = $1)"""


async def keep(
    connection: Connection,
    id: str,
    *,
    key: str,
    wish: Mapping[str, object],
    secret: bytes,
    now: datetime,
) -> None:
    """Store a subscription with its sealed secret."""
    await connection.execute(
        "INSERT INTO alerts.subscription (id, key, url, types, under, min_severity,"
        " rate_per_second, secret, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        id,
        key,
        *(wish[name] for name in WISH),
        secret,
        now,
    )


WISH = ("url", "types", "under", "min_severity", "rate_per_second")


async def change(connection: Connection, id: str, wish: Mapping[str, object]) -> None:
    """Write what it wishes anew."""
    places = ", ".join(f"{name} = ${n}" for n, name in enumerate(WISH, start=2))
    await connection.execute(
        f"UPDATE alerts.subscription SET {places} WHERE id = $1",
        id,
        *(wish[name] for name in WISH),
    )


async def one(connection: Connection, id: str, key: str | None) -> Row | None:
    """One subscription of a key; `key` None finds everyone's."""
    return await connection.fetchrow(f"{_SHOWN} AND s.id = $2", key, id)


async def hold(connection: Connection, id: str) -> None:
    """Lock it against workers until the transaction ends."""
    await connection.execute(
        "SELECT FROM alerts.subscription WHERE id = $1 FOR NO KEY UPDATE", id
    )


async def listed(
    connection: Connection, key: str | None, after: str | None, limit: int
) -> list[Row]:
    """The subscriptions of a key; `key` None lists everyone's."""
    return await connection.fetch(
        f"{_SHOWN} AND ($2::text IS NULL OR s.id > $2) ORDER BY s.id LIMIT $3",
        key,
        after,
        limit,
    )


async def enable(connection: Connection, id: str) -> None:
    """Let it hear again; what was held for it is due, and it starts with a clean slate."""
    await connection.execute(
        "UPDATE alerts.subscription SET state = 'enabled', disabled_at = NULL,"
        " disabled_why = NULL, paused_until = NULL, failing_since = NULL, recent = '[]'"
        " WHERE id = $1",
        id,
    )


async def delete(connection: Connection, id: str) -> None:
    """End it: nothing goes out any more, and nothing is left that could sign."""
    await connection.execute(
        "UPDATE alerts.subscription SET state = 'deleted', secret = '', url = '' WHERE id = $1",
        id,
    )
    await retire(connection, id, timedelta())
    await connection.execute(
        "UPDATE alerts.delivery SET state = 'withheld', next_attempt_at = NULL,"
        f" claim = NULL WHERE subscription = $1 AND state IN {WAITING}",
        id,
    )
    await connection.execute(
        "UPDATE alerts.recovery SET finished_at = now()"
        " WHERE subscription = $1 AND finished_at IS NULL",
        id,
    )


# Secrets ----------------------------------------------------------------------------


async def retire(connection: Connection, id: str, overlap: timedelta) -> None:
    """Let every older secret end no later than after the overlap."""
    await connection.execute(
        "UPDATE alerts.retired_secret SET until = least(until, now() + $2::interval)"
        " WHERE subscription = $1",
        id,
        overlap,
    )


async def rotate(
    connection: Connection, id: str, secret: bytes, overlap: timedelta
) -> datetime | None:
    """Sign with a new secret; the moment until which the older ones do so beside it."""
    await retire(connection, id, overlap)
    await connection.execute(
        "INSERT INTO alerts.retired_secret (subscription, secret, until)"
        " SELECT id, secret, now() + $2::interval FROM alerts.subscription WHERE id = $1",
        id,
        overlap,
    )
    await connection.execute(
        "UPDATE alerts.subscription SET secret = $2 WHERE id = $1", id, secret
    )
    until: datetime | None = await connection.fetchval(
        "SELECT max(until) FROM alerts.retired_secret"
        " WHERE subscription = $1 AND until > now()",
        id,
    )
    return until


# Deliveries -------------------------------------------------------------------------

# What waits for a subscription that is paused, disabled or without a living key is
# held: that is a matter of the subscription, so no row has to say it.
_STATE = """
CASE WHEN d.state IN ('pending', 'retrying') AND (s.state <> 'enabled'
  OR s.paused_until > now() OR k.revoked_at IS NOT NULL OR k.expires_at <= now())
THEN 'held' ELSE d.state END"""

_DELIVERY = f"""
SELECT d.id, d.subscription, d.message, m.type, d.escalation, d.sequence, d.attempts,
  {_STATE} AS state, d.created_at, d.next_attempt_at, d.delivered_at, d.acknowledged_at,
  s.key, s.under,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('n', a.n, 'started_at', a.started_at,
    'status', a.status, 'error', a.error, 'response', a.excerpt, 'ms', a.ms)
    ORDER BY a.n), '[]') FROM alerts.attempt a WHERE a.delivery = d.id) AS log
FROM alerts.delivery d JOIN alerts.message m ON m.id = d.message
JOIN alerts.subscription s ON s.id = d.subscription
JOIN platform.api_key k ON k.id = s.key
"""


async def deliveries(
    connection: Connection,
    subscription: str,
    state: str | None,
    before: int | None,
    limit: int,
) -> list[Row]:
    """Deliveries of a subscription with their attempts, newest first."""
    return await connection.fetch(
        f"{_DELIVERY} WHERE d.subscription = $1 AND ($2::bigint IS NULL OR d.id < $2)"
        f" AND ($3::text IS NULL OR {_STATE} = $3) ORDER BY d.id DESC LIMIT $4",
        subscription,
        before,
        state,
        limit,
    )


async def deliveries_by_id(connection: Connection, ids: Sequence[int]) -> list[Row]:
    """These deliveries, of subscriptions that still are."""
    return await connection.fetch(
        f"{_DELIVERY} WHERE d.id = ANY($1) AND s.state <> 'deleted' ORDER BY d.id",
        list(ids),
    )


async def send_again(connection: Connection, id: int) -> None:
    """Make a delivery due now, with all its tries before it."""
    await connection.execute(
        "UPDATE alerts.delivery SET state = 'retrying', next_attempt_at = now(),"
        " spared = attempts, delivered_at = NULL, acknowledged_at = NULL"
        " WHERE id = $1",
        id,
    )


async def acknowledge(connection: Connection, id: int) -> None:
    """Note that someone knows that it is dead: retention may take it."""
    await connection.execute(
        "UPDATE alerts.delivery SET acknowledged_at = coalesce(acknowledged_at, now())"
        " WHERE id = $1",
        id,
    )


async def backlog(connection: Connection) -> dict[str, int]:
    """Seconds that the oldest has waited, deliveries and subscriptions by state."""
    waiting = await connection.fetchrow(
        "SELECT coalesce(extract(epoch FROM now() - min(created_at)"
        " FILTER (WHERE enabled)), 0)::int AS oldest,"
        " count(*) FILTER (WHERE state <> 'held') AS waiting,"
        " count(*) FILTER (WHERE state = 'held') AS held FROM ("
        f" SELECT d.created_at, {_STATE} AS state, s.state = 'enabled' AS enabled"
        " FROM alerts.delivery d JOIN alerts.subscription s ON s.id = d.subscription"
        f" JOIN platform.api_key k ON k.id = s.key WHERE d.state IN {WAITING}) d"
    )
    others = await connection.fetchrow(
        "SELECT count(*) FILTER (WHERE state = 'enabled') AS enabled,"
        " count(*) FILTER (WHERE state = 'enabled' AND paused_until IS NOT NULL) AS paused,"
        " count(*) FILTER (WHERE state = 'disabled') AS disabled,"
        " (SELECT count(*) FROM alerts.delivery"
        "  WHERE state = 'dead' AND acknowledged_at IS NULL) AS dead"
        " FROM alerts.subscription"
    )
    assert waiting is not None
    assert others is not None
    return {**waiting, **others}


# Recovery ---------------------------------------------------------------------------


async def unfinished_recovery(
    connection: Connection, subscription: str, since: datetime
) -> Row | None:
    """The same recovery, if it is still at work."""
    return await connection.fetchrow(
        "SELECT * FROM alerts.recovery"
        " WHERE subscription = $1 AND since = $2 AND finished_at IS NULL",
        subscription,
        since,
    )


async def keep_recovery(
    connection: Connection, id: str, subscription: str, since: datetime
) -> Row | None:
    """Note what is to be recovered; None when `since` is yet to come, by true time."""
    return await connection.fetchrow(
        "INSERT INTO alerts.recovery (id, subscription, since, until, reached_at)"
        " SELECT $1, $2, $3, now(), $3 WHERE $3 <= now() RETURNING *",
        id,
        subscription,
        since,
    )


async def next_recovery(connection: Connection) -> Row | None:
    """One that is not finished and that nobody else is at."""
    return await connection.fetchrow(
        "SELECT * FROM alerts.recovery WHERE finished_at IS NULL"
        " ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED"
    )


_RECOVER = f"""
WITH RECURSIVE chunk AS (
  SELECT id, type, unit, severity, escalation, sequence, key, hidden, created_at
  FROM alerts.message
  WHERE (created_at, id) > ($2, $3) AND created_at <= $4
    AND type NOT IN ('ping', 'heartbeat')
  ORDER BY created_at, id LIMIT $5),
heard AS (SELECT DISTINCT unit FROM chunk),
{ABOVE},
again AS (
  INSERT INTO alerts.delivery AS d (message, subscription, escalation, sequence)
  SELECT m.id, s.id, m.escalation, m.sequence FROM chunk m
  JOIN alerts.subscription s ON s.id = $1 JOIN platform.api_key k ON k.id = s.key
  WHERE {CONCERNS}
  ON CONFLICT (message, subscription) DO UPDATE SET state = 'retrying',
    next_attempt_at = now(), spared = d.attempts, acknowledged_at = NULL
  WHERE d.state IN ('dead', 'withheld') RETURNING 1)
SELECT (SELECT count(*) FROM chunk) AS read, (SELECT count(*) FROM again) AS found,
  created_at, id FROM chunk ORDER BY created_at DESC, id DESC LIMIT 1
"""


async def recover(connection: Connection, row: Row, most: int) -> int:
    """Address the next messages anew; how many. The last time it is finished.

    What was delivered or is on its way stays as it is, so doing it twice is once.
    """
    reached = await connection.fetchrow(
        _RECOVER,
        row["subscription"],
        row["reached_at"],
        row["reached_id"],
        row["until"],
        most,
    )
    found = reached["found"] if reached else 0
    await connection.execute(
        "UPDATE alerts.recovery SET found = found + $2, reached_at = $3,"
        " reached_id = $4, finished_at = CASE WHEN $5 THEN now() END WHERE id = $1",
        row["id"],
        found,
        reached["created_at"] if reached else row["reached_at"],
        reached["id"] if reached else row["reached_id"],
        reached is None or reached["read"] < most,
    )
    return int(found)


# Heartbeats and forgetting ----------------------------------------------------------


async def heartbeats_due(connection: Connection, every: timedelta) -> list[str]:
    """Those who asked for heartbeats and fare well, once in each span of time."""
    rows = await connection.fetch(
        "UPDATE alerts.subscription SET heartbeat_at = now() WHERE id IN ("
        " SELECT s.id FROM alerts.subscription s JOIN platform.api_key k ON k.id = s.key"
        " WHERE s.state = 'enabled' AND 'heartbeat' = ANY(s.types)"
        # What is down needs no heap of old heartbeats when it comes back.
        "  AND s.failing_since IS NULL AND k.revoked_at IS NULL"
        "  AND (k.expires_at IS NULL OR k.expires_at > now())"
        "  AND (s.heartbeat_at IS NULL OR s.heartbeat_at <= now() - $1::interval)"
        " ORDER BY s.id FOR NO KEY UPDATE OF s SKIP LOCKED) RETURNING id",
        every,
    )
    return [row["id"] for row in rows]


async def forget(connection: Connection, most: int) -> bool:
    """Drop what is older than 90 days and owed to nobody; True when more may be."""
    await connection.execute("SELECT alerts.keep_months()")
    gone: int = await connection.fetchval("SELECT alerts.forget($1)", most)
    return gone >= most
