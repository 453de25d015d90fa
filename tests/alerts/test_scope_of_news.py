"""A subscription hears only of units that the key which made it still opens."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.world import World

pytestmark = pytest.mark.anyio


def unit(code: str, parent: str, kind: str = "office") -> dict[str, Any]:
    """A unit in force since 2010."""
    named = {"code": code, "name": code, "kind": kind, "parent": parent}
    return {**named, "valid_from": "2010-01-01"}


async def heard(world: World) -> int:
    """How many deliveries there are."""
    count: int = await world.owner.fetchval("SELECT count(*) FROM alerts.delivery")
    return count


async def told_of(world: World, period: str) -> None:
    """Post a report of the moving unit and wait for all that follows."""
    figures = [{"measure": "cases", "published_rate": "50.00"}]
    answer = await world.report({"unit": "M", "period": period, "figures": figures})
    await world.evaluated(answer.raise_for_status().json()["batch"])


async def test_a_unit_that_moves_away_is_heard_of_no_more(world: World) -> None:
    tree = [unit("A", "VN", "province"), unit("B", "VN", "province"), unit("M", "A")]
    (await world.admin.put("/v1/units", json={"units": tree})).raise_for_status()
    client = await world.client("subscriber", under="A")
    wish = {"url": "http://127.0.0.1:9/hook", "types": ["report.*"], "under": "M"}
    (await client.post("/v1/subscriptions", json=wish)).raise_for_status()
    await told_of(world, "2022M04")
    before = await heard(world)

    moved = {"units": [unit("M", "B")]}
    (await world.admin.put("/v1/units", json=moved)).raise_for_status()
    await told_of(world, "2022M05")

    assert (before, await heard(world)) == (1, 1)
