"""Each shipped rule of figures, on reports as units send them, through all of scoring."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.support.world import World

pytestmark = pytest.mark.anyio

NOW = "2025-10-06T08:00:00+07:00"
CELL = tuple[str, str, str]


def figures(measure: str, category: str = "all", **counts: Any) -> dict[str, Any]:
    return {"measure": measure, "category": category, **counts}


def months(unit: str, year: int, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cumulative reports of cases, one for each month from October on."""
    return [
        {
            "unit": unit,
            "period": f"{year}M{n:02d}",
            "figures": [figures("cases", **row)],
        }
        for n, row in enumerate(rows, start=1)
    ]


def steady(n: int, **more: int) -> dict[str, int]:
    """A unit that finishes some fifty of its thousand cases a month."""
    done = 50 * n + n % 3
    return {
        "to_enforce": 1000,
        "enforceable": 800 - n % 4,
        "done": done,
        "entrusted": n + n * n // 3,
    } | more


async def fired(world: World, *reports: dict[str, Any]) -> set[CELL]:
    """(rule, unit, period) of what stands of their units once all is judged."""
    sent = await world.report(*reports)
    assert sent.status_code == 202, sent.text
    await world.evaluated(sent.json()["batch"])
    found = await world.admin.get("/v1/escalations", params={"limit": 1000})
    units = {report["unit"] for report in reports}
    return {
        (m["rule"]["id"], m["unit"], m["period"])
        for m in found.json()["items"]
        if m["unit"] in units
    }


async def plant(world: World, *units: tuple[str, str, str]) -> None:
    """(code, kind, parent) of units that were always there."""
    body = [
        {"code": code, "name": code, "kind": kind, "parent": parent}
        | {"valid_from": "2010-01-01"}
        for code, kind, parent in units
    ]
    answer = await world.admin.put("/v1/units", json={"units": body})
    assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
async def later(template: str) -> AsyncIterator[World]:
    """October 2025, a province with a target, and offices enough for every test."""
    owner = await asyncpg.connect(template)
    await owner.execute("CREATE DATABASE figures TEMPLATE template_dondoc")
    async with World.running(f"{template.rsplit('/', 1)[0]}/figures", now=NOW) as world:
        offices = [f"{letter}{n}" for letter in "ABCD" for n in range(1, 5)]
        await plant(
            world,
            ("P", "province", "VN"),
            *((code, "office", "P") for code in offices),
            ("D1-1", "officer", "D1"),
        )
        target = {"unit": "P", "year": 2025, "measure": "cases", "rate": "60.00"}
        document = {"number": "1/QĐ", "date": "2024-12-02"}
        targets = [{**target, "operator": "at_least", "document": document}]
        answer = await world.admin.put("/v1/targets", json={"targets": targets})
        assert answer.status_code == 200, answer.text
        yield world
    await owner.execute("DROP DATABASE figures WITH (FORCE)")
    await owner.close()


async def test_what_only_the_months_before_can_show(later: World) -> None:
    year = [steady(n) for n in range(1, 13)]
    stops = [*year[:10], steady(11, done=502), steady(12, done=503)]
    hides = [*year[:11], steady(12, enforceable=650)]
    sends = [*year[:11], steady(12, entrusted=120)]
    before = [one for u in ("A1", "A2", "A3", "A4") for one in months(u, 2024, year)]

    found = await fired(
        later,
        *before,
        *months("A1", 2025, stops),
        *months("A2", 2025, hides),
        *months("A3", 2025, sends),
        *months("A4", 2025, year),
    )

    asked = (
        "hoarding-after-target",
        "suspicious-reclassification",
        "entrusting-in-september",
    )
    assert {cell for cell in found if cell[0] in asked} == {
        ("hoarding-after-target", "A1", "2025M11"),
        ("hoarding-after-target", "A1", "2025M12"),
        ("suspicious-reclassification", "A2", "2025M12"),
        ("entrusting-in-september", "A3", "2025M12"),
    }


