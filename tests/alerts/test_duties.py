"""Every other act on a matter: taken back, withdrawn, taken up, exempted, inherited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.alerts.test_cases import old
from tests.alerts.test_cases import send as send_cases
from tests.alerts.test_reports_owed import clock_at
from tests.ingest.cases.sending import plant
from tests.support.world import World, until

pytestmark = pytest.mark.anyio
HIDDEN = Path(__file__).with_name("hidden.yaml")
EXPLANATION = {"causes": ["pandemic"], "text": "Dịch bệnh kéo dài."}


@pytest.fixture
async def unit(world: World, matter: dict[str, Any]) -> httpx.AsyncClient:
    """The province's own key."""
    return await world.client("responder", under="A")


@pytest.fixture
async def above(world: World) -> httpx.AsyncClient:
    """A supervisor at the centre."""
    return await world.client("supervisor")


async def whole(world: World, matter: dict[str, Any]) -> dict[str, Any]:
    answer = await world.admin.get(f"/v1/escalations/{matter['id']}")
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def to(matter: dict[str, Any], act: str) -> str:
    return f"/v1/escalations/{matter['id']}/{act}"


async def types(world: World, matter: dict[str, Any]) -> list[str]:
    rows = await world.owner.fetch(
        "SELECT type FROM alerts.message WHERE escalation = $1 ORDER BY sequence",
        matter["id"],
    )
    return [row["type"].removeprefix("escalation.") for row in rows]


# Taking back --------------------------------------------------------------------------


async def test_what_was_handed_in_can_be_taken_back_until_it_is_judged(
    world: World, matter: dict[str, Any], unit: httpx.AsyncClient
) -> None:
    (await unit.post(to(matter, "explanations"), json=EXPLANATION)).raise_for_status()

    back = await unit.post(
        to(matter, "explanations/1/withdraw"), json={"reason": "Nhầm"}
    )

    assert (back.json()["state"], back.json()["due"]) == ("open", matter["due"])
    await clock_at(world, "2022-03-16T00:00:01+07:00")

    async def overdue() -> bool:
        return "overdue" in await types(world, matter)

    await until(overdue)
    refused = await unit.post(to(matter, "explanations/1/withdraw"))
    assert (refused.status_code, refused.json()["code"]) == (
        409,
        "impossible_transition",
    )


async def test_a_clock_that_stood_still_while_explained_runs_on_from_now(
    world: World, matter: dict[str, Any], unit: httpx.AsyncClient
) -> None:
    (await unit.post(to(matter, "explanations"), json=EXPLANATION)).raise_for_status()
    await clock_at(world, "2022-03-20T08:00:00+07:00")
    assert (await whole(world, matter))["overdue"] is False

    await unit.post(to(matter, "explanations/1/withdraw"))

    async def overdue() -> bool:
        return "overdue" in await types(world, matter)

    await until(overdue)
    last = (await whole(world, matter))["history"][-1]
    assert last["at"] >= "2022-03-20T08:00:00"


# Withdrawing and taking up ------------------------------------------------------------


async def test_a_matter_is_withdrawn_for_a_reason_and_stays_closed(
    world: World, matter: dict[str, Any], above: httpx.AsyncClient
) -> None:
    closed = await above.post(to(matter, "withdraw"), json={"reason": "Số liệu sai."})

    assert (closed.json()["state"], closed.json()["closed_as"]) == (
        "closed",
        "withdrawn",
    )
    (
        await world.admin.post("/v1/evaluations", json={"period": "2022M05"})
    ).raise_for_status()
    assert (await whole(world, matter))["state"] == "closed"
    assert await types(world, matter) == ["opened", "closed"]


async def test_a_matter_is_taken_up_by_hand_and_keeps_its_deadline(
    world: World, matter: dict[str, Any], above: httpx.AsyncClient
) -> None:
    said = {"to": "VN", "reason": "Nghiêm trọng."}

    moved = (await above.post(to(matter, "escalate"), json=said)).json()

    assert (moved["level"], moved["addressed_to"]) == (1, "VN")
    assert moved["due"] == matter["due"]
    again = await above.post(to(matter, "escalate"), json=said)
    assert (again.status_code, again.json()["code"]) == (409, "already_there")
    nowhere = await above.post(to(matter, "escalate"), json={**said, "to": "A"})
    assert nowhere.json()["errors"][0]["code"] == "not_above"


