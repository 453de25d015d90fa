"""A version in shadow judges live data, opens nothing, and shows what it would do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.alerts.rulebooks.test_backtests import (
    CASES,
    LEVEL_TOO,
    NEXT,
    RULE,
    draft,
    provinces,
    rates,
)
from tests.support.world import World

pytestmark = pytest.mark.anyio


async def shadowed(world: World, at: str = RULE, version: int = NEXT) -> None:
    answer = await world.admin.post(f"{at}/shadow", json={"version": version})
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "shadow"


async def said(world: World, at: str = RULE, **asked: str) -> dict[str, Any]:
    answer = await world.admin.get(f"{at}/shadow", params=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_it_opens_nothing_and_says_what_differs(world: World) -> None:
    await provinces(world, "A", "B", "C")
    text = LEVEL_TOO[: LEVEL_TOO.index("examples:")]
    await draft(world, text.replace('category == "all"', 'unit.code != "C"'))
    await shadowed(world)
    await rates(
        world,
        A={"2021M05": "45.00", "2022M05": "41.54"},
        B={"2021M05": "45.00", "2022M05": "45.00"},
        C={"2021M05": "45.00", "2022M05": "44.00"},
    )

    found = await said(world, period="2022M05")

    assert [(r["unit"], r["verdict"], r["active"], r["difference"]) for r in found["items"]] == [
        ("A", "fired", "fired", "same"),
        ("B", "fired", "silent", "would_open"),
        ("C", "out", "fired", "would_not"),
    ]  # fmt: skip
    assert found["counts"] == {
        "fired": 2, "held": 0, "silent": 0, "would_open": 1, "would_not": 1, "same": 1,
    }  # fmt: skip
    only = await said(world, period="2022M05", difference="would_open")
    assert [row["unit"] for row in only["items"]] == ["B"]
    matters = (await world.admin.get("/v1/escalations")).json()["items"]
    assert {(m["unit"], m["rule"]["version"]) for m in matters} == {
        ("A", NEXT - 1),
        ("C", NEXT - 1),
    }
    decisions = (await world.admin.get("/v1/decisions?period=2022M05")).json()["items"]
    assert {d["rule"]["version"] for d in decisions if d["rule"]["id"] == "below-last-year"} == {NEXT - 1}  # fmt: skip


async def test_a_key_sees_the_shadow_of_its_own_part(world: World) -> None:
    await provinces(world, "A", "B")
    await draft(world)
    await shadowed(world)
    rate = {"2021M05": "45.00", "2022M05": "41.54"}
    await rates(world, A=rate, B=rate)
    below = await world.client("analyst", under="B")

    answer = await below.get(f"{RULE}/shadow?period=2022M05")

    assert [row["unit"] for row in answer.json()["items"]] == ["B"]
    assert answer.json()["counts"]["fired"] == 1


async def test_what_was_said_ends_with_the_shadow(world: World) -> None:
    await provinces(world, "A")
    await draft(world)
    await shadowed(world)
    await rates(world, A={"2021M05": "45.00", "2022M05": "41.54"})

    await world.admin.post(f"{RULE}/retire", json={"version": NEXT})

    answer = await world.admin.get(f"{RULE}/shadow?period=2022M05")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_shadow")
    left = await world.owner.fetchval("SELECT count(*) FROM alerts.shadow_decision")
    assert left == 0


async def test_a_dry_run_leaves_no_shadow(world: World) -> None:
    await provinces(world, "A")
    await draft(world)
    await shadowed(world)
    figures = [{"measure": "cases", "published_rate": "41.54"}]
    report = {"unit": "A", "period": "2022M05", "figures": figures}

    answer = await world.report(report, dry_run=True, wait=20)

    batch = (await world.admin.get(f"/v1/batches/{answer.json()['batch']}")).json()
    assert batch["state"] == "previewed"
    assert (await said(world, period="2022M05"))["at"] is None


async def test_cases_in_shadow_are_counted_by_unit(world: World) -> None:
    at = "/v1/rules/old-cases"
    await provinces(world, "A")
    await draft(world, CASES, at)
    await shadowed(world, at, 1)
    case = {
        "unit": "A", "as_of": "2022-03-01T00:00:00+07:00", "status": "enforceable",
        "status_since": "2021-01-20", "claims": ["credit"], "key_case": False,
        "due_vnd": 1, "collected_vnd": 0, "verified_on": [], "decided_on": "2021-01-15",
    }  # fmt: skip
    cases = [{**case, "case_no": str(n)} for n in range(3)]
    answer = await world.admin.post("/v1/cases", json={"cases": cases})
    await world.evaluated(answer.json()["batch"])

    found = await said(world, at)

    [row] = found["items"]
    assert (row["unit"], row["cases"], row["active_cases"]) == ("A", 3, None)
    assert row["difference"] == "would_open"
    matters = (await world.admin.get("/v1/escalations?rule=old-cases")).json()["items"]
    assert matters == []


async def test_a_period_is_asked_for_where_there_is_one(world: World) -> None:
    await draft(world)
    await shadowed(world)

    answer = await world.admin.get(f"{RULE}/shadow")

    assert (answer.status_code, answer.json()["code"]) == (422, "period_wanted")
