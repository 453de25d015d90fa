"""The loop that delivers: claim, post with no transaction open, write the outcome."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import structlog

from libs.common.database import Database, Row
from libs.common.ids import new_id
from services.alerts import outbox
from services.alerts.domain.retries import Verdict, classify, next_attempt
from services.alerts.domain.signing import sign
from services.alerts.outbox import Settled
from services.alerts.sender import Outcome, Sender

log = structlog.get_logger()

MOST_AT_ONCE = 64
"""Leases a worker holds: no more than the sender can post without waiting."""


def chance() -> Decimal:
    """0 to 1, for the jitter of retries."""
    return Decimal(secrets.randbelow(1001)) / 1000


class Courier:
    """Delivers what is due. One transaction both writes outcomes and claims anew."""

    def __init__(
        self,
        database: Database,
        sender: Sender,
        unseal: Callable[[str, bytes], str],
        *,
        jitter: Callable[[], Decimal] = chance,
    ) -> None:
        self._database, self._sender = database, sender
        self._unseal, self._jitter = unseal, jitter
        self._name = new_id("wrk")
        self._posting: set[asyncio.Task[None]] = set()
        self._done: list[Settled] = []
        self.wake = asyncio.Event()

    async def step(self) -> bool:
        """Settle what has come back and lease more; True when something was leased."""
        done, self._done = self._done, []
        try:
            async with self._database.transaction() as connection:
                if done:
                    await outbox.settle(connection, done)
                room = MOST_AT_ONCE - len(self._posting)
                claimed = (
                    await outbox.claim(connection, self._name, room) if room else []
                )
        except Exception:
            self._done = done + self._done  # their leases still hold: try again
            raise
        for row in claimed:
            task = asyncio.create_task(self._deliver(row))
            self._posting.add(task)
            task.add_done_callback(self._returned)
        return bool(claimed)

    def _returned(self, task: asyncio.Task[None]) -> None:
        self._posting.discard(task)
        self.wake.set()

    async def drain(self) -> None:
        """Wait for the posts under way and write how they ended."""
        if self._posting:
            await asyncio.wait(self._posting)
        if self._done:
            async with self._database.transaction() as connection:
                await outbox.settle(connection, self._done)
            self._done = []

    async def _deliver(self, row: Row) -> None:
        """Post one message's frozen bytes, signed now, and note how it ended."""
        try:
            outcome = await self._posted(row)
        except Exception as error:  # ours, not the subscriber's: it must not go round
            await log.aerror("delivery failed", delivery=row["id"], exc_info=error)
            outcome = Outcome(None, "internal", None, "", 0)
        now = datetime.fromtimestamp(row["now"], UTC)
        spent = timedelta(milliseconds=outcome.duration_ms)
        self._done.append(self._settled(row, outcome, now + spent))

    async def _posted(self, row: Row) -> Outcome:
        headers = {
            "content-type": "application/cloudevents+json",
            "user-agent": "dondoc",
            "webhook-id": row["message"],
            "webhook-timestamp": str(row["now"]),
            "webhook-signature": sign(
                [self._unseal(row["subscription"], row["secret"])],
                id=row["message"],
                timestamp=row["now"],
                body=row["body"],
            ),
        }
        return await self._sender.post(row["url"], headers, row["body"])

    def _settled(self, row: Row, outcome: Outcome, now: datetime) -> Settled:
        later = None
        match classify(outcome.status):
            case Verdict.DELIVERED:
                state = "delivered"
            case Verdict.GONE:
                state = "held"
            case Verdict.RETRY:
                later = next_attempt(
                    row["attempts"],
                    status=outcome.status,
                    retry_after=outcome.retry_after,
                    now=now,
                    jitter=self._jitter,
                )
                state = "retrying" if later else "dead"
        return Settled(
            row["id"],
            row["attempts"],
            self._name,
            state,
            later,
            outcome.status,
            outcome.error,
            outcome.excerpt,
            outcome.duration_ms,
        )
