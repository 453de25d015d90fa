"""A rule over past months: what it would have said, to whom first, and what differs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.alerts.rulebook import RULES, load_text
from tests.support.subscriber import subscriber
from tests.support.world import World, until

pytestmark = pytest.mark.anyio

SHIPPED = (RULES / "below-last-year.yaml").read_text("utf-8")
CURRENT = load_text(SHIPPED).version
NEXT = CURRENT + 1
LEVEL_TOO = SHIPPED.replace(f"\nversion: {CURRENT}\n", f"\nversion: {NEXT}\n").replace(
    "rate < last_year.rate", "rate <= last_year.rate"
)
RULE = "/v1/rules/below-last-year"


async def draft(world: World, text: str = LEVEL_TOO, at: str = RULE) -> None:
    answer = await world.admin.put(
        at, content=text, headers={"content-type": "text/yaml"}
    )
    assert answer.status_code == 200, answer.text


async def provinces(world: World, *codes: str) -> None:
    unit = {"kind": "province", "parent": "VN", "valid_from": "2010-01-01"}
    units = [{"code": code, "name": code, **unit} for code in codes]
    (await world.admin.put("/v1/units", json={"units": units})).raise_for_status()


async def rates(world: World, **by_unit: dict[str, str]) -> None:
    """Published rates of cases by unit and period, all scored when this returns."""
    reports = [
        {
            "unit": unit,
            "period": period,
            "figures": [{"measure": "cases", "published_rate": rate}],
        }
        for unit, periods in by_unit.items()
        for period, rate in periods.items()
    ]
    answer = await world.report(*reports)
    await world.evaluated(answer.raise_for_status().json()["batch"])


async def backtest(world: World, **more: Any) -> dict[str, Any]:
    body = {"from": "2022M03", "to": "2022M05", **more}
    answer = await world.admin.post(f"{RULE}/backtest", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
async def told(world: World) -> World:
    """A fell behind in its fourth month, B never did and was level in the fifth."""
    await provinces(world, "A", "B")
    before = {"2021M03": "30.00", "2021M04": "35.00", "2021M05": "45.00"}
    await rates(
        world,
        A={**before, "2022M03": "31.00", "2022M04": "34.99", "2022M05": "41.54"},
        B={**before, "2022M03": "30.50", "2022M05": "45.00"},
    )
    return world


async def test_each_month_is_counted_and_held_against_the_active_version(
    told: World,
) -> None:
    await draft(told)

    found = await backtest(told)

    assert (found["state"], found["known"]) == ("done", "now")
    assert found["rule"] == {"id": "below-last-year", "version": NEXT}
    assert found["against"] == CURRENT
    counts = [
        (p["period"], p["fired"], p["held"], p["silent"]) for p in found["periods"]
    ]
    assert counts == [
        ("2022M03", 0, 0, 2),
        ("2022M04", 1, 0, 0),
        ("2022M05", 2, 0, 0),
    ]
    last = found["periods"][-1]
    assert last["units"] == ["A", "B"]
    assert last["against"]["more_rows"] == [
        {"unit": "B", "measure": "cases", "category": "all"}
    ]
    assert (last["against"]["fired"], last["against"]["less"]) == (1, 0)
    assert found["first_fired"] == [
        {"unit": "A", "period": "2022M04", "on": "2022-02-10"},
        {"unit": "B", "period": "2022M05", "on": "2022-03-10"},
    ]
    assert found["checked"] == {"rows": 5, "disagreed": 0}


async def test_what_cannot_be_known_is_held(told: World) -> None:
    await rates(told, B={"2022M02": "10.00"})

    found = await backtest(told, **{"from": "2022M02", "to": "2022M02"})

    [period] = found["periods"]
    assert (period["fired"], period["held"], period["silent"]) == (0, 1, 0)
    assert period["missing"] == [{"name": "last_year.rate", "count": 1}]
    assert found["checked"] == {"rows": 1, "disagreed": 0}


LACKING = SHIPPED.replace(f"\nversion: {CURRENT}\n", f"\nversion: {NEXT}\n").replace(
    "when: rate < last_year.rate",
    "when: rate < last_year.rate and (met is known or enforceable_over_1y > 3)"
    ' and rate < param("late")\nparams: {late: [{from: 2030-01-01, value: 50 %}]}',
)


async def test_each_missing_figure_is_counted_where_it_was_missed(told: World) -> None:
    examples = LACKING[LACKING.index("examples:") :]
    await draft(told, LACKING.replace(examples, ""))
    await rates(told, B={"2022M02": "10.00"})

    found = await backtest(told, **{"from": "2022M02"})

    missing = {
        p["period"]: {one["name"]: one["count"] for one in p["missing"]}
        for p in found["periods"]
    }
    late, over = 'param("late")', "enforceable_over_1y"
    # In the third month both are better than a year ago: nothing else counts.
    assert missing["2022M02"] == {"last_year.rate": 1, over: 1, late: 1}
    assert missing["2022M03"] == {}
    assert missing["2022M04"] == {over: 1, late: 1}
    assert found["checked"]["disagreed"] == 0


async def test_then_is_judged_as_it_was_known_then(told: World) -> None:
    moved = await told.admin.put("/v1/clock", json={"now": "2022-04-20T08:00:00+07:00"})
    assert moved.status_code == 200, moved.text
    await rates(told, A={"2022M05": "46.00"})

    now = await backtest(told, **{"from": "2022M05"})
    asked = await backtest(told, **{"from": "2022M05", "known": "then"})

    async def done() -> dict[str, Any] | None:
        address = f"{RULE}/backtests/{asked['backtest']}"
        shown: dict[str, Any] = (await told.admin.get(address)).json()
        return shown if shown["state"] == "done" else None

    assert asked["state"] == "running"
    then: Any = await until(done)
    assert now["periods"][0]["units"] == []
    assert then["periods"][0]["units"] == ["A"]
    left = await told.owner.fetchval("SELECT count(*) FROM platform.preview")
    assert left == 0
    listed = (await told.admin.get(f"{RULE}/backtests")).json()["items"]
    assert [one["known"] for one in listed] == ["then", "now"]


async def test_a_backtest_opens_the_way_to_activation(told: World) -> None:
    async with subscriber() as listening:
        wish = {"url": listening.url, "types": ["rule.activated"], "under": "VN"}
        (await told.admin.post("/v1/subscriptions", json=wish)).raise_for_status()
        await draft(told)
        await backtest(told)

        answer = await told.admin.post(
            f"{RULE}/activate", json={"version": NEXT, "reason": "level is not better"}
        )

        assert answer.status_code == 200, answer.text
        assert (answer.json()["state"], answer.json()["version"]) == ("active", NEXT)

        async def heard() -> bool:
            return bool(listening.posts)

        await until(heard)
    news = json.loads(listening.posts[0].body)
    assert news["type"] == "vn.dondoc.rule.activated"
    assert news["data"]["replaced_version"] == CURRENT
    before = (await told.admin.get(f"{RULE}?version={CURRENT}")).json()
    assert before["state"] == "retired"
    evaluated = await told.admin.post("/v1/evaluations", json={"period": "2022M05"})
    assert {row["unit"] for row in evaluated.json()["fired"]} == {"A", "B"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        pytest.param({"from": "2022M05", "to": "2022M04"}, "/to", id="backwards"),
        pytest.param({"from": "2015M01", "to": "2022M04"}, "/to", id="too many"),
        pytest.param({"from": "1900M01", "to": "1900M02"}, "/from", id="too early"),
        pytest.param({"from": "2022-09-12", "to": "2022M04"}, "/from", id="a day"),
    ],
)
async def test_what_cannot_be_judged_is_said(
    still_world: World, body: dict[str, str], pointer: str
) -> None:
    answer = await still_world.admin.post(f"{RULE}/backtest", json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


CASES = """
id: old-cases
version: 1
title: {vi: Việc cũ, en: Old cases}
basis: [{document: d, date: 2022-03-08}]
effective: {from: 2020-01-01}
watches: case
where: case.status == "enforceable"
when: age(case.decided_on, at) > 1 year
group_by: [unit]
severity: [{is: low}]
owes: nothing
closes: data
"""


async def test_rules_of_cases_look_at_each_month_s_end(world: World) -> None:
    await provinces(world, "A")
    case = {
        "unit": "A", "as_of": "2022-03-01T00:00:00+07:00", "status": "enforceable",
        "status_since": "2021-01-20", "claims": ["credit"], "key_case": False,
        "due_vnd": 1, "collected_vnd": 0, "verified_on": [],
    }  # fmt: skip
    cases = [
        {**case, "case_no": "1", "decided_on": "2021-01-15"},
        {
            **case,
            "case_no": "2",
            "decided_on": "2022-02-15",
            "status_since": "2022-02-15",
        },
    ]
    (await world.admin.post("/v1/cases", json={"cases": cases})).raise_for_status()
    await draft(world, CASES, "/v1/rules/old-cases")

    answer = await world.admin.post(
        "/v1/rules/old-cases/backtest", json={"from": "2022M03", "to": "2022M05"}
    )

    found = answer.json()
    assert found["cases"] == "as_they_stand", answer.text
    assert [(p["cases"], p["silent"], p["units"]) for p in found["periods"]] == [
        (0, 1, []),
        (1, 0, ["A"]),
        (1, 1, ["A"]),
    ]
    assert found["against"] is None


async def test_of_cases_what_each_lacks_is_counted(world: World) -> None:
    await provinces(world, "A")
    one = {
        "unit": "A", "as_of": "2022-03-01", "status": "enforceable",
        "decided_on": "2021-01-15", "status_since": "2021-01-20", "claims": ["credit"],
        "due_vnd": 1, "collected_vnd": 0,
    }  # fmt: skip
    cases = [
        {**one, "case_no": "1", "held_vnd": 9},
        {**one, "case_no": "2"},
        {**one, "case_no": "3"},
    ]
    answer = await world.admin.post("/v1/cases", json={"cases": cases})
    answer.raise_for_status()
    text = CASES.replace("age(case.decided_on, at) > 1 year", "case.held_vnd > 5 vnd")
    await draft(world, text, "/v1/rules/old-cases")

    answer = await world.admin.post(
        "/v1/rules/old-cases/backtest", json={"from": "2022M05", "to": "2022M05"}
    )

    [period] = answer.json()["periods"]
    assert (period["cases"], period["held"], period["silent"]) == (1, 2, 0)
    assert period["missing"] == [{"name": "case.held_vnd", "count": 2}]
