"""A report that does not come is a matter of its own, and keeps rules of rates silent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.subscriber import subscriber
from tests.support.world import World, until

pytestmark = pytest.mark.anyio

UNITS = [
    {"code": code, "name": f"Tỉnh {code}", "kind": "province", "parent": "VN",
     "valid_from": "2010-01-01"}
    for code in ("A", "B")
]  # fmt: skip
OBLIGATION = {
    "name": "thang-tinh",
    "kind": "province",
    "under": "VN",
    "months": list(range(1, 13)),
    "rows": [{"measure": "cases"}, {"measure": "money"}],
    "within_working_days": 4,
    "valid_from": "2020-01-05",
    "document": {"number": "06/2019/TT-BTP", "date": "2019-11-21"},
}


def report(unit: str, period: str, done: int, *measures: str) -> dict[str, Any]:
    rows = [{"measure": m, "done": done, "enforceable": 100} for m in measures]
    return {"unit": unit, "period": period, "figures": rows}


async def send(world: World, *reports: dict[str, Any]) -> None:
    answer = await world.report(*reports)
    await world.evaluated(answer.raise_for_status().json()["batch"])


async def matters(world: World, rule: str) -> list[dict[str, Any]]:
    found = await world.admin.get("/v1/escalations", params={"rule": rule})
    items: list[dict[str, Any]] = found.raise_for_status().json()["items"]
    return items


async def clock_at(world: World, moment: str) -> None:
    """Move business time, and wait until its day was judged."""
    (await world.admin.put("/v1/clock", json={"now": moment})).raise_for_status()

    async def judged() -> bool:
        last = await world.owner.fetchval("SELECT max(day)::text FROM alerts.day")
        return bool(last == moment[:10])

    await until(judged)


@pytest.fixture
async def owing(world: World) -> World:
    """Two provinces that owe February within four working days; it is 8 March."""
    (await world.admin.put("/v1/units", json={"units": UNITS})).raise_for_status()
    body = {"obligations": [OBLIGATION]}
    (await world.admin.put("/v1/obligations", json=body)).raise_for_status()
    return world


async def test_subscribers_hear_once_of_each_report_that_is_missing(
    owing: World,
) -> None:
    async with subscriber() as there:

        async def heard() -> bool:
            return bool(there.posts)

        wish = {"url": there.url, "types": ["report.missing"]}
        (await owing.admin.post("/v1/subscriptions", json=wish)).raise_for_status()
        await clock_at(owing, "2022-04-02T08:00:00+07:00")
        await send(owing, report("A", "2022M06", 1, "cases", "money"))
        await send(owing, report("B", "2022M06", 1, "cases"))

        await clock_at(owing, "2022-04-20T08:00:00+07:00")
        await until(heard)

    sent = await owing.owner.fetch(
        "SELECT body FROM alerts.message WHERE type = 'report.missing'"
    )
    assert [post.body for post in there.posts] == [row["body"] for row in sent]
    (event,) = [json.loads(row["body"]) for row in sent]
    assert event["time"] == "2022-04-07T00:00:00+07:00"
    assert event["subject"] == "B"
    assert event["data"] == {
        "unit": "B",
        "period": "2022M06",
        "obligation": "thang-tinh",
        "due_on": "2022-04-06",
        "lacks": [{"measure": "money", "category": "all"}],
    }


async def test_a_report_is_missed_at_the_first_moment_after_its_day(
    owing: World,
) -> None:
    await clock_at(owing, "2022-04-02T08:00:00+07:00")
    await send(owing, report("A", "2022M06", 1, "cases", "money"))
    await clock_at(owing, "2022-04-20T08:00:00+07:00")

    found = [
        m for m in await matters(owing, "not-reported") if m["period"] == "2022M06"
    ]

    # March ends on a Thursday; its fourth working day is Wednesday, 6 April.
    assert [(m["unit"], m["opened_at"]) for m in found] == [
        ("B", "2022-04-07T00:00:00+07:00")
    ]
    assert found[0]["due"]["on"] == "2022-04-08"
    assert found[0]["message"]["vi"].startswith("Tỉnh B chưa gửi báo cáo kỳ 2022M06")
    assert (found[0]["measure"], found[0]["category"]) == (None, None)


async def test_a_late_report_closes_it(owing: World) -> None:
    await clock_at(owing, "2022-03-09T08:00:00+07:00")
    assert {m["unit"] for m in await matters(owing, "not-reported")} >= {"A", "B"}

    await send(owing, report("A", "2022M05", 1, "cases", "money"))

    february = {
        m["unit"]: m["state"]
        for m in await matters(owing, "not-reported")
        if m["period"] == "2022M05"
    }
    assert february == {"A": "closed", "B": "open"}


async def test_half_a_report_keeps_the_rule_of_rates_silent_and_says_so(
    owing: World,
) -> None:
    await send(owing, report("A", "2021M05", 60, "cases", "money"))
    await clock_at(owing, "2022-03-09T08:00:00+07:00")

    await send(owing, report("A", "2022M05", 50, "cases"))

    [missing] = [
        m
        for m in await matters(owing, "not-reported")
        if (m["unit"], m["period"]) == ("A", "2022M05")
    ]
    assert await matters(owing, "below-last-year") == []
    told = await owing.admin.get(
        "/v1/decisions",
        params={"period": "2022M05", "rule": "below-last-year", "unit": "A"},
    )
    [decision] = told.json()["items"]
    assert (decision["verdict"], decision["inhibited_by"]) == ("fired", missing["id"])

    await send(owing, report("A", "2022M05", 50, "money"))

    opened = await matters(owing, "below-last-year")
    assert {m["measure"] for m in opened} == {"cases", "money"}


async def test_days_are_judged_once_each_and_in_order(owing: World) -> None:
    await clock_at(owing, "2022-03-12T08:00:00+07:00")
    await clock_at(owing, "2022-03-15T08:00:00+07:00")

    days = await owing.owner.fetch("SELECT day::text FROM alerts.day ORDER BY done_at")

    assert [row["day"][-2:] for row in days] == [f"{n:02d}" for n in range(8, 16)]
