"""A recompute touches only what a batch can change."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.world import World

pytestmark = pytest.mark.anyio

UNITS = [
    {
        "code": "A",
        "name": "A",
        "kind": "province",
        "parent": "VN",
        "valid_from": "2010-01-01",
    },
]
TARGET = {
    "unit": "A",
    "year": 2022,
    "measure": "cases",
    "rate": "80.00",
    "operator": "at_least",
    "document": {"number": "1", "date": "2021-12-01"},
}


def report(category: str, done: int, period: str = "2022M05") -> dict[str, Any]:
    row = {"measure": "cases", "category": category, "done": done, "enforceable": 100}
    return {"unit": "A", "period": period, "figures": [row]}


async def send(world: World, *reports: dict[str, Any]) -> None:
    answer = await world.report(*reports)
    await world.evaluated(answer.raise_for_status().json()["batch"])


async def test_rows_of_other_categories_are_not_even_computed(world: World) -> None:
    (await world.admin.put("/v1/units", json={"units": UNITS})).raise_for_status()
    await send(world, report("all", 50))
    await send(world, report("credit", 10))
    rate = (
        "SELECT rate::text FROM scoring.scorecard WHERE unit = 'A' AND category = 'all'"
    )
    # What only a recompute of `all` would put right.
    await world.owner.execute(
        "UPDATE scoring.scorecard SET rate = 1 WHERE category = 'all'"
    )

    await send(world, report("credit", 20))
    assert await world.owner.fetchval(rate) == "1.00"

    await send(world, report("all", 60))
    assert await world.owner.fetchval(rate) == "60.00"


async def test_a_target_may_change_any_row(world: World) -> None:
    (await world.admin.put("/v1/units", json={"units": UNITS})).raise_for_status()
    await send(world, report("all", 50))
    await send(world, report("credit", 10))
    await world.owner.execute("UPDATE scoring.scorecard SET rate = 1")

    answer = await world.admin.put("/v1/targets", json={"targets": [TARGET]})
    answer.raise_for_status()
    await send(world, report("all", 51))

    rates = await world.owner.fetch(
        "SELECT category, rate::text FROM scoring.scorecard WHERE unit = 'A' ORDER BY 1"
    )
    assert [tuple(row) for row in rates] == [("all", "51.00"), ("credit", "10.00")]


@pytest.mark.parametrize(
    ("category", "queued"),
    [
        pytest.param("credit", ["2020M05", "2020M06", "2021M05"], id="no past"),
        pytest.param("all", [f"2020M{m:02d}" for m in range(5, 13)] + [f"2021M{m:02d}" for m in range(1, 13)] + [f"2022M{m:02d}" for m in range(1, 6)], id="held against for two years"),
    ],
)  # fmt: skip
async def test_only_periods_that_look_back_are_queued(
    still_world: World, category: str, queued: list[str]
) -> None:
    world = still_world
    (await world.admin.put("/v1/units", json={"units": UNITS})).raise_for_status()
    months = [f"{y}M{m:02d}" for y in (2020, 2021, 2022) for m in range(1, 13)]
    past = [m for m in months if m <= "2022M05"]
    for period in past:
        (await world.report(report("credit", 1, period))).raise_for_status()
    await world.owner.execute("DELETE FROM platform.event")

    (await world.report(report(category, 7, "2020M05"))).raise_for_status()

    keys = await world.owner.fetch(
        "SELECT key FROM platform.event WHERE topic = 'figures.changed' ORDER BY key"
    )
    assert [row["key"] for row in keys] == queued


async def test_what_earlier_months_say_is_worked_out_again_only_when_one_of_them_changes(
    world: World,
) -> None:
    (await world.admin.put("/v1/units", json={"units": UNITS})).raise_for_status()
    for done, month in ((2, "10"), (5, "11"), (9, "12")):
        await send(world, report("all", done, f"2021M{month}"))
    await send(world, report("all", 10, "2022M01"))
    usual = (
        "SELECT usual_done FROM scoring.scorecard"
        " WHERE period = '2022M01' AND category = 'all'"
    )
    assert await world.owner.fetchval(usual) == 3  # of 3 and 4
    # What only working it out again would put right.
    await world.owner.execute("UPDATE scoring.history SET usual_done = 1000")

    await send(world, report("all", 11, "2022M01"))
    assert await world.owner.fetchval(usual) == 1000

    await send(world, report("all", 4, "2021M10"))
    assert await world.owner.fetchval(usual) == 1  # of 1 and 4


async def test_nothing_is_remembered_for_a_month_that_nobody_reported(
    world: World,
) -> None:
    (await world.admin.put("/v1/units", json={"units": UNITS})).raise_for_status()
    # It is computed all the same: its last year changed.
    await send(world, report("all", 5, "2021M01"))
    assert not await world.owner.fetchval(
        "SELECT count(*) FROM scoring.history WHERE period = '2022M01'"
    )

    # This one is too far from it to have it computed anew.
    await send(world, report("all", 2, "2020M10"))
    await send(world, report("all", 9, "2022M01"))
    assert (
        await world.owner.fetchval(
            "SELECT usual_done FROM scoring.history WHERE period = '2022M01'"
        )
        is not None
    )
