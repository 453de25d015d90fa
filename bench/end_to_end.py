"""From the POST of letter 679's 128 figures to the last webhook that it causes.

The made-up baseline of the year before is there already, so the rule fires.
"""

from __future__ import annotations

import asyncio
import time

from bench.measure import Result, at_most
from bench.stage import Stage, database, serving
from demo.api import Api
from demo.stage import receiver
from demo.story import subscribe
from demo.telling import body

RUNS = 5


async def run() -> list[Result]:
    """Medians of runs on databases of their own."""
    took, deliveries = [], 0
    for _ in range(RUNS):
        with database() as url:
            async with serving(url) as stage, receiver() as hears:
                seconds, deliveries = await _once(stage, hears)
                took.append(seconds)
    return [
        at_most("end_to_end 128 figures", took, 1.0),
        Result(
            "end_to_end webhooks", deliveries, "webhooks", None, None, "printed", True
        ),
    ]


async def _once(stage: Stage, hears: str) -> tuple[float, int]:
    api = Api({"all": stage.address}, stage.key)
    try:
        await api.put("/v1/units", body("units_2022.json"))
        baseline = body("reports_last_year_illustrative.json")
        await api.post("/v1/reports", baseline, wait=30)
        subscription = await subscribe(api, hears)
        started = time.perf_counter()
        receipt = await api.post("/v1/reports", body("reports_679.json"))
        count = await _all_delivered(api, subscription, receipt["batch"])
        return time.perf_counter() - started, count
    finally:
        await api.close()


async def _all_delivered(api: Api, subscription: str, batch: str) -> int:
    """How many webhooks the batch caused, once the last has arrived."""
    deliveries = f"/v1/subscriptions/{subscription}/deliveries"
    while True:
        state = (await api.get(f"/v1/batches/{batch}"))["state"]
        sent = await api.all(deliveries) if state == "evaluated" else []
        if sent and all(one["state"] == "delivered" for one in sent):
            return len(sent)
        await asyncio.sleep(0.01)
