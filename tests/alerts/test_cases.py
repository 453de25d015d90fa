"""Rules of cases: one matter for all cases of a unit, whose members come and go."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest

from services.alerts.cases.sweeping import one_after_another
from services.alerts.domain.watching import Watch
from services.alerts.rulebook import shipped_rules
from tests.alerts.test_reports_owed import clock_at
from tests.ingest.cases.sending import case, plant, unit
from tests.support.world import World

pytestmark = pytest.mark.anyio
RULE = "enforceable-over-one-year"
TODAY = date(2022, 3, 8)


async def send(world: World, *cases: dict[str, Any]) -> dict[str, Any]:
    answer = await world.admin.post("/v1/cases", json={"cases": list(cases)})
    return await world.evaluated(answer.raise_for_status().json()["batch"])


async def matters(world: World, rule: str = RULE) -> list[dict[str, Any]]:
    found = await world.admin.get("/v1/escalations", params={"rule": rule})
    items: list[dict[str, Any]] = found.raise_for_status().json()["items"]
    return items


def old(number: int, **more: Any) -> dict[str, Any]:
    return case(number, decided_on="2020-05-04", status_since="2020-05-10", **more)


@pytest.fixture
async def planted(world: World) -> World:
    await plant(world)
    return world


async def test_all_cases_of_a_unit_are_one_matter_and_the_worst_speaks(
    planted: World,
) -> None:
    ended = await send(
        planted, old(1, reason_code="tranh_chap"), old(2), case(3), old(4, unit="B1")
    )

    found = {m["unit"]: m for m in await matters(planted)}
    assert ended["escalations"] == {"opened": 2, "closed": 0}
    assert found.keys() == {"A1", "B1"}
    mine = found["A1"]
    assert (mine["severity"], mine["facts"]["members"]) == ("high", 2)
    assert [m["case_no"] for m in mine["members"]] == ["2/QĐ-THA", "1/QĐ-THA"]
    assert (mine["period"], mine["measure"], mine["category"]) == (None, None, None)
    assert mine["due"]["on"] == "2022-04-04"
    assert mine["message"]["vi"].startswith("A1 có 2 việc")
    assert (mine["decided_by"], mine["addressed_to"]) == ("both", "A1")


async def test_the_answer_waits_until_every_unit_s_cases_are_judged(
    planted: World,
) -> None:
    several = [old(n, unit=unit) for n, unit in enumerate(("A1", "A2", "B1"))]
    answer = await planted.admin.post(
        "/v1/cases", json={"cases": several}, params={"wait": 30}
    )

    assert answer.status_code == 202
    batch = answer.json()["batch"]
    shown = (await planted.admin.get(f"/v1/batches/{batch}")).json()
    assert shown["state"] == "evaluated"
    assert shown["escalations"] == {"opened": 3, "closed": 0}
    assert {m["unit"] for m in await matters(planted)} == {"A1", "A2", "B1"}


async def test_members_leave_and_the_last_one_closes_the_matter(planted: World) -> None:
    await send(planted, old(1), old(2, reason_code="tranh_chap"))

    await send(planted, old(1, status="completed", as_of="2022-03-05"))
    [left] = await matters(planted)
    assert (left["facts"]["members"], left["severity"]) == (1, "medium")
    assert [m["case_no"] for m in left["members"]] == ["2/QĐ-THA"]

    ended = await send(planted, old(2, status="completed", as_of="2022-03-05"))
    [closed] = await matters(planted)
    assert (closed["state"], closed["closed_as"]) == ("closed", "data")
    assert ended["escalations"] == {"opened": 0, "closed": 1}

    await send(planted, old(5))
    states = sorted(m["state"] for m in await matters(planted))
    assert states == ["closed", "open"], "after a matter is closed a new one may open"


async def test_a_case_comes_of_age_as_the_day_begins(planted: World) -> None:
    await send(planted, case(1, decided_on="2021-03-10", status_since="2021-03-11"))
    assert await matters(planted) == []

    await clock_at(planted, "2022-03-12T09:00:00+07:00")

    [found] = await matters(planted)
    assert found["opened_at"] == "2022-03-11T00:00:00+07:00", "past the anniversary"


async def test_a_matter_names_some_and_lists_them_all(planted: World) -> None:
    await send(planted, *(old(n) for n in range(60)), case(77))

    [found] = await matters(planted)
    assert (found["facts"]["members"], len(found["members"])) == (60, 20)
    listed: list[str] = []
    page: dict[str, Any] = {"next": None}
    while not listed or page["next"]:
        query = {"limit": "25", **({"cursor": page["next"]} if page["next"] else {})}
        answer = await planted.admin.get(
            f"/v1/escalations/{found['id']}/members", params=query
        )
        page = answer.raise_for_status().json()
        listed += [one["case_no"] for one in page["items"]]
    assert listed == [f"{n}/QĐ-THA" for n in range(60)]


async def test_the_same_cases_again_move_nothing(planted: World) -> None:
    await send(planted, old(1), old(2))
    [before] = await matters(planted)

    await send(planted, case(3))

    [after] = await matters(planted)
    assert after == before


async def test_a_case_that_goes_on_under_a_successor_is_its_member_alone(
    planted: World,
) -> None:
    day = "2022-01-01"
    rows = [
        unit("A5", "A", valid_to=day),
        unit("A7", "A", valid_to=day),
        unit("A6", "A", valid_from=day),
    ]
    (await planted.admin.put("/v1/units", json={"units": rows})).raise_for_status()
    change = {
        "effective": day,
        "from": ["A5", "A7"],
        "into": ["A6"],
        "document": {"number": "1", "date": "2021-12-01"},
    }
    answer = await planted.admin.post("/v1/reorganisations", json=change)
    answer.raise_for_status()
    before = {"as_of": "2021-12-15"}

    await send(
        planted,
        old(1, unit="A5", **before),
        old(2, unit="A5", **before),
        old(3, unit="A7", **before),
        old(1, unit="A6"),
    )

    members = {
        found["unit"]: [one["case_no"][0] for one in found["members"]]
        for found in await matters(planted)
    }
    assert members == {"A5": ["2"], "A6": ["1"], "A7": ["3"]}


async def test_the_last_verification_decides_however_the_days_are_sent(
    planted: World,
) -> None:
    stopped = {
        "decided_on": "2020-05-04",
        "status": "not_enforceable",
        "status_since": "2020-06-01",
    }

    await send(
        planted,
        case(1, **stopped, verified_on=["2021-12-01", "2020-12-01"]),
        case(2, **stopped, verified_on=["2021-05-01", "2020-12-01"]),
        case(3, **stopped, verified_on=["2020-12-01", "2021-02-01"]),
        case(4, **stopped, verified_on=[]),
    )

    [found] = await matters(planted, "verification-overdue")
    named = [(one["case_no"][0], one["severity"]) for one in found["members"]]
    assert named == [("3", "high"), ("2", "medium"), ("4", "medium")]
    assert (found["facts"]["members"], found["decided_by"]) == (3, "both")


async def test_who_gives_up_a_sweep_can_go_on_with_its_connection(
    planted: World,
) -> None:
    rules = [rule for rule, _ in shipped_rules() if rule.watches is Watch.CASE]
    together = [[rule] for rule in rules if rule.effective.covers(TODAY)]
    swept = planted.owner.transaction()
    await swept.start()
    sweeping = one_after_another(planted.owner, together, TODAY, None)

    await anext(sweeping)
    await asyncio.sleep(0)  # the database is asked about the second rule now
    await sweeping.aclose()

    await swept.rollback()
    assert await planted.owner.fetchval("SELECT 1") == 1
