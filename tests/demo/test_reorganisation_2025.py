"""The reorganisation of 1 July 2025 in the sample data: 63 provinces became 34."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date
from typing import Any

import pytest

from libs.common.figures import published
from services.ingest.domain.tree import Unit
from tests.support.world import World, sample

EVE, DAY = date(2025, 6, 30), date(2025, 7, 1)

# Codes that meant one province before and another afterwards (Decision 19/2025/QĐ-TTg).
REUSED = {
    "15": ("Yên Bái", "Lào Cai"),
    "24": ("Bắc Giang", "Bắc Ninh"),
    "44": ("Quảng Bình", "Quảng Trị"),
    "52": ("Bình Định", "Gia Lai"),
    "80": ("Long An", "Tây Ninh"),
    "82": ("Tiền Giang", "Đồng Tháp"),
    "91": ("Kiên Giang", "An Giang"),
}


def provinces(day: date) -> list[dict[str, Any]]:
    rows = sample("units_2022.json")["units"] + sample("provinces_2025.json")["units"]
    return [
        row
        for row in rows
        if row["kind"] == "province"
        and Unit(
            row["code"],
            row["name"],
            "province",
            "VN",
            date.fromisoformat(row["valid_from"]),
            date.fromisoformat(row["valid_to"]) if row["valid_to"] else None,
        ).in_force(day)
    ]


def changes() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sample("reorganisations_2025.json")["reorganisations"]
    return found


@pytest.mark.parametrize(("day", "count"), [(EVE, 63), (DAY, 34)])
def test_how_many_provinces_there_are(day: date, count: int) -> None:
    assert len(provinces(day)) == count


def test_11_were_kept_and_23_formed_from_52() -> None:
    ended = [code for change in changes() for code in change["from"]]
    formed = [code for change in changes() for code in change["into"]]
    kept = {p["code"] for p in provinces(EVE)} & {p["code"] for p in provinces(DAY)}

    assert (len(kept), len(formed), len(ended)) == (11, 23, 52)
    assert {p["code"] for p in provinces(EVE)} == kept | set(ended)
    assert {p["code"] for p in provinces(DAY)} == kept | set(formed)
    assert max(Counter(ended).values()) == max(Counter(formed).values()) == 1


@pytest.mark.parametrize("code", REUSED)
def test_a_reused_state_code_names_a_province_only_with_a_day(code: str) -> None:
    named = [
        next(p["name"] for p in provinces(day) if p["codes"][0]["code"] == code)
        for day in (EVE, DAY)
    ]

    assert tuple(named) == REUSED[code]


@pytest.mark.parametrize("day", [EVE, DAY], ids=["before", "after"])
def test_on_one_day_no_two_provinces_have_one_code(day: date) -> None:
    codes = Counter(p["codes"][0]["code"] for p in provinces(day))

    assert max(codes.values()) == 1


@pytest.fixture
async def reorganised(world: World) -> World:
    """August 2025, with both trees and all 23 changes."""
    for name in ("units_2022.json", "provinces_2025.json"):
        (await world.admin.put("/v1/units", json=sample(name))).raise_for_status()
    now = {"now": "2025-08-20T08:00:00+07:00"}
    (await world.admin.put("/v1/clock", json=now)).raise_for_status()
    for change in changes():
        answer = await world.admin.post("/v1/reorganisations", json=change)
        assert answer.status_code == 200, answer.text
    return world


@pytest.mark.anyio
async def test_sums_before_are_sums_after(reorganised: World) -> None:
    """Every province's last year is the sum of those it came from, and none is lost."""
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    before = {
        p["code"]: (rng.randint(0, 500), rng.randint(500, 9000)) for p in provinces(EVE)
    }
    after = {p["code"]: (1, 2) for p in provinces(DAY)}
    reports = [
        {
            "unit": code,
            "period": period,
            "figures": [{"measure": "cases", "done": done, "enforceable": enforceable}],
        }
        for period, rows in (("2024M10", before), ("2025M10", after))
        for code, (done, enforceable) in rows.items()
    ]
    sent = await reorganised.report(*reports)
    await reorganised.evaluated(sent.json()["batch"])

    query = {"period": "2025M10", "kind": "province", "limit": "1000"}
    cards = (await reorganised.admin.get("/v1/scorecards", params=query)).json()[
        "items"
    ]

    came_from = {change["into"][0]: change["from"] for change in changes()}
    assert len(cards) == 34
    for card in cards:
        parts = came_from.get(card["unit"], [card["unit"]])
        done = sum(before[part][0] for part in parts)
        enforceable = sum(before[part][1] for part in parts)
        basis = "restated" if card["unit"] in came_from else "as_reported"
        assert card["last_year"]["basis"] == basis, f"seed {seed}"
        assert card["last_year"]["rate"] == str(published(done, enforceable)), (
            f"seed {seed}"
        )
    # The nation's own last year, from 63 provinces, is the sum that the 34 restate.
    national = (await reorganised.admin.get("/v1/scorecards/VN/2025M10")).json()[
        "items"
    ][0]
    whole = published(
        sum(done for done, _ in before.values()), sum(e for _, e in before.values())
    )
    assert national["last_year"]["rate"] == str(whole), f"seed {seed}"
