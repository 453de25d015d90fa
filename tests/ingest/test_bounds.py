"""What one client can do to all others: little."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from libs.common import strict_json
from services.ingest.domain.reports import MOST_ROWS
from tests.support.world import World

pytestmark = pytest.mark.anyio


def report(*categories: str, unit: str = "VN", period: str = "2022M05") -> Any:
    """A report with one row per category."""
    row = {"measure": "cases", "enforceable": 10, "done": 5}
    figures = [{**row, "category": category} for category in categories]
    return {"unit": unit, "period": period, "figures": figures}


async def test_a_unit_has_no_more_rows_than_anyone_needs(still_world: World) -> None:
    half = [f"a{i}" for i in range(MOST_ROWS // 2)]
    more = [f"b{i}" for i in range(MOST_ROWS // 2 + 1)]

    first = await still_world.report(report(*half))
    second = await still_world.report(report(*more))

    assert first.status_code == 202
    assert second.status_code == 422
    (fault,) = second.json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("/reports/0", "too_many_rows")


async def test_a_stranger_costs_no_reading_of_a_body(still_world: World) -> None:
    answer = await still_world.anonymous.put(
        "/v1/units", content=b"{", headers={"content-type": "application/json"}
    )

    assert answer.status_code == 401


def test_many_keys_with_a_double_at_the_end_are_read_in_one_pass() -> None:
    # Quadratic reading of this body would take hours, not the suite's patience.
    members = [f'"k{i}":1' for i in range(300_000)]
    body = "{" + ",".join([*members, members[-1]]) + "}"

    with pytest.raises(strict_json.JSONDecodeError, match="twice"):
        strict_json.loads(body.encode())


async def test_the_unit_of_money_said_twice_is_refused(still_world: World) -> None:
    body = b'{"money_in":"vnd","money_in":"thousand_vnd","reports":[]}'

    answer = await still_world.admin.post(
        "/v1/reports", content=body, headers={"content-type": "application/json"}
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


async def test_many_writers_of_one_period_leave_room_for_others(world: World) -> None:
    bodies = [report("all", f"c{i}") for i in range(30)]

    posts = [asyncio.create_task(world.report(body)) for body in bodies]
    reads = [await world.admin.get("/v1/clock") for _ in range(10)]
    answers = await asyncio.gather(*posts)

    assert {answer.status_code for answer in reads} == {200}
    assert {answer.status_code for answer in answers} == {202}


async def test_a_receipt_counts_only_what_its_own_units_opened(world: World) -> None:
    units = {
        "units": [
            {
                "code": code,
                "name": code,
                "kind": "province",
                "parent": "VN",
                "valid_from": "2010-01-01",
            }
            for code in ("A", "B")
        ]
    }
    (await world.admin.put("/v1/units", json=units)).raise_for_status()

    def rate(unit: str, period: str, percent: str) -> Any:
        figures = [{"measure": "cases", "published_rate": percent}]
        return {"unit": unit, "period": period, "figures": figures}

    before = await world.report(
        rate("A", "2021M05", "50.00"), rate("B", "2021M05", "40.00")
    )
    await world.evaluated(before.json()["batch"])
    fell, rose = await asyncio.gather(
        world.report(rate("A", "2022M05", "45.00")),
        world.report(rate("B", "2022M05", "45.00")),
    )

    opened = [
        (await world.evaluated(answer.json()["batch"]))["escalations"]["opened"]
        for answer in (fell, rose)
    ]

    assert opened == [1, 0]
