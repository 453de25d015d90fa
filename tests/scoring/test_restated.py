"""Last year's figures of a unit that others became: all of their counts, or none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.world import World, sample

pytestmark = pytest.mark.anyio


@pytest.fixture
async def merged(world: World) -> World:
    """August 2025: Bắc Kạn and the old Thái Nguyên have become Thái Nguyên."""
    await world.tree()
    moved = {"now": "2025-08-20T08:00:00+07:00"}
    (await world.admin.put("/v1/clock", json=moved)).raise_for_status()
    await _reorganise(world, sample("reorganisation_thai_nguyen.json"))
    return world


async def _reorganise(world: World, body: dict[str, Any]) -> dict[str, Any]:
    answer = await world.admin.post("/v1/reorganisations", json=body)
    shown: dict[str, Any] = answer.raise_for_status().json()
    return shown


def _cases(unit: str, period: str, **row: Any) -> dict[str, Any]:
    return {"unit": unit, "period": period, "figures": [{"measure": "cases", **row}]}


async def _last_year(world: World, *reports: dict[str, Any]) -> dict[str, Any]:
    answer = await world.report(*reports)
    await world.evaluated(answer.raise_for_status().json()["batch"])
    shown = (await world.admin.get("/v1/scorecards/TN/2025M10")).json()
    last_year: dict[str, Any] = shown["items"][0]["last_year"]
    return last_year


NOW = _cases("TN", "2025M10", enforceable=500, done=250)
BAC_KAN = _cases("BK", "2024M10", enforceable=100, done=60)
OLD_THAI_NGUYEN = _cases("TN1", "2024M10", enforceable=300, done=120)


async def test_a_merged_unit_is_compared_with_the_sum_of_its_predecessors(
    merged: World,
) -> None:
    last_year = await _last_year(merged, BAC_KAN, OLD_THAI_NGUYEN, NOW)

    assert last_year["basis"] == "restated"
    assert (last_year["rate"], last_year["points"]) == ("45.00", "5.00")


@pytest.mark.parametrize(
    "partial",
    [
        pytest.param([BAC_KAN], id="one predecessor has not reported"),
        pytest.param(
            [BAC_KAN, _cases("TN1", "2024M10", published_rate="40.00")],
            id="one predecessor has a rate and no counts",
        ),
    ],
)
async def test_partial_lineage_refuses(
    merged: World, partial: list[dict[str, Any]]
) -> None:
    last_year = await _last_year(merged, *partial, NOW)

    assert (last_year["rate"], last_year["basis"]) == (None, "none")
    assert last_year["why"] == "predecessors_missing"


async def test_what_the_new_unit_says_of_the_time_before_it_comes_first(
    merged: World,
) -> None:
    own = _cases("TN", "2024M10", published_rate="44.00")

    last_year = await _last_year(merged, own, BAC_KAN, OLD_THAI_NGUYEN, NOW)

    assert (last_year["rate"], last_year["basis"]) == ("44.00", "as_reported")
    ranked = (await merged.admin.get("/v1/rankings/2024M10")).json()["items"]
    assert {line["unit"] for line in ranked} == {"BK", "TN1"}


async def test_a_correction_of_a_predecessor_moves_the_comparison(
    merged: World,
) -> None:
    await _last_year(merged, BAC_KAN, OLD_THAI_NGUYEN, NOW)

    corrected = _cases("BK", "2024M10", enforceable=100, done=80)
    last_year = await _last_year(merged, corrected)

    assert last_year["rate"] == "50.00"


async def test_a_split_unit_has_no_one_successor_to_pass_its_counts_to(
    merged: World,
) -> None:
    document = {"number": "minh họa", "date": "2025-06-12"}
    day = "2025-08-01"
    parts = [
        {
            "code": code,
            "name": code,
            "kind": "province",
            "parent": "VN",
            "valid_from": day,
        }
        for code in ("HN-A", "HN-B")
    ]
    hanoi = next(u for u in sample("units_2022.json")["units"] if u["code"] == "HN")
    units = {"units": [*parts, {**hanoi, "valid_to": day}]}
    (await merged.admin.put("/v1/units", json=units)).raise_for_status()
    split = {"effective": day, "from": ["HN"], "into": ["HN-A", "HN-B"]}
    await _reorganise(merged, {**split, "document": document})
    reports = [
        _cases("HN", "2024-08-15", enforceable=10, done=5),
        _cases("HN-A", "2025-08-15", enforceable=10, done=5),
    ]
    batch = (await merged.report(*reports)).raise_for_status().json()["batch"]
    await merged.evaluated(batch)

    shown = (await merged.admin.get("/v1/scorecards/HN-A/2025-08-15")).json()

    assert shown["items"][0]["last_year"]["why"] == "predecessor_split"


async def test_a_key_of_the_new_unit_opens_its_predecessors(merged: World) -> None:
    client = await merged.client("analyst", under="TN")

    assert (await client.get("/v1/units/BK?on=2025-01-01")).status_code == 200
    assert (await client.get("/v1/units/HN")).status_code == 404


async def test_saying_it_again_changes_nothing(merged: World) -> None:
    again = await _reorganise(merged, sample("reorganisation_thai_nguyen.json"))

    assert again == {"created": 0, "updated": 0, "unchanged": 2}


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        pytest.param({"from": ["HN"]}, "/from/0", "does_not_end", id="goes on"),
        pytest.param({"into": ["HN"]}, "/into/0", "does_not_begin", id="not new"),
        pytest.param({"from": ["XX"]}, "/from/0", "unknown_unit", id="unknown"),
        pytest.param(
            {"from": ["BK", "BK"]}, "/from/1", "duplicate_row", id="named twice"
        ),
    ],
)
async def test_a_change_that_does_not_fit_the_tree_is_refused(
    still_world: World, change: dict[str, Any], pointer: str, code: str
) -> None:
    await still_world.tree()
    body = {**sample("reorganisation_thai_nguyen.json"), **change}

    answer = await still_world.admin.post("/v1/reorganisations", json=body)

    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [
        (pointer, code)
    ]
