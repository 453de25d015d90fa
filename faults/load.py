"""L1: the load of `delivery`; five subscribers; batches beside it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count

import httpx

from bench import delivery, stage
from bench.ingest_cases import client
from bench.ingest_reports import tree
from faults.stage import Result

FAN_OUT = 5
HERE, THERE = "P0", "P63"
"""Whose reports are the load, and whose come in batches beside it."""
BATCH, EVERY = 500, 5.0
"""Reports in a batch that comes beside the load, and seconds from one to the next."""
DRAINED_WITHIN = 60.0


def phases(seconds: float = 600) -> Iterator[Result]:
    """T1 as the bench `delivery`, T2 and T3 on a database of their own; so long each."""
    first = asyncio.run(delivery.run(seconds))
    sustained, _, alone, _ = first
    for one in first:
        name = one.name.replace("delivery", "L1 T1")
        yield Result(name, one.value, one.unit, one.reach, one.ok)
    yield from asyncio.run(_others(seconds, sustained.value, alone.value))


async def _others(seconds: float, sustained: float, alone: float) -> list[Result]:
    with stage.database() as url:
        async with (
            stage.serving(url) as served,
            delivery.sink() as hears,
            client(served) as http,
        ):
            (await http.put("/v1/units", json=tree())).raise_for_status()
            wishes = [
                {"url": f"{hears}/{n}", "types": ["period.*"]} for n in range(FAN_OUT)
            ]
            made = [await http.post("/v1/subscriptions", json=one) for one in wishes]
            fanned = await _fanned(url, hears, seconds, sustained)
            for one in made:
                await http.delete(f"/v1/subscriptions/{one.json()['id']}")
            return [*fanned, *await _beside(http, url, hears, seconds, alone)]


async def _fanned(url: str, hears: str, seconds: float, sustained: float) -> list[Result]:  # fmt: skip
    """T2: as many webhooks a second as one subscriber bears, spread over five.

    What they are of is decided each second, and not by reports: neither are those of
    which the bench tells how many a subscriber bears.
    """
    heard: Counter[str] = Counter()
    wanted, began = 0, time.monotonic()
    while wanted == 0 or time.monotonic() - began < seconds:
        wanted += len(await delivery.decide(url, round(sustained / FAN_OUT)))
        heard.update(one["id"] for one in await delivery.came(hears))
        await asyncio.sleep(1 - (time.monotonic() - began) % 1)
    ended = time.monotonic()
    behind = wanted * FAN_OUT - heard.total()
    while time.monotonic() - ended < DRAINED_WITHIN:
        heard.update(one["id"] for one in await delivery.came(hears))
        if len(heard) == wanted and min(heard.values()) == FAN_OUT:
            break
        await asyncio.sleep(0.2)
    drained = round(time.monotonic() - ended, 1)
    lost = wanted * FAN_OUT - sum(min(FAN_OUT, times) for times in heard.values())
    told = {
        "webhooks": wanted * FAN_OUT,
        "a_second": round(sustained),
        "behind": behind,
    }
    return [
        Result("L1 T2 lost", lost, "webhooks", "0", not lost, told),
        Result("L1 T2 drained after", drained, "s", f"<= {DRAINED_WITHIN:.0f}", drained <= DRAINED_WITHIN),
    ]  # fmt: skip


async def _beside(
    http: httpx.AsyncClient, url: str, hears: str, seconds: float, alone: float
) -> list[Result]:
    """T3: the load of T1 while batches come; its p99 beside that of T1.

    Who hears of the batches is not who hears of the load: to one subscriber 500 messages
    go before what is told after them, and that is a queue and no load.
    """
    (await http.put("/v1/units", json={"units": elsewhere()})).raise_for_status()
    for path, under in (("0", HERE), ("batches", THERE)):
        wish = {"url": f"{hears}/{path}", "types": ["report.*"], "under": under}
        (await http.post("/v1/subscriptions", json=wish)).raise_for_status()
    batches = asyncio.create_task(_batches(http))
    try:
        accepted = await delivery.report(http, seconds, under=HERE)
    finally:
        batches.cancel()
    waits = await delivery.latencies(url, hears, accepted)
    ratio = round(waits[1].value / alone, 2)
    return [
        *(Result(one.name.replace("delivery", "L1 T3"), one.value, one.unit, one.reach, one.ok) for one in waits),
        Result("L1 T3 p99 beside T1's", ratio, "x", "told", True),
    ]  # fmt: skip


def elsewhere() -> list[dict[str, str]]:
    """A province that reports in batches, and its offices (made up)."""
    one = {"valid_from": "2010-01-01"}
    return [
        {**one, "code": THERE, "name": "Đơn vị P63", "kind": "province", "parent": "VN"},
        *(
            {**one, "code": f"Q{n}", "name": f"Đơn vị Q{n}", "kind": "office", "parent": THERE}
            for n in range(BATCH - 1)
        ),
    ]  # fmt: skip


async def _batches(http: httpx.AsyncClient) -> None:
    units = [unit["code"] for unit in elsewhere()]
    for n in count():
        day = (date(2020, 10, 2) + timedelta(days=n % delivery.DAYS)).isoformat()
        figures = [{"measure": "cases", "enforceable": 100_000, "done": n % 90_000}]
        illustrative = {"illustrative": True}
        reports = [
            {"unit": u, "period": day, "source": illustrative, "figures": figures}
            for u in units
        ]
        answer = await http.post("/v1/reports", json={"reports": reports})
        answer.raise_for_status()
        await asyncio.sleep(EVERY)
