"""Sums of children: in place of unreported figures, beside reported ones."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.world import World

pytestmark = pytest.mark.anyio

PERIOD = "2022M03"


@pytest.fixture
async def tree(world: World) -> World:
    """A province P with two areas, A and B; B has a room B1 of its own."""
    parents = {"P": "VN", "A": "P", "B": "P", "B1": "B"}
    units = [
        {
            "code": code,
            "name": code,
            "kind": "province" if code == "P" else "office",
            "parent": parent,
            "valid_from": "2010-01-01",
        }
        for code, parent in parents.items()
    ]
    await world.admin.put("/v1/clock", json={"now": "2022-03-09T00:00:00+07:00"})
    (await world.admin.put("/v1/units", json={"units": units})).raise_for_status()
    return world


def cases(unit: str, done: int, enforceable: int, period: str = PERIOD) -> Any:
    """A report of one row of counts."""
    row = {"measure": "cases", "done": done, "enforceable": enforceable}
    return {"unit": unit, "period": period, "figures": [row]}


async def card(world: World, unit: str, *reports: Any) -> dict[str, Any] | None:
    """The scorecard of a unit once these reports are evaluated."""
    answer = await world.report(*reports)
    await world.evaluated(answer.raise_for_status().json()["batch"])
    shown = await world.admin.get(f"/v1/scorecards/{unit}/{PERIOD}")
    found: dict[str, Any] = shown.json()["items"][0]
    return found if shown.status_code == 200 else None


async def test_an_unreported_unit_is_the_sum_of_its_children(tree: World) -> None:
    found = await card(tree, "P", cases("A", 10, 40), cases("B", 20, 20))

    assert found is not None
    assert (found["done"], found["enforceable"]) == (30, 60)
    assert (found["rate"], found["done_basis"]) == ("50.00", "rolled_up")


async def test_the_sum_goes_past_a_child_that_is_itself_a_sum(tree: World) -> None:
    found = await card(tree, "P", cases("A", 10, 40), cases("B1", 5, 10))

    assert found is not None
    assert (found["done"], found["enforceable"]) == (15, 50)
    assert found["origin"]["reported"] is None
    assert found["origin"]["children"] == [
        {"unit": "A", "done": 10, "enforceable": 40},
        {"unit": "B", "done": 5, "enforceable": 10},
    ]


async def test_a_reported_figure_stands_with_the_sum_beside_it(tree: World) -> None:
    reports = [cases("P", 33, 60), cases("A", 10, 40), cases("B", 20, 20)]

    found = await card(tree, "P", *reports)

    assert found is not None
    assert (found["done"], found["done_basis"]) == (33, "given")
    assert found["rolled_up"] == {
        "done": 30,
        "enforceable": 60,
        "rate": "50.00",
        "difference": {"done": 3, "enforceable": 0, "points": "5.00"},
    }


async def test_a_child_with_a_rate_alone_gives_the_sum_of_its_own(tree: World) -> None:
    rate = {"measure": "cases", "published_rate": "49.00"}
    only_a_rate = {"unit": "B", "period": PERIOD, "figures": [rate]}

    found = await card(tree, "P", cases("A", 10, 40), only_a_rate, cases("B1", 5, 10))

    assert found is not None
    assert found["done"] == sum(c["done"] for c in found["origin"]["children"]) == 15


async def test_one_child_without_counts_and_there_is_no_sum(tree: World) -> None:
    only_a_rate = {
        "unit": "B",
        "period": PERIOD,
        "figures": [{"measure": "cases", "published_rate": "50.00"}],
    }
    answer = await tree.report(cases("A", 10, 40), only_a_rate)
    await tree.evaluated(answer.json()["batch"])

    shown = await tree.admin.get(f"/v1/scorecards/P/{PERIOD}")

    assert shown.status_code == 404


async def test_a_sum_goes_when_a_child_withdraws_its_row(tree: World) -> None:
    await card(tree, "P", cases("A", 10, 40), cases("B", 20, 20))
    withdrawn = {
        "unit": "A",
        "period": PERIOD,
        "figures": [{"measure": "cases", "withdrawn": True}],
    }
    answer = await tree.report(withdrawn)
    await tree.evaluated(answer.json()["batch"])

    shown = await tree.admin.get(f"/v1/scorecards/P/{PERIOD}")

    assert shown.status_code == 404


async def test_a_sum_of_last_year_is_compared_with_too(tree: World) -> None:
    reports = [
        cases("A", 10, 40),
        cases("B", 20, 20),
        cases("A", 10, 50, "2021M03"),
        cases("B", 10, 50, "2021M03"),
    ]

    found = await card(tree, "P", *reports)

    assert found is not None
    assert found["last_year"]["basis"] == "rolled_up"
    assert found["last_year"]["rate"] == "20.00"
    assert found["last_year"]["points"] == "30.00"


async def test_every_column_that_all_children_give_is_summed(tree: World) -> None:
    def month(unit: str, period: str, done: int, **more: int) -> Any:
        row = {"measure": "cases", "done": done, "enforceable": 40, **more}
        return {"unit": unit, "period": period, "figures": [row]}

    before = await tree.report(
        month("A", "2022M02", 5, to_enforce=70, newly_accepted=4, entrusted=1),
        month("B", "2022M02", 6, to_enforce=60, newly_accepted=5),
    )
    await tree.evaluated(before.raise_for_status().json()["batch"])
    found = await card(
        tree,
        "P",
        month("A", PERIOD, 10, to_enforce=80, newly_accepted=9, entrusted=3),
        month("B", PERIOD, 9, to_enforce=80, newly_accepted=7, entrusted=2),
    )

    assert found is not None
    assert found["classification"] == "50.00"
    assert (found["month"]["done"], found["month"]["newly_accepted"]) == (8, 7)
    assert found["month"]["entrusted"] is None  # B did not say in November
