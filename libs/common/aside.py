"""Loops on a thread of their own, for what must not wait until others have computed.

An event loop runs one thing at a time. Where scoring reads a national month or an
engine judges it, whatever shares their loop stands still meanwhile.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from libs.common.database import Database
from libs.common.loops import Loop, Loops

SWITCH_SECONDS = 0.0001
"""How long one thread computes before another may. A post gives up its turn with every
system call; at Python's 5 ms it would wait longer for its turns than for the answer."""


@dataclass(frozen=True, slots=True)
class Aside:
    """Loops, the pool that only they use, and what must run while they do."""

    name: str
    database: Database
    loops: Sequence[Loop]
    running: Callable[[], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def set_aside(one: Aside) -> AsyncIterator[None]:
    """Start the thread and its loops; on leaving, let them finish, and join it."""
    sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_SECONDS))
    stop = asyncio.Event()
    started: Future[asyncio.AbstractEventLoop] = Future()
    thread = threading.Thread(
        target=lambda: asyncio.run(_work(one, started, stop)), name=one.name
    )
    thread.start()
    there = await asyncio.wrap_future(started)
    try:
        yield
    finally:
        there.call_soon_threadsafe(stop.set)
        await asyncio.to_thread(thread.join)


async def _work(
    one: Aside, started: Future[asyncio.AbstractEventLoop], stop: asyncio.Event
) -> None:
    try:
        await one.database.open()
        try:
            async with one.running():
                loops = Loops(one.database, one.loops)
                loops.start()
                started.set_result(asyncio.get_running_loop())
                await stop.wait()
                await loops.stop()
        finally:
            await one.database.close()
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)  # whoever starts us must not wait for ever
