"""A report beside the case records of its cut-off, and why the two differ."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ingest.cases.sending import case, sent
from tests.support.world import World

pytestmark = pytest.mark.anyio
OF_A1 = {"unit": "A1", "period": "2022M05"}


async def compared(world: World, **asked: str) -> dict[tuple[str, str], dict[str, Any]]:
    answer = await world.admin.get("/v1/reconciliation", params=OF_A1 | asked)
    assert answer.status_code == 200, answer.text
    return {(c["measure"], c["column"]): c for c in answer.json()["columns"]}


async def counted(world: World, column: str, **asked: Any) -> list[tuple[str, bool, list[str]]]:  # fmt: skip
    parameters = {**OF_A1, "column": column, **asked}
    answer = await world.admin.get("/v1/reconciliation/cases", params=parameters)
    assert answer.status_code == 200, answer.text
    return [(c["case_no"][0], c["counted"], c["reasons"]) for c in answer.json()["items"]]  # fmt: skip


async def reported(world: World, **counts: int) -> None:
    figures = [{"measure": "cases", **counts}]
    answer = await world.report({**OF_A1, "figures": figures})
    assert answer.status_code == 202, answer.text


def now(number: int, status: str = "enforceable", since: str = "2021-11-01", **more: Any) -> Any:  # fmt: skip
    days = {"as_of": "2022-02-20", "decided_on": "2021-10-20", "status_since": since}
    return case(number, status=status, **{**days, **more})


async def moved(world: World, to: str) -> None:
    (await world.admin.put("/v1/clock", json={"now": to})).raise_for_status()


async def test_every_status_counts_where_the_forms_count_it(world: World) -> None:
    await sent(
        world,
        now(1),
        now(2, "completed"),
        now(3, "terminated"),
        now(4, "not_enforceable"),
        now(5, "postponed"),
        now(6, "suspended"),
        now(7, "ledger"),
        now(8, "completed", "2021-09-30", decided_on="2021-01-01"),
        case(9, unit="B1"),
    )

    found = await compared(world)
    of_a = await compared(world, unit="A")

    assert {column: found["cases", column]["records"] for _, column in found} == {
        "to_enforce": 6,
        "enforceable": 3,
        "done": 2,
        "completed": 1,
        "terminated": 1,
        "in_progress": 1,
        "not_enforceable": 1,
        "postponed_suspended": 2,
        "separate_ledger": 1,
    }
    assert of_a["cases", "to_enforce"]["records"] == 6
    assert {c["why"] for c in found.values()} == {"not_reported"}


async def test_the_difference_is_what_the_report_has_more(world: World) -> None:
    await sent(world, now(1), now(2, "completed"))
    await reported(world, enforceable=6, completed=1, terminated=0)

    found = await compared(world)

    assert found["cases", "enforceable"] == {
        "measure": "cases",
        "column": "enforceable",
        "reported": 6,
        "records": 2,
        "difference": 4,
        "why": None,
        "entered": 0,
        "left": 0,
    }
    assert found["cases", "done"]["difference"] == 0
    assert found["cases", "not_enforceable"]["why"] == "not_in_report"
    assert found["cases", "not_enforceable"]["difference"] is None


async def test_without_a_record_nothing_is_known(world: World) -> None:
    await reported(world, enforceable=6)

    found = await compared(world)

    assert {(c["records"], c["why"]) for c in found.values()} == {(None, "no_records")}


async def test_records_of_after_the_cut_off_do_not_count(world: World) -> None:
    await sent(world, now(1), now(2))
    await sent(world, now(2, "completed", "2022-03-01", as_of="2022-03-02"))
    await sent(world, now(3, as_of="2022-03-01"))

    found = await compared(world)

    assert found["cases", "enforceable"]["records"] == 2
    assert found["cases", "completed"]["records"] == 0
    assert await counted(world, "enforceable") == [
        ("1", True, []),
        ("2", True, ["changed_later"]),
    ]


async def test_records_and_report_are_compared_as_they_were_known_then(
    world: World,
) -> None:
    await sent(world, now(1), now(2))
    await reported(world, enforceable=5)
    then = await compared(world), await counted(world, "enforceable")
    await moved(world, "2022-03-09T08:00:00+07:00")
    await reported(world, enforceable=3)
    await sent(world, now(2, "not_enforceable", "2022-02-26", as_of="2022-02-27"))
    await sent(world, now(1, "completed", "2022-03-02", as_of="2022-03-03"))

    known = {"known_at": "2022-03-08"}
    again = await compared(world, **known), await counted(world, "enforceable", **known)

    assert again == then
    assert then[0]["cases", "enforceable"]["difference"] == 3
    assert (await compared(world))["cases", "enforceable"]["difference"] == 2


async def test_what_came_after_the_report_is_a_likely_reason(world: World) -> None:
    await sent(world, now(1), now(2), now(3))
    await reported(world, enforceable=3)
    await moved(world, "2022-03-09T08:00:00+07:00")
    late = {"as_of": "2022-02-27"}
    await sent(
        world,
        now(2, "not_enforceable", "2022-02-26", **late),
        now(3, "completed", "2022-02-26", **late),
        now(4, **late),
    )

    found = (await compared(world))["cases", "enforceable"]

    assert (found["reported"], found["records"]) == (3, 3)
    assert (found["entered"], found["left"]) == (1, 1)
    assert await counted(world, "enforceable", likely=True) == [
        ("2", False, ["received_later"]),
        ("4", True, ["received_later"]),
    ]
    assert len(await counted(world, "enforceable")) == 4
    assert len(await counted(world, "enforceable", limit=1)) == 1


async def test_money_counts_what_was_owed_on_1_october_and_collected_since(
    world: World,
) -> None:
    old = {"decided_on": "2021-03-01", "status_since": "2021-03-01"}
    await sent(world, now(1, **{**old, "as_of": "2021-09-30"}, due_vnd=100, collected_vnd=30))  # fmt: skip
    await sent(world, now(1, **{**old, "as_of": "2022-02-28"}, due_vnd=100, collected_vnd=50))  # fmt: skip
    await sent(world, now(2, due_vnd=7, collected_vnd=2))
    before = await compared(world)
    await sent(world, now(3, **old))

    after = await compared(world)

    assert before["money", "enforceable"]["records"] == 70 + 7
    assert before["money", "done"]["records"] == 20 + 2
    assert after["money", "done"]["records"] is None
    assert after["money", "done"]["why"] == "collected_before_unknown"


async def test_a_key_reconciles_its_own_units(world: World) -> None:
    client = await world.client("analyst", under="B")

    for path in ("", "/cases"):
        asked = {**OF_A1, "column": "done"} if path else OF_A1
        answer = await client.get(f"/v1/reconciliation{path}", params=asked)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_unit")
