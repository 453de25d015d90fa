"""Rules that ask what day it is are asked again as each day begins."""

from __future__ import annotations

from typing import Any

import pytest

from tests.alerts.test_reports_owed import clock_at
from tests.support.world import World

pytestmark = pytest.mark.anyio

TARGET = {
    "unit": "VN",
    "year": 2025,
    "measure": "cases",
    "rate": "80.00",
    "operator": "at_least",
    "document": {"number": "1", "date": "2024-12-01"},
}


def report(unit: str, period: str) -> dict[str, Any]:
    figures = [{"measure": "cases", "published_rate": "60.00"}]
    return {"unit": unit, "period": period, "figures": figures}


async def test_what_is_short_is_found_on_the_day_on_which_fifteen_are_left(
    world: World,
) -> None:
    units = [
        {
            "code": c,
            "name": c,
            "kind": "province",
            "parent": "VN",
            "valid_from": "2010-01-01",
        }
        for c in ("A", "B")
    ]
    (await world.admin.put("/v1/units", json={"units": units})).raise_for_status()
    (
        await world.admin.put("/v1/targets", json={"targets": [TARGET]})
    ).raise_for_status()
    await clock_at(world, "2025-09-07T08:00:00+07:00")
    sent = await world.report(report("A", "2025M11"), report("B", "2025-09-05"))
    await world.evaluated(sent.raise_for_status().json()["batch"])
    query = {"rule": "short-of-target-at-year-end"}
    assert (await world.admin.get("/v1/escalations", params=query)).json()[
        "items"
    ] == []

    await clock_at(world, "2025-09-16T08:00:00+07:00")

    found = (await world.admin.get("/v1/escalations", params=query)).json()["items"]
    assert {(m["unit"], m["period"], m["opened_at"]) for m in found} == {
        ("A", "2025M11", "2025-09-15T00:00:00+07:00"),
        ("B", "2025-09-05", "2025-09-15T00:00:00+07:00"),
    }
