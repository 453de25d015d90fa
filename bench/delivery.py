"""How many webhooks a second, and how long one takes at 200 events a second.

Sustained (medians of three runs): messages decided beforehand go to one subscriber; the
limit is the same signed posts by the same client to the same sink, as many at once, and
no database.
Latencies: reports are posted at a steady pace (`seconds` of it), 200 in each second in
requests of ten; each is one event. Accepted is the 202, decided the moment that the
message's transaction began. The bench is run for a few seconds by
`python -m bench.delivery 5`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import asyncpg
import httpx

from bench.ingest_cases import client
from bench.ingest_reports import tree
from bench.measure import Result, median
from bench.stage import database, serving
from services.alerts import messages, outbox
from services.alerts.domain.signing import sign
from services.alerts.leases import IN_FLIGHT
from services.alerts.sender import Sender

MESSAGES, RUNS = 3000, 3
RATE, TOGETHER = 200, 10
SECONDS = 60.0
DAYS = 150
"""Cut-off days that reports are for: each request has its own, so that what is measured
is the way of a message, and not the ranking of a nation 20 times a second."""


async def run(seconds: float = SECONDS, count: int = MESSAGES) -> list[Result]:
    """Both on one database and one serving process."""
    with database() as url:
        async with serving(url) as stage, sink() as hears, client(stage) as http:
            (await http.put("/v1/units", json=tree())).raise_for_status()
            wish = {"url": f"{hears}/hook", "types": ["report.*", "period.*"]}
            made = (await http.post("/v1/subscriptions", json=wish)).raise_for_status()
            took, limit, lost = [], [], 0
            for _ in range(RUNS):
                bodies = await decide(url, count)
                seconds_taken, missing = await _all_came(hears, count)
                took.append(seconds_taken)
                lost += missing
                limit.append(await _limit(hears, made.json()["secret"], bodies))
                await came(hears)
            accepted = await report(http, seconds)
            waits = await latencies(url, hears, accepted)
    return [
        _rate(count, median(took), median(limit), lost),
        *waits,
    ]


@asynccontextmanager
async def sink() -> AsyncIterator[str]:
    """The address of a sink in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.sink", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


async def came(hears: str) -> list[dict[str, Any]]:
    """What the sink took since this was last asked."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        lines = (await http.get(hears)).text.splitlines()
    return [json.loads(line) for line in lines]


# Sustained --------------------------------------------------------------------------


async def decide(url: str, count: int) -> list[bytes]:
    """Freeze messages of the usual size, as a closing of many periods would."""
    now = datetime.now(UTC)
    data = {"period": "2022M05", "under": "VN", "reason": "x" * 600, "closed_at": None}
    news = [messages.event("period.closed", "VN", data, now) for _ in range(count)]
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await outbox.announce(connection, news)
    finally:
        await connection.close()
    return [one.body for one in news]


async def _all_came(hears: str, count: int) -> tuple[float, int]:
    """Seconds from the first to the last, and how many are missing after a while."""
    ids: dict[str, float] = {}
    deadline = time.monotonic() + 120
    while len(ids) < count and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        for one in await came(hears):
            ids.setdefault(one["id"], one["at"])
    return max(ids.values()) - min(ids.values()), count - len(ids)


async def _limit(hears: str, secret: str, bodies: Sequence[bytes]) -> float:
    """The least that anyone must do: sign and post, as many at once."""
    waiting = list(enumerate(bodies))
    async with Sender(allow_networks=[ip_network("127.0.0.0/8")]) as sender:

        async def post() -> None:
            while waiting:
                n, body = waiting.pop()
                now = int(time.time())
                headers = {
                    "content-type": "application/cloudevents+json",
                    "webhook-id": f"msg_{n}",
                    "webhook-timestamp": str(now),
                    "webhook-signature": sign(
                        [secret], id=f"msg_{n}", timestamp=now, body=body
                    ),
                }
                outcome = await sender.post(f"{hears}/hook", headers, body)
                assert outcome.status == 204, outcome

        started = time.perf_counter()
        await asyncio.gather(*(post() for _ in range(IN_FLIGHT)))
        return time.perf_counter() - started


def _rate(count: int, took: float, limit: float, lost: int) -> Result:
    value, bound = round(count / took), round(count / limit)
    ratio = round(value / bound, 2)
    return Result(
        *("delivery sustained", value, "webhooks/s", bound, ratio),
        reach=f">= 0.5, none lost ({lost} lost)",
        ok=ratio >= 0.5 and not lost,
    )


# Latency ----------------------------------------------------------------------------


async def report(
    http: httpx.AsyncClient, seconds: float, rate: float = RATE, under: str = "VN"
) -> dict[str, float]:
    """Post so many events a second at a steady pace; when each batch was accepted.

    They are of the whole country, or of the offices of one province.
    """
    told = [unit for unit in tree()["units"] if under in ("VN", unit["parent"])]
    units = [unit["code"] for unit in told]
    first = date(2021, 10, 2)
    accepted: dict[str, float] = {}

    async def post(n: int) -> None:
        day = n % DAYS
        reports = [
            {
                "unit": units[(day * TOGETHER + i) % len(units)],
                "period": (first + timedelta(days=day)).isoformat(),
                "source": {"illustrative": True},
                "figures": [
                    {"measure": "cases", "enforceable": 100_000, "done": n % 90_000}
                ],
            }
            for i in range(TOGETHER)
        ]
        answer = await http.post("/v1/reports", json={"reports": reports})
        accepted[answer.raise_for_status().json()["batch"]] = time.time()

    async with asyncio.TaskGroup() as posting:
        started = time.perf_counter()
        for n in range(1, int(seconds * rate / TOGETHER) + 1):
            posting.create_task(post(n))
            ahead = started + n * TOGETHER / rate - time.perf_counter()
            await asyncio.sleep(max(0.0, ahead))
    return accepted


async def latencies(url: str, hears: str, accepted: dict[str, float]) -> list[Result]:
    """How long each event of these batches took; what else comes is left out."""
    first: dict[str, dict[str, Any]] = {}
    deadline = time.monotonic() + 60
    count = len(accepted) * TOGETHER
    while len(first) < count and time.monotonic() < deadline:
        for one in await came(hears):
            if one["batch"] in accepted:
                first.setdefault(one["id"], one)
        await asyncio.sleep(0.5)
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT id, created_at FROM alerts.message")
    await connection.close()
    decided = {row["id"]: row["created_at"].timestamp() for row in rows}
    whole = sorted(one["at"] - accepted[one["batch"]] for one in first.values())
    last = sorted(one["at"] - decided[id] for id, one in first.items())
    lost = count - len(first)
    return [
        _percentile("delivery accepted to received p95", whole, 95, 100, lost),
        _percentile("delivery accepted to received p99", whole, 99, 250, lost),
        _percentile("delivery decided to received p95", last, 95, 25, lost),
    ]


def _percentile(
    name: str, waits: Sequence[float], percent: int, reach: int, lost: int
) -> Result:
    place = min(len(waits) - 1, len(waits) * percent // 100)
    value = round(1000 * waits[place], 1)
    ok = value <= reach and not lost
    return Result(name, value, "ms", None, None, f"<= {reach} ms", ok)


if __name__ == "__main__":
    for result in asyncio.run(run(float(sys.argv[1]) if sys.argv[1:] else SECONDS)):
        print(result.line(), flush=True)
