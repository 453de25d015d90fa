"""A backup taken while dondoc works brings back what stood then, and dondoc goes on."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from libs.common.postgres.binaries import bin_dir
from services import doctor
from tests.support.databases import copy_of
from tests.support.world import World, settings_for, until

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        not (bin_dir() / "pg_dump").exists(),
        reason="needs pg_dump and pg_restore: apt-get install postgresql-client",
    ),
]
BETTER = {"measure": "cases", "enforceable": 10000, "done": 9999}


def run(tool: str, *words: str) -> None:
    subprocess.run([bin_dir() / tool, *words], check=True, capture_output=True)


async def everything(url: str) -> dict[str, list[Any]]:
    """All rows of all tables, but the partitions that are made as time goes."""
    owner = await asyncpg.connect(url)
    try:
        tables = await owner.fetch(
            "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE"
            " schemaname IN ('platform', 'ingest', 'scoring', 'alerts') ORDER BY 1"
        )
        return {
            table["name"]: [
                row[0]
                for row in await owner.fetch(
                    f"SELECT to_jsonb(t)::text FROM {table['name']} t ORDER BY 1"
                )
            ]
            for table in tables
        }
    finally:
        await owner.close()


async def told(world: World) -> list[str]:
    rows = await world.owner.fetch("SELECT id FROM alerts.message ORDER BY id")
    return [row["id"] for row in rows]


async def test_what_was_dumped_is_restored_and_goes_on(
    template: str, tmp_path: Path
) -> None:
    dump = str(tmp_path / "dondoc.dump")
    async with (
        copy_of(template, "backed_up") as copy,
        World.running(copy.url) as world,
    ):
        wish = {"url": "http://127.0.0.1:9/", "types": ["*"], "under": "VN"}
        await world.admin.post("/v1/subscriptions", json=wish)
        await world.tree()
        await world.load("reports_last_year_illustrative.json", "reports_679.json")
        key = world.admin.headers["authorization"]
        run("pg_dump", "--format=custom", f"--file={dump}", copy.url)
        before = (await world.admin.get("/v1/escalations?limit=1000")).json()
        messages = await told(world)

    server = await asyncpg.connect(template)
    await server.execute("CREATE DATABASE restored TEMPLATE template0")
    url = f"{template.rsplit('/', 1)[0]}/restored"
    try:
        run("pg_restore", "--exit-on-error", f"--dbname={url}", dump)
        restored = await everything(url)
        found = await doctor.examine(url, settings_for(url))
        async with World.running(url) as world:
            world.admin.headers["authorization"] = key
            after = (await world.admin.get("/v1/escalations?limit=1000")).json()
            again = await told(world)
            await world.load("reports_679.json")
            sent = await world.report({"unit": "BG", "period": "2022M05", "figures": [BETTER]})  # fmt: skip
            await world.evaluated(sent.json()["batch"])
            moved = (await world.admin.get("/v1/scorecards/BG/2022M05")).json()

            async def sealed() -> bool:
                unsealed = "SELECT count(*) = 0 FROM platform.audit WHERE block IS NULL"
                return bool(await world.owner.fetchval(unsealed))

            await until(sealed)
            later = await doctor.examine(url, settings_for(url))
    finally:
        await server.execute("DROP DATABASE restored WITH (FORCE)")
        await server.close()

    assert restored["ingest.figure"]
    assert restored["platform.audit"]
    assert {n: note for n, state, note in found + later if state == doctor.FAIL} == {}
    assert after["items"] == before["items"] != []
    assert again == messages, "nothing is told as new"
    assert "99.99" in str(moved)
