"""A month of deadlines for 63 provinces x 30 rules, played by moving the clock.

Each rule owes an explanation within its own number of working days, goes to the parent
at the deadline and further up two working days later: three moments for each of 1890
matters. The clock moves a day at a time; then, for the matters of another period, over
the whole month in one step, which says how many due moments a second are handled.
Every moment is held against one computed here, from the days of the week alone: from
9 March to 8 April 2022 no other day is free.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import asyncpg
import httpx

from bench.ingest_cases import client
from bench.ingest_reports import tree
from bench.measure import Result
from bench.stage import database, serving

RULES, PROVINCES, LONGEST = 30, 63, 18
OPENED, DAYS = date(2022, 3, 8), 31
PLAYED, JUMPED = "2022M05", "2022M04"
VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")

_RULE = """\
id: {id}
version: 1
title: {{vi: Thử hạn {days} ngày, en: Due within {days} days}}
basis: [{{document: bench, date: 2022-03-08, at: made up}}]
effective: {{from: 2020-01-05}}
watches: scorecard
where: unit.kind == "province" and measure == "cases" and category == "all"
when: rate < 50
severity: [{{is: medium}}]
owes: explanation
due: {{within: {days}}}
escalate:
  - {{after: due, to: parent}}
  - {{after: {{working_days: 2}}, to: parent.parent}}
closes: accepted
examples:
  - given: {{unit.kind: province, measure: cases, category: all, rate: 40,
      period: 2022M05}}
    expect: {{fires: true}}
"""


async def run() -> list[Result]:
    """The month day by day, then at once, on one database and one serving process."""
    with tempfile.TemporaryDirectory() as rules, database() as url:
        _write(Path(rules))
        async with serving(url, DONDOC_RULES=rules) as stage, client(stage) as http:
            (await http.put("/v1/units", json=tree())).raise_for_status()
            await _open(http, PLAYED)
            began = time.perf_counter()
            for day in range(1, DAYS + 1):
                await _move(http, OPENED + timedelta(days=day))
                await _idle(url, PLAYED)
            took = time.perf_counter() - began
            played = await _wrong(url, PLAYED, OPENED)
            jumped, rate = await _jump(http, url)
    count = PROVINCES * RULES * 3
    return [
        _value("deadlines month played", round(took, 2), "s", "<= 60 s", took <= 60),
        _exact("day by day", count, played),
        _exact("in one step", count, jumped),
        _value("deadlines handled", round(rate), "moments/s", ">= 1000", rate >= 1000),
    ]


def _exact(how: str, count: int, wrong: int) -> Result:
    name, reach = f"deadlines exact, {how}", f"all {count}"
    return _value(name, count - wrong, "moments", reach, not wrong)


def _write(rules: Path) -> None:
    for n in range(RULES):
        text = _RULE.format(id=_id(n), days=_days(n))
        (rules / f"{_id(n)}.yaml").write_text(text, "utf-8")


def _value(name: str, value: float, unit: str, reach: str, ok: bool) -> Result:
    return Result(name, value, unit, None, None, reach, ok)


def _id(n: int) -> str:
    return f"bench-due-{n}"


def _days(n: int) -> int:
    return 1 + n % LONGEST


async def _open(http: httpx.AsyncClient, period: str) -> None:
    """Report every province of a period below the rules' bound."""
    reports = [
        {
            "unit": f"P{n}",
            "period": period,
            "source": {"illustrative": True},
            "figures": [{"measure": "cases", "enforceable": 1000, "done": 400}],
        }
        for n in range(PROVINCES)
    ]
    answer = await http.post("/v1/reports?wait=30", json={"reports": reports})
    batch = answer.raise_for_status().json()["batch"]
    while True:
        shown = (await http.get(f"/v1/batches/{batch}")).raise_for_status().json()
        if shown["state"] == "evaluated":
            break
        await asyncio.sleep(0.1)


async def _move(http: httpx.AsyncClient, day: date) -> None:
    now = datetime(day.year, day.month, day.day, 0, 0, 1, tzinfo=VIETNAM)
    (await http.put("/v1/clock", json={"now": now.isoformat()})).raise_for_status()


_LEFT = """
SELECT count(*) FROM alerts.timer t JOIN alerts.escalation e ON e.id = t.escalation
WHERE t.fired_at IS NULL AND e.period = $1 AND t.due_at <= platform.business_now()
"""


async def _idle(url: str, period: str) -> None:
    """Wait until nothing of the period is due any more."""
    connection = await asyncpg.connect(url)
    try:
        while await connection.fetchval(_LEFT, period):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # it is another process that works it off
    finally:
        await connection.close()


async def _jump(http: httpx.AsyncClient, url: str) -> tuple[int, float]:
    """Over a month at once: how many moments were wrong, and handled in a second."""
    opened = OPENED + timedelta(days=DAYS)
    await _open(http, JUMPED)
    began = time.perf_counter()
    await _move(http, opened + timedelta(days=DAYS + 4))
    await _idle(url, JUMPED)
    took = time.perf_counter() - began
    return await _wrong(url, JUMPED, opened), PROVINCES * RULES * 3 / took


async def _wrong(url: str, period: str, opened: date) -> int:
    """How many moments are missing, in excess, or not the very moment."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT m.body FROM alerts.message m JOIN alerts.escalation e"
            " ON e.id = m.escalation WHERE e.period = $1 AND e.rule ~ '^bench-due-'"
            " AND m.type IN ('escalation.overdue', 'escalation.escalated')",
            period,
        )
    finally:
        await connection.close()
    told = Counter[tuple[str, str, str, datetime]]()
    for row in rows:
        event = json.loads(row["body"])
        rule, type = event["data"]["rule"]["id"], event["type"].rpartition(".")[2]
        moment = datetime.fromisoformat(event["time"])
        told[event["subject"], rule, type, moment] += 1
    wanted = Counter[tuple[str, str, str, datetime]]()
    for n in range(RULES):
        due, further = _ends(opened, _days(n)), _ends(opened, _days(n) + 2)
        for unit in (f"P{number}" for number in range(PROVINCES)):
            wanted[unit, _id(n), "overdue", due] += 1
            wanted[unit, _id(n), "escalated", due] += 1
            wanted[unit, _id(n), "escalated", further] += 1
    return max((wanted - told).total(), (told - wanted).total())


_FREE = {date(2022, 4, 11), date(2022, 5, 2), date(2022, 5, 3)}
"""Days off for the feasts of spring 2022, which the second month runs into."""


def _ends(opened: date, days: int) -> datetime:
    """The end of the n-th working day after a day."""
    day = opened
    while days:
        day += timedelta(days=1)
        days -= day.weekday() < 5 and day not in _FREE
    after = day + timedelta(days=1)
    return datetime(after.year, after.month, after.day, tzinfo=VIETNAM)
