"""F10: what keeps dead rows from being cleared is seen, by everyone who looks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from libs.common import vacuum
from libs.common.vacuum import TOO_LONG, TOO_MANY, Holder, Table
from services import doctor
from tests.support.world import World

pytestmark = pytest.mark.anyio
ROWS = 300


@asynccontextmanager
async def idle_in_transaction(url: str) -> AsyncIterator[int]:
    """A session that has read and then does nothing; its process id."""
    session = await asyncpg.connect(url)
    try:
        await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await session.fetchval("SELECT count(*) FROM platform.bucket")
        yield session.get_server_pid()
    finally:
        await session.close()


async def churn(world: World) -> int:
    """Change a row again and again, clear what can be; how many dead ones stay."""
    name = "platform.bucket"
    await world.owner.execute(
        f"INSERT INTO {name} VALUES ('x', now()) ON CONFLICT DO NOTHING"
    )
    for _ in range(ROWS):
        await world.owner.execute(f"UPDATE {name} SET spent_until = now()")
    await world.owner.execute(f"VACUUM {name}")
    found = {one.name: one for one in await vacuum.tables(world.owner)}
    return found[name].dead


async def metrics(world: World) -> dict[str, float]:
    text = (await world.anonymous.get("/metrics")).text
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    return {name: float(value) for name, value in lines}


async def test_a_session_idle_in_its_transaction_holds_dead_rows_and_is_seen(
    still_world: World,
) -> None:
    async with idle_in_transaction(still_world.url) as pid:
        kept = await churn(still_world)
        async with still_world.database("alerts").connection() as connection:
            found = await vacuum.holders(connection)
        said = await metrics(still_world)

    seen = {one.name: one for one in found}
    assert seen[str(pid)].kind == "session"
    assert seen[str(pid)].transactions >= ROWS
    assert seen[str(pid)].seconds is not None
    assert said["dondoc_oldest_xmin_transactions"] >= ROWS
    assert said["dondoc_oldest_xmin_seconds"] >= 0
    assert said['dondoc_dead_rows{table="platform.bucket"}'] == kept >= ROWS


async def test_once_it_has_ended_dead_rows_are_cleared(still_world: World) -> None:
    async with idle_in_transaction(still_world.url) as pid:
        await churn(still_world)

    assert await churn(still_world) == 0
    assert str(pid) not in {one.name for one in await vacuum.holders(still_world.owner)}
    assert (await metrics(still_world))[
        'dondoc_dead_rows{table="platform.bucket"}'
    ] == 0


async def test_of_others_a_service_sees_numbers_only(still_world: World) -> None:
    async with (
        idle_in_transaction(still_world.url) as pid,
        still_world.database("scoring").connection() as connection,
    ):
        itself = await connection.fetchrow(
            "SELECT query, xact_start FROM pg_stat_activity WHERE pid = $1", pid
        )
        told = await connection.fetch("SELECT * FROM platform.holding_back()")

    assert itself is not None
    assert tuple(itself) == ("<insufficient privilege>", None)
    (row,) = [row for row in told if row["name"] == str(pid)]
    assert list(row.keys()) == ["kind", "name", "seconds", "transactions"]
    assert row["seconds"] >= 0


async def test_another_database_s_sessions_hold_nothing_here(
    still_world: World, template: str
) -> None:
    elsewhere = await asyncpg.connect(template)
    try:
        await elsewhere.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await elsewhere.fetchval("SELECT 1")
        found = await vacuum.holders(still_world.owner)
        pid = elsewhere.get_server_pid()
    finally:
        await elsewhere.close()

    assert str(pid) not in {one.name for one in found}


async def test_readyz_and_the_doctor_warn_and_name_who_it_is(
    still_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = ("open transactions", "dead rows")
    async with idle_in_transaction(still_world.url) as pid:
        monkeypatch.setattr(vacuum, "TOO_MANY", ROWS)
        monkeypatch.setattr(vacuum, "BLOATED", ROWS - 1)
        await churn(still_world)
        ready = await still_world.anonymous.get("/readyz")
        patient = doctor.Patient(still_world.owner, still_world.url, still_world.settings)  # fmt: skip
        held, dead = [await doctor.CHECKS[name](patient) for name in checks]

    assert ready.status_code == 200, "a warning takes nobody out of service"
    assert ready.json()["status"] == "warn"
    assert f"session {pid}" in ready.json()["checks"]["open transactions"]["note"]
    assert (held[0], dead[0]) == ("warn", "warn")
    assert f"session {pid}" in held[1]
    assert "platform.bucket" in dead[1]


@pytest.mark.parametrize(
    ("holder", "state"),
    [
        (Holder("session", "1", TOO_LONG - 1, 5), "ok"),
        (Holder("session", "1", TOO_LONG, 5), "warn"),
        (Holder("session", "1", None, TOO_MANY - 1), "ok"),
        (Holder("slot", "standby", None, TOO_MANY), "warn"),
    ],
)
def test_long_is_ten_minutes_or_a_million_transactions(
    holder: Holder, state: str
) -> None:
    assert vacuum.held_back([holder])[0] == state


@pytest.mark.parametrize(
    ("table", "state"),
    [
        (Table("t", 0, vacuum.BLOATED), "ok"),
        (Table("t", 0, vacuum.BLOATED + 1), "warn"),
        (Table("t", 10**6, 10**6), "ok"),
        (Table("t", 10**6, 10**6 + 1), "warn"),
    ],
)
def test_bloated_is_more_dead_than_live(table: Table, state: str) -> None:
    assert vacuum.piled_up([table])[0] == state
