"""From the POST of a national month to the last webhook that it causes.

700 units x 15 categories x 2 measures over HTTP in one request, with the year before
in the database, all shipped rules active, and one subscriber to what opens. `OWING` of
the units report cases that are enforceable for more than a year, which opens a matter
for each; with those that rest on the year before and on ranks it is some 500.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import asyncpg
import httpx

from bench.delivery import came, sink
from bench.ingest_cases import client
from bench.ingest_reports import month
from bench.measure import Result, at_most
from bench.national import lay_months, lay_tree, years
from bench.stage import database, serving

PERIODS = ("2022M03", "2022M04", "2022M05")
OWING = 500


async def run() -> list[Result]:
    """The median of three months, one after the other."""
    took: list[float] = []
    opened: list[int] = []
    with database() as url:
        async with serving(url) as stage, sink() as hears, client(stage) as http:
            await _lay(url)
            wish = {"url": f"{hears}/hook", "types": ["escalation.opened"]}
            (await http.post("/v1/subscriptions", json=wish)).raise_for_status()
            for period in PERIODS:
                body = json.dumps(_owing(period)).encode()
                began = time.time()
                last, count = await _all_came(http, hears, body)
                took.append(last - began)
                opened.append(count)
    return [
        at_most("end_to_end national month", took, 5.0),
        Result(
            *("end_to_end matters opened", min(opened), "matters", None, None),
            reach=">= 500",
            ok=min(opened) >= 500,
        ),
    ]


async def _lay(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await lay_tree(connection)
        await lay_months(connection, years(2021, 2021))
    finally:
        await connection.close()


def _owing(period: str) -> dict[str, Any]:
    body = month(period)
    for report in body["reports"][-OWING:]:
        for row in report["figures"]:
            if row["measure"] == "cases" and row["category"] == "all":
                row["enforceable_over_1y"] = row["enforceable"] // 2
    return body


async def _all_came(
    http: httpx.AsyncClient, hears: str, body: bytes
) -> tuple[float, int]:
    """When the last webhook of the batch came, and how many there were."""
    headers = {"content-type": "application/json"}
    answer = await http.post("/v1/reports", content=body, headers=headers)
    batch = answer.raise_for_status().json()["batch"]
    at: dict[str, float] = {}
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        shown = (await http.get(f"/v1/batches/{batch}")).json()
        at |= {one["id"]: one["at"] for one in await came(hears)}
        count = shown["escalations"]["opened"]
        if shown["state"] == "evaluated" and len(at) >= count:
            return max(at.values()), count
        await asyncio.sleep(0.1)
    raise AssertionError(f"{len(at)} webhooks after two minutes: {shown}")
