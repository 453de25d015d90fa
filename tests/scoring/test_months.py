"""What a scorecard says of the month before, of last year, and of the months ahead."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.support.world import World

pytestmark = pytest.mark.anyio


def province(code: str) -> dict[str, Any]:
    return {"code": code, "name": code, "kind": "province", "parent": "VN", "valid_from": "2010-01-01"}  # fmt: skip


def cut(unit: str, period: str, **row: Any) -> dict[str, Any]:
    return {"unit": unit, "period": period, "figures": [{"measure": "cases", **row}]}


@pytest.fixture
async def provinces(world: World) -> World:
    units = [province(code) for code in ("A", "B")]
    (await world.admin.put("/v1/units", json={"units": units})).raise_for_status()
    return world


async def send(world: World, *reports: dict[str, Any]) -> None:
    answer = await world.report(*reports)
    assert answer.status_code == 202, answer.text
    await world.evaluated(answer.json()["batch"])


async def card(world: World, unit: str = "A", period: str = "2022M05") -> Any:
    answer = await world.admin.get(f"/v1/scorecards/{unit}/{period}")
    return answer.raise_for_status().json()["items"][0]


COUNTS = {"newly_accepted": 40, "entrusted": 3, "separate_ledger": 9, "to_enforce": 200}
BEFORE = cut("A", "2022M04", enforceable=90, completed=20, terminated=5, **COUNTS)
NOW = cut(
    *("A", "2022M05"),
    **{"enforceable": 100, "completed": 42, "terminated": 8, "newly_accepted": 55},
    **{"entrusted": 4, "separate_ledger": 7, "to_enforce": 250},
)


async def test_a_month_is_the_difference_of_two_cuts(provinces: World) -> None:
    await send(provinces, BEFORE, NOW)

    assert (await card(provinces))["month"] == {
        "previous_rate": "27.78",
        "done": 25,
        "completed": 22,
        "terminated": 3,
        "newly_accepted": 15,
        "entrusted": 1,
        "enforceable": 10,
        "separate_ledger": -2,
    }


async def test_october_is_its_own_month_and_stocks_have_not_moved(
    provinces: World,
) -> None:
    october = cut("A", "2022M01", enforceable=90, completed=7, terminated=1, **COUNTS)
    await send(provinces, october)

    month = (await card(provinces, period="2022M01"))["month"]

    assert (month["done"], month["completed"], month["entrusted"]) == (8, 7, 3)
    assert (month["enforceable"], month["separate_ledger"]) == (None, None)


async def test_without_the_month_before_no_flow_is_known(provinces: World) -> None:
    await send(provinces, NOW)

    shown = await card(provinces)
    assert set(shown["month"].values()) == {None}
    assert shown["pace"]["recent_per_day"] is None
    assert shown["why"]["pace.recent_per_day"] == "no_month_before"


async def test_a_month_before_that_is_corrected_changes_this_one(
    provinces: World,
) -> None:
    await send(provinces, BEFORE, NOW)
    await send(provinces, cut("A", "2022M04", enforceable=90, done=45, to_enforce=200))

    assert (await card(provinces))["month"]["done"] == 5


async def test_the_change_adds_up_to_the_points_against_last_year(
    provinces: World,
) -> None:
    last = cut("A", "2021M05", enforceable=110, done=50)
    await send(provinces, last, NOW)

    shown = await card(provinces)

    change = shown["change"]
    assert change == {
        "numerator_effect": "0.00",
        "denominator_effect": "4.55",
        "denominator_share": "100.00",
    }
    assert shown["last_year"]["points"] == "4.55"


@pytest.mark.parametrize(
    ("last", "why"),
    [
        pytest.param(None, "no_last_year", id="not reported"),
        pytest.param({"published_rate": "40.00"}, "no_counts", id="a bare rate"),
    ],
)
async def test_a_change_without_counts_on_both_sides_says_why(
    provinces: World, last: dict[str, Any] | None, why: str
) -> None:
    await send(provinces, *([cut("A", "2021M05", **last)] if last else []), NOW)

    shown = await card(provinces)

    assert (shown["change"], shown["why"]["change"]) == (None, why)


async def test_the_classification_rate_stands_beside_the_rate(provinces: World) -> None:
    await send(provinces, NOW)

    shown = await card(provinces)

    assert (shown["rate"], shown["classification"]) == ("50.00", "40.00")


async def test_pace_counts_from_the_evaluation_day(provinces: World) -> None:
    target = {
        **{"unit": "VN", "year": 2022, "measure": "cases", "rate": "80.00"},
        **{"operator": "at_least", "document": {"number": "1", "date": "2021-12-24"}},
    }
    await provinces.admin.put("/v1/targets", json={"targets": [target]})
    await send(provinces, BEFORE, NOW)

    shown = (await card(provinces))["pace"]

    assert shown["at"] == "2022-03-08"
    assert shown["days_left"]["calendar"] == 206
    assert 130 < shown["days_left"]["working"] < 206
    per_day = Decimal(30) / shown["days_left"]["working"]
    assert shown["needed"] == 30
    assert abs(Decimal(shown["needed_per_day"]) - per_day) <= Decimal("0.005")
    assert Decimal(shown["projected_rate"]) == 100
    then = await provinces.admin.get("/v1/scorecards/A/2022M05?known_at=2022-03-08")
    assert then.raise_for_status().json()["items"][0]["pace"]["at"] == "2022-03-08"


async def test_months_below_last_year_are_counted_in_a_row(provinces: World) -> None:
    def half(unit: str, period: str, done: int) -> dict[str, Any]:
        return cut(unit, period, enforceable=100, done=done)

    last = [half("A", f"2021M{m:02d}", 20) for m in (1, 2, 3, 5)]
    # Above in October, below in November, silent in December, no last year in January.
    now = [
        half("A", f"2022M{m:02d}", d) for m, d in ((1, 30), (2, 10), (4, 5), (5, 15))
    ]
    await send(provinces, *last, *now)

    runs = [
        (await card(provinces, period=f"2022M{m:02d}"))["runs"]["below_last_year"]
        for m in (1, 2, 4, 5)
    ]

    assert runs == [0, 1, None, 2]
