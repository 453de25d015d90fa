"""Each shipped rule of cases, on records as an agency sends them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.alerts.test_cases import send
from tests.ingest.cases.sending import case, plant
from tests.support.world import World

pytestmark = pytest.mark.anyio

NOT_YET = {"status": "not_enforceable", "published_on": "2022-01-05"}
EARLY = {"decided_on": "2020-12-01"}
LATELY = {"verified_on": ["2022-02-10"]}

# Of each rule: records on which it fires, and the same with what makes it silent.
# A case is sent as of 8 March 2022 unless it says otherwise; the later line stands.
Line = dict[str, Any]
RULES: dict[str, tuple[list[Line], list[Line]]] = {
    "enforceable-over-one-year": (
        [{"decided_on": "2021-03-07", "status_since": "2021-03-07"}],
        [{"decided_on": "2021-03-08", "status_since": "2021-03-08"}],
    ),
    "key-case-without-plan": ([{"key_case": True}], [{"key_case": False}]),
    "auctioned-not-handed-over": (
        [{"auctioned_on": "2022-02-05"}],
        [{"auctioned_on": "2022-02-05", "handed_over_on": "2022-03-01"}],
    ),
    "money-held": (
        [
            {"held_vnd": 1, "as_of": "2022-02-01T08:00:00+07:00"},
            {"held_vnd": 9, "as_of": "2022-03-07T08:00:00+07:00"},
        ],
        [
            {"held_vnd": 1, "as_of": "2022-02-01T08:00:00+07:00"},
            {"held_vnd": 0, "as_of": "2022-02-20T08:00:00+07:00"},
            {"held_vnd": 9, "as_of": "2022-03-07T08:00:00+07:00"},
        ],
    ),
    "not-published-in-time": (
        [{**NOT_YET, **LATELY, "status_since": "2022-02-28", "published_on": None}],
        [{**NOT_YET, **LATELY, "status_since": "2022-02-28"}],
    ),
    "still-published": (
        [{"status": "completed", "status_since": "2022-02-28"} | {"published_on": "2022-01-05"}],
        [{"status": "completed", "status_since": "2022-02-28"}],
    ),
    "verification-overdue": (
        [{**NOT_YET, "status_since": "2022-01-05", "verified_on": ["2020-01-06", "2021-09-07"]}],
        [{**NOT_YET, "status_since": "2022-01-05", "verified_on": ["2020-01-06", "2021-09-08"]}],
    ),
    "ledger-too-early-decree-62": (
        [
            {**NOT_YET, **EARLY, "status_since": "2021-03-01", "as_of": "2021-03-02T08:00:00+07:00"},
            {**EARLY, "status": "ledger", "status_since": "2022-02-28", "verified_on": ["2021-04-01", "2021-10-01"]},
        ],
        [
            {**NOT_YET, **EARLY, "status_since": "2021-03-01", "as_of": "2021-03-02T08:00:00+07:00"},
            {**EARLY, "status": "ledger", "status_since": "2022-03-01", "verified_on": ["2021-04-01", "2021-10-01"]},
        ],
    ),
}  # fmt: skip
LATER: dict[str, tuple[list[Line], list[Line]]] = {
    "large-credit-over-three-years": (
        [{"claims": ["credit"], "due_vnd": 20_000_000_000, "decided_on": "2021-02-01"}],
        [{"claims": ["credit"], "due_vnd": 19_999_999_999, "decided_on": "2021-02-01"}],
    ),
    "corruption-followed-centrally": (
        [{"claims": ["corruption", "central_committee"]}],
        [{"claims": ["corruption"]}],
    ),
    "ledger-too-early-decree-152": (
        [
            {**NOT_YET, "status_since": "2024-08-04", "as_of": "2024-08-05T08:00:00+07:00"},
            {"status": "ledger", "status_since": "2026-08-03", "verified_on": ["2025-01-06"]},
        ],
        [
            {**NOT_YET, "status_since": "2024-08-03", "as_of": "2024-08-05T08:00:00+07:00"},
            {"status": "ledger", "status_since": "2026-08-03", "verified_on": ["2025-01-06"]},
        ],
    ),
}  # fmt: skip


async def told(
    world: World, rules: dict[str, tuple[list[Line], list[Line]]], day: str
) -> None:
    """Send all that fires to A1 and all that does not to B1."""
    moment = f"{day}T07:00:00+07:00"
    usual = {"decided_on": "2021-12-01", "status_since": "2021-12-01", "as_of": moment}
    await send(
        world,
        *(
            {**case(number), **usual, "unit": unit, **line}
            for number, lines in enumerate(rules.values(), start=1)
            for unit, of_unit in zip(("A1", "B1"), lines, strict=True)
            for line in of_unit
        ),
    )


async def members(world: World) -> dict[tuple[str, str], set[str]]:
    """(rule, unit) → the cases of its open matter."""
    found = await world.admin.get("/v1/escalations", params={"limit": 1000})
    return {
        (m["rule"]["id"], m["unit"]): {one["case_no"] for one in m["members"]}
        for m in found.json()["items"]
        if m["state"] == "open"
    }


async def test_each_rule_fires_where_it_should_and_only_there(world: World) -> None:
    await plant(world)

    await told(world, RULES, "2022-03-08")

    found = await members(world)
    for number, rule in enumerate(RULES, start=1):
        assert f"{number}/QĐ-THA" in found.get((rule, "A1"), ()), rule
        assert f"{number}/QĐ-THA" not in found.get((rule, "B1"), ()), rule


async def test_so_do_those_of_later_documents(url: str) -> None:
    async with World.running(url, now="2026-08-10T08:00:00+07:00") as world:
        await plant(world)
        await told(world, LATER, "2026-08-10")
        found = await members(world)

    for number, rule in enumerate(LATER, start=1):
        assert f"{number}/QĐ-THA" in found.get((rule, "A1"), ()), rule
        assert f"{number}/QĐ-THA" not in found.get((rule, "B1"), ()), rule
