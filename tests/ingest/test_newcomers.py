"""A period's first report and a change that concerns all periods see each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from tests.support.world import World, until

pytestmark = pytest.mark.anyio

OLD, NEW = "2022M04", "2022M05"
UNIT = {"code": "A", "name": "Đơn vị A", "kind": "province", "parent": "VN", "valid_from": "2010-01-01"}  # fmt: skip
RENAMED = {"units": [{**UNIT, "name": "Đơn vị A mới"}]}
TARGET = {"unit": "A", "year": 2022, "measure": "cases", "rate": "80.00", "operator": "at_least", "document": {"number": "1", "date": "2021-12-24"}}  # fmt: skip


def report(period: str, done: int) -> dict[str, Any]:
    figures = [{"measure": "cases", "enforceable": 100, "done": done}]
    return {"unit": "A", "period": period, "figures": figures}


@pytest.fixture
async def world(still_world: World) -> World:
    answer = await still_world.admin.put("/v1/units", json={"units": [UNIT]})
    assert answer.status_code == 200, answer.text
    assert (await still_world.report(report(OLD, 10))).status_code == 202
    return still_world


@pytest.fixture
async def other(world: World) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Whoever else is in the middle of a transaction."""
    connection = await asyncpg.connect(world.url)
    yield connection
    await connection.close()


async def waits(
    other: asyncpg.Connection[asyncpg.Record],
    lock: str,
    asked: asyncio.Task[httpx.Response],
) -> httpx.Response:
    """Asserts that it is not done before the other's transaction is."""

    async def waiting() -> bool:
        assert not asked.done(), asked.result().text
        return bool(
            await other.fetchval(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'"
                " AND classid = 13 AND NOT granted AND database ="
                " (SELECT oid FROM pg_database WHERE datname = current_database()))"
            )
        )

    await until(waiting)
    await other.execute(lock)
    return await asked


async def test_the_first_report_of_a_period_waits_for_who_looks_at_all_periods(
    world: World, other: asyncpg.Connection[asyncpg.Record]
) -> None:
    await other.execute("BEGIN; SELECT pg_advisory_xact_lock_shared(13, 0)")

    again = await world.report(report(OLD, 11))
    first = asyncio.create_task(world.report(report(NEW, 20)))

    assert again.status_code == 202, "a period that is known to all"
    assert (await waits(other, "COMMIT", first)).status_code == 202


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("POST", "/v1/reports", {"reports": [report(OLD, 12)]}, id="a figure"),
        pytest.param("PUT", "/v1/units", RENAMED, id="the tree"),
        pytest.param("PUT", "/v1/targets", {"targets": [TARGET]}, id="a target"),
    ],
)  # fmt: skip
async def test_who_changes_what_periods_look_at_waits_for_a_new_one(
    world: World,
    other: asyncpg.Connection[asyncpg.Record],
    method: str,
    path: str,
    body: dict[str, Any],
) -> None:
    await other.execute("BEGIN; SELECT pg_advisory_xact_lock(13, 0)")

    change = asyncio.create_task(world.admin.request(method, path, json=body))

    assert (await waits(other, "COMMIT", change)).status_code in (200, 202)
