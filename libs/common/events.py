"""`platform.event`: outbox and queue at once; an event takes effect whole or not.

A producer inserts in its own transaction. A consumer claims, works and writes
follow-up events in one transaction: a crash rolls back to "never happened".
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from libs.common import lenses
from libs.common.clock import VIETNAM
from libs.common.database import Connection, Database, Row

FIGURES_CHANGED = "figures.changed"  # ingest ⟶ scoring
SCORES_CHANGED = "scores.changed"  # scoring ⟶ alerts
FIGURES_PROPOSED = "figures.proposed"  # the same way for a dry run
SCORES_PROPOSED = "scores.proposed"
PROPOSED = (FIGURES_PROPOSED, SCORES_PROPOSED)
SCORES_ASKED = "scores.asked"  # alerts ⟶ scoring: as they were known at a moment
SCORES_RECALLED = "scores.recalled"  # scoring ⟶ alerts: its answer
CASES_CHANGED = "cases.changed"  # ingest ⟶ alerts, keyed by unit
REPORTS_CHANGED = "reports.changed"  # ingest ⟶ alerts: what subscribers hear of reports

DONDOC = "dondoc"
"""Whose deed it is that follows from an event."""

ATTEMPTS = 8
"""Tries before an event is dead: about two minutes of backing off."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class News:
    """An event to be published: its key is what one worker handles at a time.

    That is a period; for cases it is their unit.
    """

    topic: str
    key: str
    batch: str | None
    request: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """A claimed event; `batch` and `request` say whose deed it descends from."""

    id: int
    key: str
    batch: str | None
    request: str | None
    attempts: int
    claimed_at: datetime
    """In business time, so that who handles it need not ask for the hour."""

    def followed_by(self, topic: str) -> News:
        """The follow-up event about the same key, for the same batch."""
        return News(topic, self.key, self.batch, self.request)


Handler = Callable[[Connection, str, Sequence[Event]], Awaitable[None]]
Handlers = Callable[[Connection, Sequence[Event]], Awaitable[None]]

_PUBLISH = """
WITH published AS (
  INSERT INTO platform.event (topic, key, batch, request)
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]))
SELECT pg_notify('dondoc', topic) FROM (SELECT DISTINCT unnest($1::text[])) t (topic)
"""

# The inner query is fenced by OFFSET 0, so locks are tried oldest key first and
# no further than the first that are free. It also says whose deed this transaction is.
_CLAIM = """
WITH head AS (
  SELECT id, key, attempts FROM platform.event
  WHERE topic = $1 AND dead_at IS NULL AND run_at <= now() ORDER BY id LIMIT 256),
mine AS (
  SELECT key, first FROM (
    SELECT key, min(id) AS first FROM head GROUP BY key ORDER BY first OFFSET 0) k
  WHERE pg_try_advisory_xact_lock(7, hashtext($1 || key)) LIMIT $2),
taken AS (
  DELETE FROM platform.event WHERE id IN (
    SELECT head.id FROM head JOIN mine USING (key)
    WHERE head.id = mine.first OR (head.attempts = 0 AND (
      SELECT attempts FROM head WHERE id = mine.first) = 0))
  RETURNING id, key, batch, request, attempts)
SELECT *, platform.business_now() AS claimed_at,
  set_config('dondoc.actor', $3, true), set_config('dondoc.request',
  coalesce(first_value(request) OVER (ORDER BY id), ''), true)
FROM taken ORDER BY id
"""

# True time: how long to wait is the database's business.
_FAIL = """
UPDATE platform.event SET attempts = attempts + 1, error = left($2, 2000),
  run_at = now() + $3::interval * power(2, attempts),
  dead_at = CASE WHEN attempts + 1 >= $4 THEN now() END
WHERE id = ANY($1) RETURNING batch, dead_at IS NOT NULL AS dead
"""