async def test_an_act_on_an_old_reading_is_refused_and_says_what_is_now(
    world: World, matter: dict[str, Any], unit: httpx.AsyncClient
) -> None:
    (await unit.post(to(matter, "acknowledge"))).raise_for_status()

    stale = await unit.post(
        to(matter, "explanations"), json={**EXPLANATION, "sequence": matter["sequence"]}
    )

    assert (stale.status_code, stale.json()["code"]) == (409, "changed_meanwhile")
    assert stale.json()["sequence"] == matter["sequence"] + 1


# Exemptions ---------------------------------------------------------------------------

EXEMPTION = {
    "unit": "A",
    "rule": "below-last-year",
    "until": "2022-04-30",
    "document": {"number": "12/TCTHADS-NV", "date": "2022-03-10"},
    "reason": "Bão lụt.",
}


def month(period: str, rate: str) -> dict[str, Any]:
    figures = [{"measure": "cases", "published_rate": rate}]
    return {"unit": "A", "period": period, "figures": figures}


async def test_an_exemption_closes_what_is_open_and_lets_nothing_open(
    world: World, matter: dict[str, Any], above: httpx.AsyncClient
) -> None:
    made = (await above.post("/v1/exemptions", json=EXEMPTION)).json()
    assert (made["holds"], made["closed"]) == (True, [matter["id"]])
    now = await whole(world, matter)
    assert (now["state"], now["closed_as"]) == ("closed", "exempted")

    await clock_at(world, "2022-04-05T08:00:00+07:00")
    sent = await world.report(month("2021M06", "50.00"), month("2022M06", "40.00"))
    await world.evaluated(sent.json()["batch"])
    query = {"period": "2022M06", "rule": "below-last-year"}
    told = (await world.admin.get("/v1/decisions", params=query)).json()["items"]
    assert [one["inhibited_by"] for one in told] == [made["id"]]

    ended = await above.post(
        f"/v1/exemptions/{made['id']}/end", json={"reason": "Đã khắc phục."}
    )
    assert ended.json()["holds"] is False
    judged = await world.admin.post("/v1/evaluations", json={"period": "2022M06"})
    assert judged.json()["opened"] == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"rule": "no-such-rule"}, "unknown_rule"),
        ({"unit": "XX"}, "unknown_unit"),
        ({"until": "2022-03-01"}, "out_of_range"),
    ],
)
async def test_an_exemption_that_cannot_be_is_refused(
    above: httpx.AsyncClient, matter: dict[str, Any], change: dict[str, str], code: str
) -> None:
    answer = await above.post("/v1/exemptions", json={**EXEMPTION, **change})

    assert answer.status_code == 422
    assert [e["code"] for e in answer.json()["errors"]] == [code]


async def test_a_unit_does_not_exempt_itself(
    world: World, matter: dict[str, Any]
) -> None:
    own = await world.client("supervisor", under="A")

    assert (await own.post("/v1/exemptions", json=EXEMPTION)).status_code == 403


# Standing reports ---------------------------------------------------------------------


async def test_a_standing_report_that_is_accepted_is_due_again_next_month(
    world: World,
) -> None:
    await plant(world)
    await send_cases(world, old(1))
    [matter] = (await world.admin.get("/v1/escalations")).json()["items"]
    assert matter["due"]["on"] == "2022-04-04"
    unit = await world.client("responder", under="A1")
    above = await world.client("supervisor", under="A")
    await unit.post(to(matter, "explanations"), json=EXPLANATION)

    renewed = (await above.post(to(matter, "explanations/1/accept"))).json()

    assert (renewed["state"], renewed["due"]["on"]) == ("open", "2022-05-05")
    assert await types(world, matter) == ["opened", "explained", "opened"]
    await send_cases(world, old(1, status="completed", as_of="2022-03-07"))
    assert (await whole(world, matter))["closed_as"] == "data"


# Reorganisations ----------------------------------------------------------------------


