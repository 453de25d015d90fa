"""Last year's figures of a unit that others became: all of their counts, or none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.world import World, sample, until

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


async def _origin(world: World, **query: str) -> dict[str, Any]:
    answer = await world.admin.get("/v1/scorecards/TN/2025M10", params=query)
    origin: dict[str, Any] = answer.raise_for_status().json()["items"][0]["origin"]
    return origin


SPLIT = {
    "effective": "2025-08-01",
    "from": ["HN"],
    "into": ["HN-A", "HN-B"],
    "document": {"number": "minh họa", "date": "2025-06-12"},
}
HAD_BAC_KAN = {"unit": "BK", "share": "1", "done": 60, "enforceable": 100, "rate": "60.00"}  # fmt: skip
NOTHING = {"done": None, "enforceable": None, "rate": None}
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
    ("partial", "why"),
    [
        pytest.param([BAC_KAN], "not_reported", id="one predecessor has not reported"),
        pytest.param(
            [BAC_KAN, _cases("TN1", "2024M10", published_rate="40.00")],
            "no_counts",
            id="one predecessor has a rate and no counts",
        ),
    ],
)
async def test_partial_lineage_refuses_and_says_who_is_missing(
    merged: World, partial: list[dict[str, Any]], why: str
) -> None:
    last_year = await _last_year(merged, *partial, NOW)

    assert (last_year["rate"], last_year["basis"]) == (None, "none")
    assert last_year["why"] == "predecessors_missing"
    assert (await _origin(merged))["predecessors"] == [
        HAD_BAC_KAN,
        {"unit": "TN1", "share": "1", **NOTHING, "why": why},
    ]


@pytest.fixture
async def with_offices(merged: World) -> World:
    """The old Thái Nguyên had two offices, and one of them a room."""
    units = [
        {
            **{"code": code, "name": code, "kind": "office", "parent": parent},
            **{"valid_from": "2010-01-01", "valid_to": "2025-07-01"},
        }
        for code, parent in (("TN1-A", "TN1"), ("TN1-B", "TN1"), ("TN1-B1", "TN1-B"))
    ]
    put = await merged.admin.put("/v1/units", json={"units": units})
    assert put.status_code == 200, put.text
    return merged


OFFICE = _cases("TN1-A", "2024M10", enforceable=100, done=70)
ROOM = _cases("TN1-B1", "2024M10", enforceable=200, done=50)


async def test_a_predecessor_that_was_the_sum_of_its_offices_is_shown_as_one(
    with_offices: World,
) -> None:
    last_year = await _last_year(with_offices, BAC_KAN, OFFICE, ROOM, NOW)

    assert (last_year["rate"], last_year["basis"]) == ("45.00", "restated")
    origin = await _origin(with_offices)
    assert origin["predecessors"] == [
        HAD_BAC_KAN,
        {"unit": "TN1", "share": "1", "done": 120, "enforceable": 300, "rate": "40.00"},
    ]
    document = sample("reorganisation_thai_nguyen.json")["document"]
    assert origin["lineage"] == [
        {
            **{"effective": "2025-07-01", "from": ["BK", "TN1"], "into": "TN"},
            "document": document,
        }
    ]
    known = await _origin(with_offices, known_at="2025-08-20")
    assert known == origin


async def test_a_predecessor_with_an_office_missing_has_no_sum(
    with_offices: World,
) -> None:
    last_year = await _last_year(with_offices, BAC_KAN, OFFICE, NOW)

    assert last_year["why"] == "predecessors_missing"
    missing = {"unit": "TN1", "share": "1", **NOTHING, "why": "children_missing"}
    assert (await _origin(with_offices))["predecessors"] == [HAD_BAC_KAN, missing]


async def test_what_the_new_unit_says_of_the_time_before_it_comes_first(
    merged: World,
) -> None:
    own = _cases("TN", "2024M10", published_rate="44.00")

    last_year = await _last_year(merged, own, BAC_KAN, OLD_THAI_NGUYEN, NOW)

    assert (last_year["rate"], last_year["basis"]) == ("44.00", "as_reported")
    origin = await _origin(merged)
    assert (origin["predecessors"], origin["lineage"]) == ([], [])
    assert origin["last_year"]["published_rate"] == "44.00"
    assert origin["last_year"]["revision"] == 1
    ranked = (await merged.admin.get("/v1/rankings/2024M10")).json()["items"]
    assert {line["unit"] for line in ranked} == {"BK", "TN1"}


async def test_a_correction_of_a_predecessor_moves_the_comparison(
    merged: World,
) -> None:
    await _last_year(merged, BAC_KAN, OLD_THAI_NGUYEN, NOW)

    corrected = _cases("BK", "2024M10", enforceable=100, done=80)
    last_year = await _last_year(merged, corrected)

    assert last_year["rate"] == "50.00"


@pytest.fixture
async def split(merged: World) -> World:
    """Hà Nội has become two on 1 August 2025; nobody said in what shares."""
    day = SPLIT["effective"]
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
    await _reorganise(merged, SPLIT)
    return merged


async def _last_year_of_a_part(world: World) -> dict[str, Any]:
    reports = [
        _cases("HN", "2024-08-15", enforceable=10, done=5),
        _cases("HN-A", "2025-08-15", enforceable=10, done=5),
    ]
    batch = (await world.report(*reports)).raise_for_status().json()["batch"]
    await world.evaluated(batch)
    shown = (await world.admin.get("/v1/scorecards/HN-A/2025-08-15")).json()
    card: dict[str, Any] = shown["items"][0]
    return card


async def test_a_split_unit_has_no_one_successor_to_pass_its_counts_to(
    split: World,
) -> None:
    card = await _last_year_of_a_part(split)

    assert card["last_year"]["why"] == "predecessor_split"
    assert card["origin"]["predecessors"] == [
        {"unit": "HN", "share": None, "done": 5, "enforceable": 10, "rate": "50.00"}
    ]


async def test_decided_shares_say_what_each_part_takes_over(split: World) -> None:
    await _last_year_of_a_part(split)

    said = await _reorganise(split, {**SPLIT, "shares": {"HN-A": "0.6", "HN-B": "0.4"}})

    async def compared() -> dict[str, Any] | None:
        card = await _last_year_of_a_part(split)
        return card if card["last_year"]["rate"] else None

    card: Any = await until(compared)
    assert said == {"created": 0, "updated": 2, "unchanged": 0}
    listed = (await split.admin.get("/v1/reorganisations")).json()["items"]
    assert {"HN-A": "0.6", "HN-B": "0.4"} in [one.get("shares") for one in listed]
    last_year = card["last_year"]
    assert (last_year["basis"], last_year["why"]) == ("restated", "by_shares")
    assert last_year["rate"] == "50.00"
    assert card["origin"]["predecessors"] == [
        {"unit": "HN", "share": "0.6", "done": 5, "enforceable": 10, "rate": "50.00"}
    ]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param({"shares": {"HN-A": "0.6", "HN-B": "0.5"}}, "shares_not_one"),
        pytest.param({"shares": {"HN-A": "1"}}, "shares_incomplete"),
        pytest.param(
            {"from": ["HN", "BK"], "shares": {"HN-A": "0.6", "HN-B": "0.4"}},
            "shares_of_many",
        ),
        pytest.param({"shares": {"HN-A": "0.60000000001", "HN-B": "0.4"}}, "bad_size"),
    ],
    ids=["not one", "incomplete", "of many", "too fine"],
)
async def test_shares_that_do_not_add_up_are_refused(
    split: World, change: dict[str, Any], code: str
) -> None:
    answer = await split.admin.post("/v1/reorganisations", json={**SPLIT, **change})

    assert answer.status_code == 422
    assert code in {e["code"] for e in answer.json()["errors"]}


async def test_the_month_before_a_merger_is_the_sum_of_what_the_parts_had(
    merged: World,
) -> None:
    sent = [
        _cases("BK", "2025M09", enforceable=100, done=60, newly_accepted=5),
        _cases("TN1", "2025M09", enforceable=300, done=120, newly_accepted=7),
        _cases("TN", "2025M10", enforceable=410, done=200, newly_accepted=20),
    ]
    answer = await merged.report(*sent)
    await merged.evaluated(answer.raise_for_status().json()["batch"])

    shown = (await merged.admin.get("/v1/scorecards/TN/2025M10")).json()

    month = shown["items"][0]["month"]
    assert (month["done"], month["newly_accepted"]) == (20, 8)
    assert (month["previous_rate"], month["enforceable"]) == ("45.00", 10)


async def test_a_month_before_that_one_part_did_not_report_is_not_known(
    merged: World,
) -> None:
    sent = [
        _cases("BK", "2025M09", enforceable=100, done=60),
        _cases("TN", "2025M10", enforceable=410, done=200),
    ]
    answer = await merged.report(*sent)
    await merged.evaluated(answer.raise_for_status().json()["batch"])

    shown = (await merged.admin.get("/v1/scorecards/TN/2025M10")).json()

    assert shown["items"][0]["month"]["done"] is None


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
