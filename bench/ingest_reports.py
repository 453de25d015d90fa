"""A national month over HTTP in one request, first time and all changed.

700 units x 15 categories x 2 measures. The limit is json.loads of the same bytes
and one COPY into a logged table with the same primary key.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import httpx

from bench.measure import Result, seconds, share_of_limit
from bench.stage import Stage, database, serving
from services.ingest.domain.reports import COLUMNS

UNITS, CATEGORIES, RUNS = 700, 15, 5
PERIODS = ("2021M10", "2021M11", "2021M12", "2022M01", "2022M02")


def tree() -> dict[str, Any]:
    """63 provinces with their offices, 700 units in all (made up)."""
    units = [_unit(f"P{n}", "VN", "province") for n in range(63)]
    offices = range(UNITS - len(units))
    units += [_unit(f"O{n}", f"P{n % 63}", "office") for n in offices]
    return {"units": units}


def _unit(code: str, parent: str, kind: str) -> dict[str, Any]:
    return {
        "code": code,
        "name": f"Đơn vị {code}",
        "kind": kind,
        "parent": parent,
        "valid_from": "2010-01-01",
    }


def month(period: str, more: int = 0) -> dict[str, Any]:
    """Every row of a national month; `more` changes each of them."""
    reports = [
        {
            "unit": unit["code"],
            "period": period,
            "source": {"illustrative": True},
            "figures": list(_rows(int(period[5:]), number, more)),
        }
        for number, unit in enumerate(tree()["units"])
    ]
    return {"money_in": "vnd", "reports": reports}


def _rows(months: int, number: int, more: int) -> Iterator[dict[str, Any]]:
    """Figures that grow with the working year and add up, as units send them."""
    for category in range(CATEGORIES):
        name = "all" if category == 0 else f"c{category}"
        for measure, scale in (("cases", 1), ("money", 1_000_000)):
            accepted = 700 + months * (80 + number)
            enforceable = accepted - 300
            done = months * (20 + number % 50 + category)
            yield {
                "measure": measure,
                "category": name,
                "carried_over": 700 * scale,
                "newly_accepted": (accepted - 700) * scale,
                "total_accepted": accepted * scale,
                "to_enforce": accepted * scale,
                "not_enforceable": 300 * scale,
                "enforceable": enforceable * scale,
                "completed": done * scale + more,
                "terminated": 7 * scale,
                "in_progress": (enforceable - done - 7) * scale - more,
            }


async def run() -> list[Result]:
    """Both ways, medians of five months."""
    first, changed, limit = [], [], []
    with database() as url:
        async with serving(url) as stage, _client(stage) as client:
            (await client.put("/v1/units", json=tree())).raise_for_status()
            for period in PERIODS[:RUNS]:
                fresh = json.dumps(month(period)).encode()
                other = json.dumps(month(period, more=1)).encode()
                first.append(await _posted(client, fresh))
                changed.append(await _posted(client, other))
                limit.append(await _limit(url, fresh))
            memory = stage.memory_mb()
    return [
        share_of_limit("ingest_reports first", first, limit, 0.5),
        share_of_limit("ingest_reports changed", changed, limit, 0.5),
        Result("ingest_reports memory", memory, "MB", None, None, "printed", True),
    ]


def _client(stage: Stage) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=stage.address,
        headers={"authorization": f"Bearer {stage.key}"},
        timeout=60,
        trust_env=False,
    )


async def _posted(client: httpx.AsyncClient, body: bytes) -> float:
    """Seconds until the receipt; then wait, so that scoring disturbs nothing else."""
    headers = {"content-type": "application/json"}
    answers: list[httpx.Response] = []

    async def post() -> None:
        answers.append(await client.post("/v1/reports", content=body, headers=headers))

    took = await seconds(post)
    batch = answers[0].raise_for_status().json()["batch"]
    while True:
        state = (await client.get(f"/v1/batches/{batch}")).json()["state"]
        if state == "evaluated":
            return took
        await asyncio.sleep(0.05)


async def _limit(url: str, body: bytes) -> float:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("DROP TABLE IF EXISTS bench_limit")
        columns = ", ".join(f"{name} bigint" for name in COLUMNS)
        await connection.execute(
            "CREATE TABLE bench_limit (period text, unit text, measure text,"
            f" category text, revision int, {columns},"
            " PRIMARY KEY (period, unit, measure, category, revision))"
        )

        async def barely() -> None:
            records = [
                (
                    report["period"],
                    report["unit"],
                    row["measure"],
                    row["category"],
                    1,
                    *(row.get(name) for name in COLUMNS),
                )
                for report in json.loads(body)["reports"]
                for row in report["figures"]
            ]
            await connection.copy_records_to_table("bench_limit", records=records)

        return await seconds(barely)
    finally:
        await connection.close()