async def test_what_last_year_can_show(later: World) -> None:
    def report(unit: str, year: int, *counts: int) -> dict[str, Any]:
        names = ("to_enforce", "enforceable", "done")
        row = figures("cases", **dict(zip(names, counts, strict=True)))
        return {"unit": unit, "period": f"{year}M06", "figures": [row]}

    found = await fired(
        later,
        *(report(f"B{n}", 2024, 1000, 800, 400) for n in "1234"),
        report("B1", 2025, 1000, 700, 400),  # the same, of fewer: share and gain
        report("B2", 2025, 1000, 800, 450),  # earned
        report("B3", 2025, 1000, 751, 350),  # 4.90 points of share are less than five
    )

    asked = ("gain-from-denominator", "enforceable-share-falling")
    assert {cell[:2] for cell in found if cell[0] in asked} == {
        ("gain-from-denominator", "B1"),
        ("enforceable-share-falling", "B1"),
    }


async def test_the_annual_duties_of_decision_1229(later: World) -> None:
    def report(unit: str, missing: int) -> dict[str, Any]:
        old = {"carried_over": 20, "newly_accepted": 0, "resolved": 20 - missing}
        new = {"carried_over": 0, "newly_accepted": 20, "resolved": 19 - missing}
        plain = {"carried_over": 0, "newly_accepted": 20, "resolved": 20 - missing}
        return {
            "unit": unit,
            "period": "2025M12",
            "figures": [
                figures("complaints", "carried_over", **old),
                figures("complaints", "newly_accepted", **new),
                figures("administrative", **plain),
                figures("decisions", newly_accepted=20, resolved=20 - missing),
                figures("guidance", **{**plain, "resolved": 20}, resolved_in_time=20 - missing),
            ],
        }  # fmt: skip

    found = await fired(later, report("C1", missing=1), report("C2", missing=0))

    assert found == {
        (rule, "C1", "2025M12")
        for rule in (
            "administrative-judgments-tracked",
            "complaints-carried-over",
            "complaints-new",
            "decisions-lawful",
            "guidance-in-time",
        )
    }


async def test_much_money_an_officer_and_a_target_missed(later: World) -> None:
    def report(unit: str, *rows: dict[str, Any]) -> dict[str, Any]:
        return {"unit": unit, "period": "2025M12", "figures": list(rows)}

    def money(to_enforce: int, done: int) -> dict[str, Any]:
        return figures(
            "money", to_enforce=to_enforce, enforceable=to_enforce, done=done
        )

    found = await fired(
        later,
        report("VN", figures("money", published_rate="50.00")),
        report("D1", money(200_000_000_000, 90_000_000_000)),
        report("D2", money(199_999_999_999, 1)),
        report("D3", money(900_000_000_000, 450_000_000_000)),
        report("D4", figures("cases", enforceable=100, done=59)),
        report("D1-1", figures("cases", enforceable=100, done=59)),
    )

    assert {cell[:2] for cell in found} >= {
        ("large-intake-low-rate", "D1"),
        ("below-target", "D4"),
        ("officer-below-target", "D1-1"),
    }
    assert ("below-target", "D1-1") not in {cell[:2] for cell in found}
    assert {u for r, u, _ in found if r == "large-intake-low-rate"} == {"D1"}


async def test_one_office_with_a_single_officer_for_the_work_of_many(
    later: World,
) -> None:
    offices = [f"L{n}" for n in range(8)]
    officers = [(f"{code}-1", "officer", code) for code in offices]
    await plant(later, *((code, "office", "P") for code in offices), *officers)

    found = await fired(
        later,
        *(
            {"unit": code, "period": "2025M06"}
            | {"figures": [figures("cases", to_enforce=load, enforceable=9, done=4)]}
            for code, load in zip(
                offices, (100, 105, 95, 110, 90, 102, 98, 600), strict=True
            )
        ),
    )

    assert {u for r, u, _ in found if r == "workload-out-of-balance"} == {"L7"}
