"""One letter from the POST to the webhook, told as a story."""

from __future__ import annotations

import pytest

from tests.support.world import World, sample

pytestmark = pytest.mark.anyio


async def test_the_letter_of_8_march_2022_comes_out(world: World) -> None:
    await world.tree()
    await world.load("reports_last_year_illustrative.json", "reports_679.json")

    ranking = (await world.admin.get("/v1/rankings/2022M05")).json()

    assert ranking["national"]["rate"] == "41.54"
    assert [line["rank"] for line in ranking["items"]] == list(range(1, 64))
    assert all(line["stt"] == line["rank"] + 1 for line in ranking["items"])
    assert ranking["items"][-1]["name"] == "Trà Vinh"
    assert sample("reports_679.json")["reports"]
