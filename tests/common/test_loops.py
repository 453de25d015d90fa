"""Background loops: they heal, they are woken, they finish what they began."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import TypeAlias

import asyncpg
import pytest
from structlog.testing import capture_logs

from libs.common.database import Database
from libs.common.events import notify
from libs.common.loops import Loop, Loops
from tests.support.databases import Copy, copy_of
from tests.support.world import until

pytestmark = pytest.mark.anyio
Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture(scope="module")
async def copied(template: str) -> AsyncIterator[Copy]:
    async with copy_of(template, "loops") as made:
        yield made


@pytest.fixture
async def url(copied: Copy) -> str:
    await copied.as_new()
    return copied.url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    found = Database(url, "dondoc_alerts")
    await found.open()
    yield found
    await found.close()


@pytest.fixture
async def owner(url: str) -> AsyncIterator[Owner]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


@pytest.fixture(autouse=True)
def said() -> Iterator[list[dict[str, object]]]:
    with capture_logs() as lines:
        yield lines  # type: ignore[misc]


class Work:
    """A step that fails so many times first and counts how often it came round."""

    def __init__(self, *, failures: int = 0, more: int = 0) -> None:
        self.done, self._failures, self._more = 0, failures, more

    async def step(self) -> bool:
        if self._failures:
            self._failures -= 1
            raise OSError("away")
        self.done += 1
        return self.done <= self._more

    async def done_once(self) -> bool:
        return self.done > 0


async def test_a_loop_heals_after_failures(
    database: Database, said: list[dict[str, object]]
) -> None:
    work = Work(failures=2)
    loops = Loops(database, [Loop("work", work.step, poll=60)])

    loops.start()
    await until(work.done_once)
    await loops.stop()

    assert loops.loops[0].failures == 0
    assert [line["event"] for line in said] == ["loop failed", "loop still failing"]


async def test_a_loop_survives_a_night_of_failures(
    database: Database, said: list[dict[str, object]]
) -> None:
    work = Work(failures=1)
    loops = Loops(database, [Loop("work", work.step, poll=60, failures=8191)])

    async def reported() -> bool:
        return len(said) > 0

    loops.start()
    await until(reported, seconds=5)
    await loops.stop()

    assert said[0]["failures"] == 8192


async def test_a_long_outage_does_not_fill_the_log(
    database: Database, said: list[dict[str, object]]
) -> None:
    async def step() -> bool:
        raise OSError("away")

    for failures in range(1, 1025):
        loop = Loop("work", step, poll=1, failures=failures - 1)
        loops = Loops(database, [loop])
        loops.start()
        while loop.failures < failures:  # noqa: ASYNC110 (a failure is no event)
            await asyncio.sleep(0)
        await loops.stop()

    assert len(said) == 11


async def test_while_there_is_more_to_do_it_does_not_wait(database: Database) -> None:
    work = Work(more=500)
    loops = Loops(database, [Loop("work", work.step, poll=60)])

    async def all_done() -> bool:
        return work.done == 501

    loops.start()
    await until(all_done, seconds=5)
    await loops.stop()


async def test_one_loop_that_fails_does_not_hold_another(database: Database) -> None:
    bad, good = Work(failures=10**6), Work(more=10)
    loops = Loops(
        database, [Loop("bad", bad.step, poll=0.01), Loop("good", good.step, poll=0.01)]
    )

    async def much_done() -> bool:
        return good.done > 20

    loops.start()
    await until(much_done, seconds=5)
    await loops.stop()


async def listening(owner: Owner, but: int | None = None) -> int | None:
    """The backend that listens, other than this one."""
    found: int | None = await owner.fetchval(
        "SELECT pid FROM pg_stat_activity WHERE query ~* '^LISTEN' AND state = 'idle'"
        " AND datname = current_database() AND pid IS DISTINCT FROM $1",
        but,
    )
    return found


async def test_a_notification_wakes_the_loop_of_its_topic_only(
    database: Database, owner: Owner
) -> None:
    mine, other = Work(), Work()
    loops = Loops(
        database,
        [
            Loop("mine", mine.step, poll=60, topic="mine"),
            Loop("other", other.step, poll=60, topic="other"),
        ],
    )
    loops.start()
    await until(lambda: listening(owner))
    before = mine.done

    async def woken() -> bool:
        return mine.done > before

    async with database.transaction() as connection:
        await notify(connection, "mine")
    await until(woken, seconds=5)
    await loops.stop()

    assert other.done == 1


async def test_listening_begins_again_after_its_connection_was_lost(
    database: Database, owner: Owner
) -> None:
    work = Work()
    loops = Loops(database, [Loop("work", work.step, poll=60, topic="mine")])
    loops.start()
    pid = await until(lambda: listening(owner))
    assert isinstance(pid, int)

    await owner.execute("SELECT pg_terminate_backend($1)", pid)
    await until(lambda: listening(owner, but=pid))
    before = work.done
    async with database.transaction() as connection:
        await notify(connection, "mine")

    async def woken() -> bool:
        return work.done > before

    await until(woken, seconds=5)
    await loops.stop()


async def test_stopping_lets_a_step_finish(database: Database) -> None:
    inside, may_end, ended = asyncio.Event(), asyncio.Event(), []

    async def step() -> bool:
        inside.set()
        await may_end.wait()
        ended.append(True)
        return True

    loops = Loops(database, [Loop("work", step, poll=60)])
    loops.start()
    await inside.wait()

    stopping = asyncio.create_task(loops.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    may_end.set()
    await stopping

    assert ended == [True]


async def test_stopping_cuts_off_what_takes_too_long(database: Database) -> None:
    inside, cut_off = asyncio.Event(), []

    async def step() -> bool:
        inside.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cut_off.append(True)
            raise
        return True

    loops = Loops(database, [Loop("work", step, poll=60)])
    loops.start()
    await inside.wait()

    started = time.monotonic()
    await loops.stop(patience=0.05)

    assert cut_off == [True]
    assert time.monotonic() - started < 5


async def test_stopping_does_not_wait_for_a_poll(
    database: Database, owner: Owner
) -> None:
    work = Work()
    loops = Loops(database, [Loop("work", work.step, poll=3600, topic="mine")])
    loops.start()
    await until(work.done_once)
    await until(lambda: listening(owner))

    async with asyncio.timeout(5):
        await loops.stop()

    assert await listening(owner) is None


async def test_a_loop_is_stuck_only_when_it_has_not_come_round_for_long() -> None:
    work = Work()
    loop = Loop("work", work.step, poll=1)

    assert not loop.stuck
    loop.moved -= 90
    assert not loop.stuck
    loop.moved -= 2
    assert loop.stuck
