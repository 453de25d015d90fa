"""Background loops: woken by NOTIFY or polling, self-healing, polite in stopping."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import asyncpg
import structlog

from libs.common.database import AWAY, Connection, Database

log = structlog.get_logger()

LONGEST_PAUSE = 15.0
"""Seconds between tries while the database is away."""


@dataclass(slots=True)
class Loop:
    """One step, repeated: `step` returns True while there may be more to do."""

    name: str
    step: Callable[[], Awaitable[bool]]
    poll: float
    topic: str | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    moved: float = field(default_factory=time.monotonic)
    failures: int = 0

    @property
    def idle(self) -> float:
        """Seconds since the loop last came round."""
        return time.monotonic() - self.moved

    @property
    def stuck(self) -> bool:
        """No pass for far longer than a step, a poll or a pause may take."""
        return self.idle > 90 + self.poll


class Loops:
    """The loops of one service, with one LISTEN connection between them."""

    def __init__(self, database: Database, loops: Sequence[Loop]) -> None:
        self._database, self.loops = database, loops
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; returns at once."""
        run = [self._run(loop) for loop in self.loops]
        if any(loop.topic for loop in self.loops):
            run.append(self._listen())
        self._tasks = [asyncio.create_task(one) for one in run]

    async def stop(self, patience: float = 20) -> None:
        """Let each loop finish its step; cut off what takes longer than that."""
        self._stopping.set()
        for loop in self.loops:
            loop.wake.set()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=patience)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, loop: Loop) -> None:
        while not self._stopping.is_set():
            loop.wake.clear()
            pause = loop.poll
            try:
                if await loop.step():
                    pause = 0
                loop.failures = 0
            except Exception as error:
                loop.failures += 1
                # The exponent is bounded: a night of failures must not overflow.
                pause = min(LONGEST_PAUSE, 0.25 * 2 ** min(loop.failures, 10))
                await _report(loop, error)
            loop.moved = time.monotonic()
            if pause:
                await _wait(loop.wake if not loop.failures else self._stopping, pause)

    async def _listen(self) -> None:
        """Turn notifications into wake-ups; while away, polling is enough."""
        while not self._stopping.is_set():
            with contextlib.suppress(*AWAY, asyncpg.PostgresError):
                await self._listen_once()
            await _wait(self._stopping, 1.0)

    async def _listen_once(self) -> None:
        connection = await self._database.listener()
        gone = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: gone.set())
            await connection.add_listener("dondoc", self._heard)
            stop = asyncio.create_task(self._stopping.wait())
            lost = asyncio.create_task(gone.wait())
            await asyncio.wait((stop, lost), return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()
            lost.cancel()
        finally:
            await connection.close(timeout=2)

    def _heard(
        self, _connection: Connection, _pid: int, _channel: str, payload: object
    ) -> None:
        for loop in self.loops:
            if loop.topic == payload:
                loop.wake.set()


async def _report(loop: Loop, error: Exception) -> None:
    # The first failure with its trace, then one line each power of two: a
    # database that stays away must not fill the log.
    if loop.failures == 1:
        await log.aerror("loop failed", loop=loop.name, exc_info=error)
    elif loop.failures & (loop.failures - 1) == 0:
        await log.aerror(
            "loop still failing",
            loop=loop.name,
            failures=loop.failures,
            error=f"{type(error).__name__}: {error}"[:300],
        )


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
