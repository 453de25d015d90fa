"""What an operator and a machine ask, while the database is there and while it is not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from libs.common import keys, postgres
from libs.common.events import FIGURES_CHANGED, News, publish
from libs.common.service import create_app
from services.process import Which, build, prepare
from tests.support.world import World, settings_for, until

pytestmark = pytest.mark.anyio
CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


def app_on(url: str, env: str = "test", *, loops: bool = False) -> FastAPI:
    settings = settings_for(url, env=env, rule_engine="native")
    return create_app(build(Which.ALL, url, settings), settings, with_loops=loops)


@asynccontextmanager
async def asking(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://x") as client,
    ):
        yield client


async def test_a_served_database_is_ready(still_world: World) -> None:
    answer = await still_world.anonymous.get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["checks"].keys() == {
        *("database", "migrations", "open transactions", "draining", "engine", "rules")
    }


async def test_livez_names_every_loop(world: World) -> None:
    live = (await world.anonymous.get("/livez")).json()

    assert live["status"] == "ok"
    assert {"scoring inbox", "alerts inbox", "reports inbox", "deliveries"} <= live["checks"].keys()  # fmt: skip


async def test_a_loop_that_does_not_move_fails_livez(url: str) -> None:
    settings = settings_for(url, rule_engine="native")
    services = build(Which.ALL, url, settings)
    app = create_app(services, settings)
    async with asking(app) as client:
        services[2].loops[0].moved -= 3600

        answer = await client.get("/livez")

    assert answer.status_code == 503
    failing = {n for n, c in answer.json()["checks"].items() if c["status"] == "fail"}
    assert failing == {"alerts inbox"}


@pytest.mark.parametrize("env", ["production", "test"])
async def test_an_unmigrated_database_is_not_ready(empty_url: str, env: str) -> None:
    async with asking(app_on(empty_url, env)) as client:
        answer = await client.get("/readyz")
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/metrics")).status_code == 200
        assert (await client.get("/startupz")).status_code == 200

    assert answer.status_code == 503
    checks = answer.json()["checks"]
    assert checks["database"]["status"] == "ok"
    assert checks["migrations"] == {"status": "fail", "note": "run `dondoc migrate`"}


async def test_migrating_makes_it_ready(empty_url: str) -> None:
    async with asking(app_on(empty_url)) as client:
        before = await client.get("/readyz")
        await prepare(empty_url, settings_for(empty_url))
        after = await client.get("/readyz")

    assert (before.status_code, after.status_code) == (503, 200)


async def test_a_process_that_stops_is_not_ready(url: str) -> None:
    app = app_on(url)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        async with app.router.lifespan_context(app):
            assert (await client.get("/startupz")).status_code == 200
        answer = await client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"]["draining"]["status"] == "fail"


async def test_metrics_tell_the_depth_and_the_age_of_the_queue(
    still_world: World,
) -> None:
    owner = still_world.owner
    await publish(owner, [News(FIGURES_CHANGED, f"202{n}M05", None, None) for n in range(3)])  # fmt: skip
    await owner.execute("UPDATE platform.event SET created = now() - interval '90 s' WHERE key = '2020M05'")  # fmt: skip
    await owner.execute("UPDATE platform.event SET dead_at = now() WHERE key = '2021M05'")  # fmt: skip

    text = (await still_world.anonymous.get("/metrics")).text

    said = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    topic = '{topic="figures.changed"}'
    assert said[f"dondoc_events_waiting{topic}"] == "2.0"
    assert said[f"dondoc_events_dead{topic}"] == "1.0"
    assert 90 <= float(said[f"dondoc_events_oldest_seconds{topic}"]) < 120
    assert "dondoc_oldest_undelivered_seconds" in said
    assert "dondoc_request_seconds_bucket" in text


async def test_an_empty_queue_is_not_reported_as_its_last_depth(
    still_world: World,
) -> None:
    await publish(still_world.owner, [News(FIGURES_CHANGED, "2022M05", None, None)])
    await still_world.anonymous.get("/metrics")
    await still_world.owner.execute("DELETE FROM platform.event")

    text = (await still_world.anonymous.get("/metrics")).text

    assert 'dondoc_events_waiting{topic="figures.changed"} 0.0' in text


@pytest.fixture(scope="module")
def throwaway(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, postgres.Server]]:
    """A server that has never seen our roles and may be stopped."""
    data = tmp_path_factory.mktemp("throwaway") / "postgres"
    server = postgres.ensure(data, settings=CARELESS)
    yield data, server
    server.stop()
    postgres.remove(data)


async def test_from_a_bare_server_to_an_outage_and_back(
    throwaway: tuple[Path, postgres.Server],
) -> None:
    data, server = throwaway
    url = server.url
    settings = settings_for(url)
    async with asking(app_on(url, loops=True)) as client:
        bare = await client.get("/readyz")
        assert bare.status_code == 503
        assert bare.json()["checks"]["database"]["status"] == "fail"
        assert "migrate" in bare.json()["checks"]["database"]["note"]

        await prepare(url, settings)
        key = await new_key(url)
        client.headers["authorization"] = f"Bearer {key}"
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/v1/units")).status_code == 200

        server.stop()
        readyz = await client.get("/readyz")
        livez = await client.get("/livez")
        metrics = await client.get("/metrics")
        units = await client.get("/v1/units")
        report = {"unit": "VN", "period": "2022M05", "figures": [{"measure": "cases", "published_rate": "1.00"}]}  # fmt: skip
        sent = await client.post("/v1/reports", json={"money_in": "vnd", "reports": [report]})  # fmt: skip

        assert readyz.status_code == 503
        assert readyz.json()["checks"]["database"]["status"] == "fail"
        assert (livez.status_code, metrics.status_code) == (200, 200)
        for answer in (units, sent):
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "5"
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "database_away"

        again = postgres.ensure(data, settings=CARELESS)
        try:
            assert again.url == url

            async def back() -> bool:
                return (await client.get("/v1/units")).status_code == 200

            await until(back)
            assert (await client.get("/readyz")).status_code == 200
            assert (await client.get("/v1/batches/none")).status_code == 404
        finally:
            again.stop()


async def new_key(url: str) -> str:
    import asyncpg

    key, key_id = keys.mint("test")
    pepper = settings_for(url).key_for("key pepper")
    connection = await asyncpg.connect(url)
    await keys.create(
        connection, key, key_id, pepper, name="n", roles=["admin"], units=["VN"]
    )
    await connection.close()
    return key
