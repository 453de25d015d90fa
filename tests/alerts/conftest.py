"""A matter to act on: one province that did worse than a year ago."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.world import World


@pytest.fixture
async def matter(world: World) -> dict[str, Any]:
    """Province A did worse than a year ago, on 8 March 2022."""
    unit = {"code": "A", "name": "A", "kind": "province", "parent": "VN"}
    units = {"units": [{**unit, "valid_from": "2010-01-01"}]}
    (await world.admin.put("/v1/units", json=units)).raise_for_status()
    figures = [("2021M05", "45.00"), ("2022M05", "41.54")]
    reports = [
        {
            "unit": "A",
            "period": period,
            "figures": [{"measure": "cases", "published_rate": rate}],
        }
        for period, rate in figures
    ]
    answer = await world.report(*reports)
    await world.evaluated(answer.raise_for_status().json()["batch"])
    listed = (await world.admin.get("/v1/escalations")).json()["items"]
    found: dict[str, Any] = listed[0]
    return found