async def test_a_successor_inherits_what_is_open_and_goes_up_its_own_way(
    world: World, matter: dict[str, Any]
) -> None:
    day = "2022-03-12"
    rows = [
        {"code": "A", "name": "A", "kind": "province", "parent": "VN",
         "valid_from": "2010-01-01", "valid_to": day},
        {"code": "S", "name": "S", "kind": "province", "parent": "VN", "valid_from": day},
    ]  # fmt: skip
    (await world.admin.put("/v1/units", json={"units": rows})).raise_for_status()
    change = {
        "effective": day,
        "from": ["A"],
        "into": ["S"],
        "document": {"number": "minh họa", "date": "2022-03-01"},
    }
    (await world.admin.post("/v1/reorganisations", json=change)).raise_for_status()

    await clock_at(world, "2022-03-13T08:00:00+07:00")

    now = await whole(world, matter)
    assert (now["addressed_to"], now["level"], now["unit"]) == ("S", 0, "A")
    assert now["history"][-1]["change"] == "inherited"
    assert now["history"][-1]["at"] == "2022-03-12T00:00:00+07:00"
    heir = await world.client("responder", under="S")
    handed = await heir.post(to(matter, "explanations"), json=EXPLANATION)
    assert handed.status_code == 201


# Who answered -------------------------------------------------------------------------


async def test_the_summary_says_who_answered_and_who_late(
    world: World,
    matter: dict[str, Any],
    unit: httpx.AsyncClient,
    above: httpx.AsyncClient,
) -> None:
    async def line() -> dict[str, Any]:
        query = {"period": "2022M05"}
        told = await world.admin.get("/v1/explanations/summary", params=query)
        [one] = told.raise_for_status().json()["items"]
        return dict(one)

    assert (await line())["outstanding"] == 1
    await clock_at(world, "2022-03-17T08:00:00+07:00")

    async def passed() -> bool:
        return "overdue" in await types(world, matter)

    await until(passed)
    await unit.post(to(matter, "explanations"), json=EXPLANATION)
    await above.post(to(matter, "explanations/1/return"))
    await unit.post(to(matter, "explanations"), json=EXPLANATION)
    await above.post(to(matter, "explanations/2/accept"))

    assert await line() == {
        "unit": "A",
        "owed": 1,
        "answered": 1,
        "late": 1,
        "returned": 1,
        "accepted": 1,
        "outstanding": 0,
        "overdue": 0,
    }


# What a unit is not shown ---------------------------------------------------------------


async def test_a_matter_for_those_above_is_not_shown_to_the_unit_nor_told_it(
    world: World,
) -> None:
    """Moves between columns are looked into before the unit hears of it."""
    units = [
        {"code": c, "name": c, "kind": k, "parent": p, "valid_from": "2010-01-01"}
        for c, k, p in (("A", "province", "VN"), ("A1", "office", "A"))
    ]
    (await world.admin.put("/v1/units", json={"units": units})).raise_for_status()
    await world.owner.execute("UPDATE alerts.rule SET state = 'retired'")
    source = HIDDEN.read_text("utf-8")
    await world.owner.execute(
        "INSERT INTO alerts.rule (id, version, state, source, created_at)"
        " VALUES ('hidden', 1, 'active', $1, now())",
        source,
    )
    own, above = (
        await world.client("analyst", under="A1"),
        await world.client("analyst", under="A"),
    )
    hears = [
        await (await world.client("subscriber", under=unit)).post(
            "/v1/subscriptions",
            json={"url": "http://127.0.0.1:9/x", "types": ["*"], "under": unit},
        )
        for unit in ("A1", "A")
    ]
    row = {"measure": "cases", "published_rate": "10.00"}
    sent = await world.report({"unit": "A1", "period": "2022M05", "figures": [row]})
    await world.evaluated(sent.json()["batch"])

    [matter] = (await above.get("/v1/escalations")).json()["items"]
    assert matter["visibility"] == "parent_and_above"
    assert (await own.get("/v1/escalations")).json()["items"] == []
    assert (await own.get(f"/v1/escalations/{matter['id']}")).status_code == 404
    told = await world.owner.fetch(
        "SELECT subscription FROM alerts.delivery WHERE escalation = $1", matter["id"]
    )
    assert [row["subscription"] for row in told] == [hears[1].json()["id"]]
