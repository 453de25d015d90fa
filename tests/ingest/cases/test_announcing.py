"""Changed cases are announced once for each unit; then their batch is at its end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ingest.cases.sending import case, plant, sent
from tests.support.databases import Stage
from tests.support.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def still(staged: Stage) -> World:
    world = await staged.as_new()
    await plant(world)
    await sent(world, case(1, unit="A2", as_of="2022-02-01"))
    await world.owner.execute("DELETE FROM platform.event")
    return world


async def announced(world: World, *cases: Any, **params: Any) -> list[str]:
    """The units that a request announces."""
    receipt = await sent(world, *cases, **params)
    rows = await world.owner.fetch(
        "SELECT key FROM platform.event WHERE topic = 'cases.changed' AND batch = $1"
        " ORDER BY key",
        receipt["batch"],
    )
    return [row["key"] for row in rows]


async def state(world: World, batch: str) -> str:
    answer = await world.admin.get(f"/v1/batches/{batch}")
    return str(answer.json()["state"])


@pytest.mark.parametrize(
    ("cases", "units"),
    [
        ([case(1), case(2), case(1, unit="B1")], ["A1", "B1"]),
        ([case(1, unit="A2"), case(1)], ["A1", "A2"]),
        ([case(1, unit="A2", as_of="2022-01-31"), case(1)], ["A1"]),
        ([case(1, unit="A2", as_of="2022-02-01")], []),
        ([case(1), case(1, unit="B1", officer="A11")], ["A1"]),
    ],
    ids=["new cases", "one replaced", "one too old", "nothing new", "one refused"],
)
async def test_each_unit_whose_cases_changed_is_announced_once(
    still: World, cases: list[Any], units: list[str]
) -> None:
    assert await announced(still, *cases, on_error="accept_valid") == units


async def test_a_batch_that_changed_nothing_is_at_its_end_at_once(
    still: World,
) -> None:
    again = case(1, unit="A2", as_of="2022-02-01")

    receipts = [await sent(still, again), await sent(still, case(1))]

    assert [await state(still, r["batch"]) for r in receipts] == [
        "evaluated",
        "received",
    ]


async def test_what_is_refused_announces_nothing(still: World) -> None:
    answer = await still.admin.post("/v1/cases", json={"cases": [case(unit="C1")]})

    assert answer.status_code == 422
    assert await still.owner.fetchval("SELECT count(*) FROM platform.event") == 0


async def test_a_batch_of_cases_is_evaluated_when_all_its_units_were_heard(
    url: str,
) -> None:
    async with World.running(url) as world:
        await plant(world)

        receipt = await sent(world, case(1), case(2), case(1, unit="B1"))
        batch = await world.evaluated(receipt["batch"])

        assert batch["escalations"] == {"opened": 0, "closed": 0}
        assert await world.owner.fetchval("SELECT count(*) FROM platform.event") == 0
