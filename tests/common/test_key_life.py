"""A key's life: when it begins, its second secret, its end, and how fast it may ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.common import keys
from libs.common.rates import Rates
from tests.support.databases import Stage, stage
from tests.support.processes import finished
from tests.support.world import SECRET, World

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def staged(template: str) -> AsyncIterator[Stage]:
    async with stage(template, "key_life") as made:
        yield made


@pytest.fixture
async def still(staged: Stage) -> World:
    return await staged.as_new()


async def made(world: World, **more: Any) -> httpx.Response:
    body = {"name": "n", "roles": ["subscriber"], "units": ["VN"], **more}
    return await world.admin.post("/v1/keys", json=body)


async def asked(world: World, key: str, path: str = "/v1/clock") -> int:
    headers = {"authorization": f"Bearer {key}"}
    return (await world.anonymous.get(path, headers=headers)).status_code


def later(**more: float) -> str:
    return (datetime.now(UTC) + timedelta(**more)).isoformat()


async def rekeyed(world: World, id: str, overlap: timedelta) -> str:
    key, _ = keys.mint("test", id)
    pepper = world.settings.key_for("key pepper")
    assert await keys.rekey(world.owner, id, key, pepper, overlap)
    return key


async def test_a_key_opens_nothing_before_it_begins(still: World) -> None:
    before = (await made(still, not_before=later(hours=1))).json()
    since = (await made(still, not_before=later(seconds=-5))).json()

    assert await asked(still, before["key"]) == 401
    assert await asked(still, since["key"]) == 200
    listed = (await still.admin.get("/v1/keys")).json()["items"]
    assert before["not_before"] in [key["not_before"] for key in listed]


async def test_a_key_lives_a_year_and_no_longer(still: World) -> None:
    usual = (await made(still)).json()
    too_long = await made(still, expires_at=later(days=367))
    just = await made(still, expires_at=later(days=364))

    ends = datetime.fromisoformat(usual["expires_at"]) - datetime.now(UTC)
    assert 363 < ends.days < 367
    assert (too_long.status_code, just.status_code) == (422, 201)
    assert [(e["pointer"], e["code"]) for e in too_long.json()["errors"]] == [("/expires_at", "lives_too_long")]  # fmt: skip


async def test_for_a_while_both_secrets_of_a_key_open_and_what_is_its_own_stays(
    still: World,
) -> None:
    first = (await made(still)).json()
    hook = {"url": "http://127.0.0.1:9/", "types": ["*"], "under": "VN"}
    old = {"authorization": f"Bearer {first['key']}"}
    mine = await still.anonymous.post("/v1/subscriptions", json=hook, headers=old)
    path = f"/v1/subscriptions/{mine.json()['id']}"

    second = await rekeyed(still, first["id"], timedelta(hours=1))

    for key in (first["key"], second):
        assert await asked(still, key, path) == 200
    await still.owner.execute(
        "UPDATE platform.api_key SET retired_until = now() WHERE id = $1", first["id"]
    )
    assert await asked(still, first["key"], path) == 401
    assert await asked(still, second, path) == 200


async def test_a_third_secret_ends_the_first_and_revoking_ends_them_all(
    still: World,
) -> None:
    first = (await made(still)).json()
    second = await rekeyed(still, first["id"], timedelta(hours=1))
    third = await rekeyed(still, first["id"], timedelta(hours=1))

    living = [await asked(still, key) for key in (first["key"], second, third)]
    await still.admin.delete(f"/v1/keys/{first['id']}")

    assert living == [401, 200, 200]
    assert [await asked(still, key) for key in (second, third)] == [401, 401]
    pepper = still.settings.key_for("key pepper")
    revoked = await keys.rekey(still.owner, first["id"], "x", pepper, timedelta(0))
    assert revoked is None


def test_the_command_line_gives_a_second_secret(url: str, tmp_path: Path) -> None:
    here = {"DATABASE_URL": url, "DONDOC_ENV": "test", "DONDOC_SECRET": SECRET}
    create = ["keys", "create", "--name", "n", "--role", "analyst", "--under", "VN"]
    first = finished(*create, within=tmp_path / "a", **here).splitlines()[-1]
    id = first.split("_")[2]

    leaked = finished("keys", "rekey", id, "--hours", "0", within=tmp_path / "b", **here)  # fmt: skip
    second = leaked.splitlines()[-1]

    async def opens() -> list[int]:
        async with World.running(url, with_loops=False) as world:
            return [await asked(world, key) for key in (first, second)]

    assert keys.id_in(second) == id
    assert asyncio.run(opens()) == [401, 200]


# How fast ------------------------------------------------------------------------------


async def test_a_key_that_asks_too_fast_is_told_when_to_come_back(
    still: World,
) -> None:
    still.app.state.rates = Rates(2)
    try:
        fast = await still.client("analyst")
        other = await still.client("analyst")
        answers = [await fast.get("/v1/clock") for _ in range(12)]
        kept_out = answers[-1]

        assert answers[0].status_code == 200
        assert kept_out.status_code == 429
        assert kept_out.headers["content-type"] == "application/problem+json"
        assert 1 <= int(kept_out.headers["retry-after"]) <= 3
        assert kept_out.json()["code"] == "too_many_requests"
        assert (await other.get("/v1/clock")).status_code == 200
        assert (await fast.get("/livez")).status_code == 200
    finally:
        still.app.state.rates = Rates(still.settings.requests_per_second)


async def test_the_limit_is_one_for_all_processes(still: World) -> None:
    processes = [Rates(20) for _ in range(8)]
    async with still.database("platform").connection() as connection:
        allowed = 0
        for _ in range(40):
            for one in processes:
                allowed += not await one.seconds_to_wait(connection, "k")
        await connection.execute("UPDATE platform.bucket SET spent_until = now()")
        again = await processes[0].seconds_to_wait(connection, "k")

    # Two seconds' worth at once, what trickled in meanwhile, and not eight times that.
    assert 40 <= allowed < 120
    assert again == 0


async def test_without_a_limit_nothing_is_counted(still: World) -> None:
    async with still.database("platform").connection() as connection:
        waits = [await Rates(0).seconds_to_wait(connection, "k") for _ in range(99)]

    assert set(waits) == {0}
    assert await still.owner.fetchval("SELECT count(*) FROM platform.bucket WHERE key = 'k'") == 0  # fmt: skip
