"""Rules read a row beside the same row of the month end before and of a year ago."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from libs.common.periods import Period
from services.alerts import subjects
from services.alerts.domain.vocabulary import Facts
from tests.support.world import World

pytestmark = pytest.mark.anyio


def report(unit: str, period: str, *counts: int, **more: Any) -> dict[str, Any]:
    to_enforce, enforceable, done = counts
    figures = {
        "measure": "cases",
        "to_enforce": to_enforce,
        "enforceable": enforceable,
        "done": done,
    }
    return {"unit": unit, "period": period, "figures": [figures], **more}


async def provinces(world: World, *codes: str, kind: str = "province") -> None:
    units = [
        {"code": c, "name": f"Tên {c}", "kind": kind, "parent": "VN"}
        | {"valid_from": "2010-01-01"}
        for c in codes
    ]
    answer = await world.admin.put("/v1/units", json={"units": units})
    assert answer.status_code == 200, answer.text


async def facts(world: World, period: str) -> dict[str, Facts]:
    async with world.database("alerts").connection() as connection:
        found = await subjects.scorecards(
            connection, Period.parse(period), date(2022, 3, 8), None
        )
    return {one.unit: one.facts for one in found}


async def test_both_earlier_cuts_are_read(world: World) -> None:
    await provinces(world, "A", "B")
    await world.report(
        report("A", "2021M05", 100, 90, 50),
        report("A", "2022M04", 100, 80, 30),
        report("B", "2022M04", 100, 80, 60),
        report("A", "2022M05", 120, 84, 40),
        report("B", "2022M05", 120, 96, 70),
        wait=10,
    )

    found = (await facts(world, "2022M05"))["A"]

    assert found["previous.rank.from_bottom"] == 1
    assert (found["previous.rank.position"], found["previous.rank.of"]) == (2, 2)
    assert (found["previous.done"], found["previous.enforceable"]) == (30, 80)
    assert found["previous.classification"] == 8000
    assert found["month.reclassified"] == 12  # 96 would have been 80 % of 120
    assert (found["last_year.done"], found["last_year.enforceable"]) == (50, 90)
    assert found["last_year.classification"] == 9000


async def test_october_has_no_month_before(world: World) -> None:
    await provinces(world, "A")
    await world.report(
        report("A", "2021M12", 100, 90, 50),
        report("A", "2022M01", 100, 80, 30),
        wait=10,
    )

    found = (await facts(world, "2022M01"))["A"]

    assert found["previous.done"] is None
    assert found["month.reclassified"] is None


async def test_a_change_of_the_month_before_is_judged_again(world: World) -> None:
    await provinces(world, *(f"P{n:02d}" for n in range(24)))
    await world.report(
        *(report(f"P{n:02d}", "2022M04", 100, 80, 10 + n) for n in range(24)),
        *(report(f"P{n:02d}", "2022M05", 100, 80, 30 + n) for n in range(24)),
        wait=10,
    )

    async def twice_low() -> list[str]:
        answer = await world.admin.get(
            "/v1/escalations", params={"rule": "two-bad-periods"}
        )
        return sorted(m["unit"] for m in answer.json()["items"])

    assert await twice_low() == ["P00", "P01", "P02", "P03", "P04"]
    sent = await world.report(report("P05", "2022M04", 100, 80, 1), wait=10)

    await world.evaluated(sent.json()["batch"])
    assert (await facts(world, "2022M05"))["P05"]["previous.rank.from_bottom"] == 1
    # It is sixth from the last in May: two low months it has not.
    assert await twice_low() == ["P00", "P01", "P02", "P03", "P04"]
    sent = await world.report(report("P05", "2022M05", 100, 80, 1), wait=10)
    await world.evaluated(sent.json()["batch"])
    assert "P05" in await twice_low()


async def test_what_was_made_up_a_month_ago_makes_a_matter_illustrative(
    world: World,
) -> None:
    await provinces(world, *(f"P{n:02d}" for n in range(20)))
    made_up = {"source": {"illustrative": True}}
    await world.report(
        *(
            report(f"P{n:02d}", "2022M04", 100, 80, 10 + n, **made_up)
            for n in range(20)
        ),
        wait=10,
    )
    await world.report(
        *(report(f"P{n:02d}", "2022M05", 100, 80, 30 + n) for n in range(20)), wait=10
    )

    async def flags(rule: str) -> set[bool]:
        query = {"rule": rule, "under": "P00"}
        answer = await world.admin.get("/v1/escalations", params=query)
        return {
            m["illustrative"]
            for m in answer.json()["items"]
            if m["period"] == "2022M05"
        }

    assert await flags("bottom-five") == {False}
    assert await flags("two-bad-periods") == {True}


async def test_a_message_calls_a_person_by_a_code(world: World) -> None:
    await provinces(world, "CHV-1", kind="officer")
    figures = {
        "measure": "cases",
        "enforceable_over_1y": 3,
        "enforceable": 9,
        "done": 1,
    }

    await world.report(
        {"unit": "CHV-1", "period": "2022M05", "figures": [figures]}, wait=10
    )

    answer = await world.admin.get("/v1/escalations", params={"under": "CHV-1"})
    (message,) = [m["message"] for m in answer.json()["items"]]
    assert message["vi"].startswith("CHV-1 còn 3 việc")
    assert "Tên" not in message["vi"] + message["en"]
