"""Business time: one for all processes, forward only, fixed in production."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import httpx
import pytest

from libs.common.service import create_app
from services.process import Which, build
from tests.support.databases import Stage, stage
from tests.support.world import START, World, settings_for

pytestmark = pytest.mark.anyio
A_MINUTE = timedelta(minutes=1)
APRIL = datetime.fromisoformat("2022-04-01T00:00:00+07:00")


@pytest.fixture(scope="module")
async def staged(template: str) -> AsyncIterator[Stage]:
    async with stage(template, "clock_still") as made:
        yield made


@pytest.fixture
async def still_world(staged: Stage) -> World:
    return await staged.as_new()


async def now(client: httpx.AsyncClient) -> datetime:
    answer = await client.get("/v1/clock")
    assert answer.status_code == 200, answer.text
    return datetime.fromisoformat(answer.json()["now"])


async def move(client: httpx.AsyncClient, moment: datetime) -> httpx.Response:
    return await client.put("/v1/clock", json={"now": moment.isoformat()})


async def test_it_starts_where_it_is_told_and_runs(still_world: World) -> None:
    first = await now(still_world.admin)
    second = await now(still_world.admin)

    start = datetime.fromisoformat(START)
    assert start <= first < second < start + A_MINUTE
    assert first.utcoffset() == timedelta(hours=7)


async def test_it_moves_forward(still_world: World) -> None:
    answer = await move(still_world.admin, APRIL)

    assert answer.status_code == 200
    moved = datetime.fromisoformat(answer.json()["now"])
    assert APRIL <= moved <= await now(still_world.admin) < APRIL + A_MINUTE


async def test_it_never_moves_backwards(still_world: World) -> None:
    await move(still_world.admin, APRIL)

    answer = await move(still_world.admin, APRIL - timedelta(seconds=1))

    assert answer.status_code == 409
    assert answer.json()["code"] == "clock_backwards"
    assert await now(still_world.admin) >= APRIL


async def test_of_many_movers_the_furthest_wins(still_world: World) -> None:
    moments = [APRIL + timedelta(days=n) for n in (3, 1, 9, 2, 7, 5, 8, 4, 6)]

    answers = await asyncio.gather(*(move(still_world.admin, m) for m in moments))

    assert {a.status_code for a in answers} <= {200, 409}
    assert max(moments) <= await now(still_world.admin) < max(moments) + A_MINUTE


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2022-04-01T00:00:00", id="no offset"),
        pytest.param("soon", id="no moment"),
        pytest.param("9999-12-31T23:59:59Z", id="where calendars end"),
        pytest.param("0001-01-01T00:00:00+07:00", id="where they begin"),
    ],
)
async def test_what_is_no_moment_is_refused(still_world: World, text: str) -> None:
    answer = await still_world.admin.put("/v1/clock", json={"now": text})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/now"
    assert await now(still_world.admin) < APRIL


async def test_only_an_admin_at_the_root_moves_it(still_world: World) -> None:
    steward = await still_world.client("steward", "supervisor")

    answer = await move(steward, APRIL)

    assert answer.status_code == 403
    assert await now(steward) < APRIL


@asynccontextmanager
async def serving(which: Which, world: World) -> AsyncIterator[httpx.AsyncClient]:
    """One service in an application of its own, on the same database."""
    app = create_app(
        build(which, world.url, world.settings), world.settings, with_loops=False
    )
    headers = {"authorization": world.admin.headers["authorization"]}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://x", headers=headers
        ) as client,
    ):
        yield client


async def test_all_services_have_the_same_time(still_world: World) -> None:
    async with (
        serving(Which.INGEST, still_world) as ingest,
        serving(Which.SCORING, still_world) as scoring,
        serving(Which.ALERTS, still_world) as alerts,
    ):
        for mover, step in ((ingest, 1), (scoring, 2), (alerts, 3)):
            moment = APRIL + timedelta(days=step)

            assert (await move(mover, moment)).status_code == 200

            for one in (ingest, scoring, alerts, still_world.admin):
                assert moment <= await now(one) < moment + A_MINUTE
        assert (await move(ingest, APRIL)).status_code == 409


async def test_a_later_start_takes_up_the_stored_time(url: str) -> None:
    async with World.running(url, with_loops=False) as world:
        await move(world.admin, APRIL)

    async with World.running(url, with_loops=False) as world:
        assert APRIL <= await now(world.admin) < APRIL + A_MINUTE


async def test_true_time_does_not_move(still_world: World) -> None:
    before = await still_world.owner.fetchval("SELECT now()")

    await move(still_world.admin, APRIL + timedelta(days=3650))

    after = await still_world.owner.fetchval("SELECT now()")
    assert before <= after < before + A_MINUTE


async def test_in_production_there_is_no_such_address(url: str) -> None:
    async with World.running(url, with_loops=False, env="production") as world:
        answer = await move(world.admin, APRIL + timedelta(days=36500))

        assert answer.status_code == 404
        true = await world.owner.fetchval("SELECT now()")
        assert abs(await now(world.admin) - true) < A_MINUTE
        assert await world.owner.fetchval("SELECT count(*) FROM platform.clock") == 0


async def test_production_ignores_where_time_should_start() -> None:
    assert settings_for("unused", env="production").starts_at is None
