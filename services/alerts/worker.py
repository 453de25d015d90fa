"""The loop that delivers: claim, post with no transaction open, write the outcome."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal

import structlog

from libs.common.database import Connection, Database, Row
from libs.common.ids import new_id
from services.alerts import leases, telemetry
from services.alerts.domain.retries import Verdict, classify, next_attempt
from services.alerts.domain.signing import sign
from services.alerts.leases import IN_FLIGHT, NOT_SENT, Ended, Settled
from services.alerts.sender import Outcome, Sender

log = structlog.get_logger()

MOST_AT_ONCE = 512
"""Leases a worker holds; the sender has connections to post an eighth of them."""

GATHER_SECONDS, SETTLED_TOGETHER = 0.02, 16
"""Posts that return together are settled together: a transaction costs as much as
several posts, and takes its turn among them."""

STALE_SECONDS = 15.0
"""A lease that is older is not posted any more: it must outlast the post."""

Tell = Callable[[Connection, Ended], Awaitable[None]]


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
        tell: Tell,
        *,
        jitter: Callable[[], Decimal] = chance,
    ) -> None:
        self._database, self._sender = database, sender
        self._unseal, self._tell, self._jitter = unseal, tell, jitter
        self._name = new_id("wrk")
        self._turns = defaultdict[str, asyncio.Semaphore](
            lambda: asyncio.Semaphore(IN_FLIGHT)
        )
        self._ending = False
        self._posting: set[asyncio.Task[None]] = set()
        self._done: list[Settled] = []
        self._gathering: asyncio.TimerHandle | None = None
        self.wake = asyncio.Event()
        self.asked = time.monotonic()
        """When it last asked for work, and was answered."""

    async def step(self) -> bool:
        """Settle what has come back and lease more; True when something was leased."""
        done, self._done = self._done, []
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        try:
            async with self._database.transaction() as connection:
                room = MOST_AT_ONCE - len(self._posting)
                ended, due = await leases.settle_and_claim(
                    connection, done, self._name, room
                )
                await self._tell(connection, ended)
        except Exception:
            self._done = done + self._done  # their leases still hold: try again
            raise
        claimed = self.asked = time.monotonic()
        for row in due:
            if row["id"] is not None:
                task = asyncio.create_task(self._deliver(row, claimed))
                self._posting.add(task)
                task.add_done_callback(self._returned)
        return bool(due)

    def _returned(self, task: asyncio.Task[None]) -> None:
        self._posting.discard(task)
        if not self._posting or len(self._done) >= SETTLED_TOGETHER:
            self.wake.set()
        elif self._gathering is None:
            loop = asyncio.get_running_loop()
            self._gathering = loop.call_later(GATHER_SECONDS, self.wake.set)

    async def turn(self) -> bool:
        """One step of the loop; True when there may be more to do at once.

        While posts are under way it is not worth asking again: each that returns wakes
        the loop, and so does each new message.
        """
        return await self.step() and not self._posting

    async def stop(self) -> None:
        """Let the posts under way end, give back the leases that wait for a turn."""
        self._ending = True
        await self.drain()

    async def drain(self) -> None:
        """Wait for the posts under way and write how they ended."""
        if self._posting:
            await asyncio.wait(self._posting)
        if self._done:
            async with self._database.transaction() as connection:
                ended = await leases.settle(connection, self._done)
                await self._tell(connection, ended)
            self._done = []

    async def _deliver(self, row: Row, claimed: float) -> None:
        """Post one message's frozen bytes, signed now, and note how it ended."""
        try:
            async with self._turns[row["subscription"]]:
                if self._ending or time.monotonic() - claimed > STALE_SECONDS:
                    self._done.append(self._given_back(row))
                    return
                waited = timedelta(seconds=time.monotonic() - claimed)
                sent = row["started_at"] + waited
                outcome = await self._posted(row, int(sent.timestamp()))
        except Exception as error:  # ours, not the subscriber's: it must not go round
            await log.aerror("delivery failed", delivery=row["id"], exc_info=error)
            outcome = Outcome(None, "internal", None, "", 0)
        spent = timedelta(seconds=time.monotonic() - claimed)
        settled = self._settled(row, outcome, spent)
        telemetry.count_attempt(row, settled, spent)
        self._done.append(settled)

    async def _posted(self, row: Row, timestamp: int) -> Outcome:
        live = [self._unseal(row["subscription"], one) for one in row["secrets"]]
        headers = {
            "content-type": "application/cloudevents+json",
            "webhook-id": row["message"],
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(
                live, id=row["message"], timestamp=timestamp, body=row["body"]
            ),
        }
        return await self._sender.post(row["url"], headers, row["body"])

    def _given_back(self, row: Row) -> Settled:
        """A lease whose turn came too late: it is due again, and uses up no try."""
        return Settled(
            delivery=row["id"],
            subscription=row["subscription"],
            attempt=row["attempts"],
            claim=self._name,
            started_at=row["started_at"],
            state="retrying",
            next_attempt_at=row["started_at"],
            spared=True,
            status=None,
            error=NOT_SENT,
            excerpt="",
            ms=0,
        )

    def _settled(self, row: Row, outcome: Outcome, spent: timedelta) -> Settled:
        """What becomes of a delivery after an attempt.

        A probe that fails and a 410 say something of the subscription and nothing of
        the message: they use up none of its tries.
        """
        verdict = classify(outcome.status)
        spared = verdict is Verdict.GONE or (verdict is Verdict.RETRY and row["probe"])
        now = row["started_at"] + spent
        later = None
        match verdict:
            case Verdict.DELIVERED:
                state = "delivered"
            case Verdict.GONE:
                state, later = "retrying", now
            case Verdict.RETRY:
                later = next_attempt(
                    row["attempts"] - row["spared"] - spared,
                    status=outcome.status,
                    retry_after=outcome.retry_after,
                    now=now,
                    jitter=self._jitter,
                )
                state = "retrying" if later else "dead"
        return Settled(
            delivery=row["id"],
            subscription=row["subscription"],
            attempt=row["attempts"],
            claim=self._name,
            started_at=row["started_at"],
            state=state,
            next_attempt_at=later,
            spared=spared,
            status=outcome.status,
            error=outcome.error,
            excerpt=outcome.excerpt,
            ms=outcome.duration_ms,
        )