async def publish(connection: Connection, news: Sequence[News]) -> None:
    """Insert events in the caller's transaction; NOTIFY reaches others at commit."""
    if not news:
        return
    columns = zip(*((n.topic, n.key, n.batch, n.request) for n in news), strict=True)
    await connection.execute(_PUBLISH, *(list(column) for column in columns))


async def notify(connection: Connection, topic: str) -> None:
    """A hint that there is work; polling finds it anyway."""
    await connection.execute("SELECT pg_notify('dondoc', $1)", topic)


async def consume_one(
    database: Database, topic: str, handle: Handler, *, backoff: timedelta
) -> bool:
    """Handle the waiting events of one key, or none; True when there were any.

    A failed group is rolled back and tried again event by event, later and later,
    so that one bad event does not hold the others.
    """

    async def of_one_key(connection: Connection, events: Sequence[Event]) -> None:
        await handle(connection, events[0].key, events)

    return await consume(database, topic, of_one_key, keys=1, backoff=backoff)


async def consume(
    database: Database, topic: str, handle: Handlers, *, keys: int, backoff: timedelta
) -> bool:
    """The same for the events of several keys at once, at most so many, by age.

    For what is so little work that a commit for each would be most of it.
    """
    claimed: list[Event] = []
    started = time.perf_counter()
    try:
        async with database.transaction() as connection:
            rows = await connection.fetch(_CLAIM, topic, keys, DONDOC)
            claimed = [_claimed(row) for row in rows]
            if not claimed:
                return False
            structlog.contextvars.bind_contextvars(request_id=claimed[0].request)
            await handle(connection, claimed)
            await _settle(connection, claimed)
        log.info(
            "event handled",
            topic=topic,
            keys=list(dict.fromkeys(event.key for event in claimed)),
            events=[event.id for event in claimed],
            ms=round((time.perf_counter() - started) * 1000, 1),
        )
    except Exception as error:
        if not claimed:
            raise
        await _put_back(database, topic, claimed, error, backoff)
    finally:
        structlog.contextvars.unbind_contextvars("request_id")
    return True


def _claimed(row: Row) -> Event:
    id, key, batch, request, attempts, claimed_at, *_ = row
    at = claimed_at.astimezone(VIETNAM)
    return Event(id, key, batch, request, attempts, at)


async def _settle(connection: Connection, handled: Sequence[Event]) -> None:
    """Mark the batches whose last event this was."""
    batches = sorted({event.batch for event in handled if event.batch})
    if not batches:
        return
    rehearsed = await connection.fetchval(
        "SELECT platform.settle($1, $2)", batches, [FIGURES_CHANGED, FIGURES_PROPOSED]
    )
    for batch in rehearsed:
        await lenses.forget_proposals(connection, batch)


async def _put_back(
    database: Database,
    topic: str,
    claimed: Sequence[Event],
    error: Exception,
    backoff: timedelta,
) -> None:
    await log.aerror(
        "event failed",
        topic=topic,
        keys=list(dict.fromkeys(event.key for event in claimed)),
        events=[event.id for event in claimed],
        attempts=claimed[0].attempts + 1,
        exc_info=error,
    )
    async with database.transaction() as connection:
        reason = f"{type(error).__name__}: {error}"
        ids = [event.id for event in claimed]
        failed = await connection.fetch(_FAIL, ids, reason, backoff, ATTEMPTS)
        if topic in PROPOSED:
            # A dry run that failed leaves nothing behind either; it is sent again.
            for batch in {row["batch"] for row in failed if row["dead"]}:
                await lenses.forget_proposals(connection, batch)


async def backlog(connection: Connection) -> list[tuple[str, int, int, int]]:
    """Per topic: events waiting, seconds the oldest has waited, dead letters."""
    rows = await connection.fetch(
        "SELECT topic, count(*) FILTER (WHERE dead_at IS NULL),"
        " coalesce(extract(epoch FROM now() - min(created)"
        " FILTER (WHERE dead_at IS NULL)), 0)::int,"
        " count(dead_at) FROM platform.event GROUP BY topic ORDER BY topic"
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]
