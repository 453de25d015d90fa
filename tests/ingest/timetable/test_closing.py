"""Periods close by a word alone; what changes afterwards is a correction with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.world import World

pytestmark = pytest.mark.anyio

PERIOD = "2022M04"


def unit(code: str, parent: str, kind: str) -> dict[str, Any]:
    return {
        "code": code,
        "name": code,
        "kind": kind,
        "parent": parent,
        "valid_from": "2010-01-01",
    }


def report(unit: str, done: int, period: str = PERIOD, **more: Any) -> dict[str, Any]:
    figures = [{"measure": "cases", "enforceable": 100, "done": done}]
    return {"unit": unit, "period": period, "figures": figures, **more}


@pytest.fixture
async def reported(world: World) -> World:
    """A with A1, and B; both provinces reported."""
    units = [
        unit("A", "VN", "province"),
        unit("A1", "A", "office"),
        unit("B", "VN", "province"),
    ]
    await world.admin.put("/v1/units", json={"units": units})
    answer = await world.report(report("A", 50), report("B", 40))
    await world.evaluated(answer.json()["batch"])
    return world


async def word(world: World, action: str, period: str = PERIOD, **body: str) -> Any:
    return await world.admin.post(f"/v1/periods/{period}/{action}", json=body)


async def close(world: World, under: str = "VN") -> None:
    assert (await word(world, "close", under=under)).status_code == 200


async def test_a_period_stays_open_until_it_is_closed(reported: World) -> None:
    await reported.admin.put("/v1/clock", json={"now": "2022-09-01T08:00:00+07:00"})

    assert (await reported.report(report("A", 51))).status_code == 202


async def test_periods_are_as_they_were_known_then(reported: World) -> None:
    async def periods(**query: str) -> Any:
        asked = {"year": "2022", **query}
        return (await reported.admin.get("/v1/periods", params=asked)).json()["items"]

    await close(reported)
    then = await periods()
    await reported.admin.put("/v1/clock", json={"now": "2022-03-09T08:00:00+07:00"})
    await word(reported, "reopen", under="A", reason="Đếm lại")
    await reported.report(report("A1", 5), report("A", 1, "2022M05"))

    assert await periods(known_at="2022-03-08") == then
    assert [(p["state"], p["reports"]) for p in then] == [("closed", 2)]
    assert [(p["state"], p["reports"]) for p in await periods()] == [
        ("partly_closed", 3),
        ("open", 1),
    ]
    assert await periods(known_at="2022-03-07") == []


async def test_a_changed_row_in_a_closed_period_needs_a_reason(reported: World) -> None:
    await close(reported)

    answer = await reported.report(report("A", 51))

    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["code"], error["pointer"]) == ("reason_required", "/reports/0/reason")


async def test_unchanged_values_never_need_one(reported: World) -> None:
    await close(reported)

    answer = await reported.report(report("A", 50))

    assert (answer.status_code, answer.json()["unchanged"]) == (202, 1)


async def test_with_accept_valid_the_others_are_kept(reported: World) -> None:
    await close(reported, under="A")

    answer = await reported.report(
        report("A", 51), report("B", 41), on_error="accept_valid"
    )

    receipt = answer.json()
    assert (receipt["accepted"], [r["index"] for r in receipt["rejected"]]) == (1, [0])


async def test_with_a_reason_it_is_a_correction_on_record(reported: World) -> None:
    await close(reported)
    answer = await reported.report(report("A", 51, reason="Bỏ sót một việc"))
    await reported.evaluated(answer.json()["batch"])

    shown = (await reported.admin.get(f"/v1/reports/A/{PERIOD}/revisions")).json()[
        "items"
    ]

    assert [(r["revision"], r["correction"], r["reason"]) for r in shown] == [
        (1, False, None),
        (2, True, "Bỏ sót một việc"),
    ]
    assert [r["figures"][0]["done"] for r in shown] == [50, 51]
    assert shown[1]["author"]["name"] == "test"


async def test_a_first_report_after_closing_is_a_correction_too(
    reported: World,
) -> None:
    await close(reported)
    await reported.report(report("A1", 5, reason="Nộp muộn"))

    (shown,) = (await reported.admin.get(f"/v1/reports/A1/{PERIOD}/revisions")).json()[
        "items"
    ]

    assert shown["correction"]


async def test_subscribers_hear_of_closing_and_correction(reported: World) -> None:
    answer = await word(reported, "close", under="A")
    await reported.evaluated(answer.json()["batch"])
    answer = await reported.report(report("A", 51, reason="Bỏ sót"))
    await reported.evaluated(answer.json()["batch"])

    rows = await reported.owner.fetch(
        "SELECT type, unit, body FROM alerts.message WHERE type IN ('period.closed', 'report.corrected') ORDER BY id"
    )

    assert [(r["type"], r["unit"]) for r in rows] == [
        ("period.closed", "A"),
        ("report.corrected", "A"),
    ]
    assert "reason" not in json.loads(rows[1]["body"])["data"]  # it may name a person


@pytest.mark.parametrize(
    ("words", "closed"),
    [
        ([("close", "VN")], {"A", "A1", "B"}),
        ([("close", "A")], {"A", "A1"}),
        ([("close", "VN"), ("reopen", "A")], {"B"}),
        ([("close", "VN"), ("reopen", "A"), ("close", "VN")], {"A", "A1", "B"}),
        ([("close", "A"), ("close", "VN"), ("reopen", "VN")], set()),
        ([("close", "VN"), ("reopen", "A1")], {"A", "B"}),
    ],
    ids=["everywhere", "a province", "all but a province", "again", "reopened above", "all but an office"],
)  # fmt: skip
async def test_the_latest_word_on_the_way_up_holds(
    reported: World, words: list[tuple[str, str]], closed: set[str]
) -> None:
    for action, under in words:
        reason = {"reason": "r"} if action == "reopen" else {}
        assert (await word(reported, action, under=under, **reason)).status_code == 200

    found = set()
    for code in ("A", "A1", "B"):
        answer = await reported.report(report(code, 99), dry_run="true")
        if answer.status_code == 422:
            found.add(code)
    assert found == closed


@pytest.mark.parametrize(
    ("action", "body", "status", "code"),
    [
        ("close", {"under": "X"}, 422, "invalid"),
        ("reopen", {"reason": "r"}, 409, "not_closed"),
        ("reopen", {}, 422, "invalid"),
    ],
    ids=["an unknown unit", "what is open", "without a reason"],
)
async def test_impossible_words_are_refused(
    reported: World, action: str, body: dict[str, str], status: int, code: str
) -> None:
    answer = await word(reported, action, **body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_closing_twice_is_a_conflict(reported: World) -> None:
    await close(reported)

    answer = await word(reported, "close", under="A")

    assert (answer.status_code, answer.json()["code"]) == (409, "already_closed")


async def test_a_period_that_is_not_over_cannot_be_closed(reported: World) -> None:
    answer = await word(reported, "close", period="2022M06")

    assert (answer.status_code, answer.json()["code"]) == (409, "period_not_over")


async def test_the_periods_of_a_year_say_how_they_stand(reported: World) -> None:
    await close(reported, under="A")

    (shown,) = (await reported.admin.get("/v1/periods?year=2022")).json()["items"]

    assert (shown["period"], shown["reports"], shown["state"]) == (
        PERIOD,
        2,
        "partly_closed",
    )
    assert [(w["action"], w["under"]) for w in shown["closings"]] == [("close", "A")]
    a = await reported.client("analyst", under="A")
    (seen,) = (await a.get("/v1/periods?year=2022")).json()["items"]
    assert (seen["reports"], seen["state"]) == (1, "closed")


async def test_a_steward_closes_only_its_own(reported: World) -> None:
    steward = await reported.client("steward", under="A")

    other = await steward.post(f"/v1/periods/{PERIOD}/close", json={"under": "B"})
    whole = await steward.post(f"/v1/periods/{PERIOD}/close", json={})
    own = await steward.post(f"/v1/periods/{PERIOD}/close", json={"under": "A"})

    assert [a.status_code for a in (other, whole, own)] == [422, 422, 200]


async def test_revisions_are_seen_as_known(reported: World) -> None:
    await reported.admin.put("/v1/clock", json={"now": "2022-03-20T08:00:00+07:00"})
    await reported.report(report("A", 51))

    path = f"/v1/reports/A/{PERIOD}/revisions"
    now = (await reported.admin.get(path)).json()["items"]
    then = (await reported.admin.get(path, params={"known_at": "2022-03-10"})).json()[
        "items"
    ]

    assert ([r["revision"] for r in now], [r["revision"] for r in then]) == (
        [1, 2],
        [1],
    )
    assert (
        await reported.admin.get("/v1/reports/A1/2022M04/revisions")
    ).status_code == 404
