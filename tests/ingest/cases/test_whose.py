"""Whose a case is: its unit's, its officer's to read, and after a merger one unit's alone."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.ingest.cases.sending import case, listed, sent, unit
from tests.support.world import World

pytestmark = pytest.mark.anyio


async def numbers(client: httpx.AsyncClient, **asked: Any) -> list[str]:
    answer = await client.get("/v1/cases", params=asked)
    assert answer.status_code == 200, answer.text
    return [one["case_no"][0] for one in answer.json()["items"]]


@pytest.fixture
async def officers(world: World) -> World:
    """Of A1's cases A11 deals with the first two and A12 with the third; A12 moved to B1."""
    rows = [
        unit("A12", "A1", "officer", valid_to="2022-01-01"),
        unit("A12", "B1", "officer", valid_from="2022-01-01"),
    ]
    (await world.admin.put("/v1/units", json={"units": rows})).raise_for_status()
    await sent(
        world,
        case(1, officer="A11"),
        case(2, officer="A11", status="completed"),
        case(3, officer="A12"),
        case(4),
        case(5, unit="B1", officer="B11"),
    )
    return world


async def test_an_officers_cases_are_asked_for_by_the_officer(officers: World) -> None:
    assert await numbers(officers.admin, unit="A11") == ["1", "2"]
    assert await numbers(officers.admin, under="A11") == ["1", "2"]
    assert await numbers(officers.admin, unit="A11", status="completed") == ["2"]
    assert await numbers(officers.admin, unit="A12") == ["3"]
    assert await numbers(officers.admin, unit="A11", under="B") == []
    assert await numbers(officers.admin, under="A") == ["1", "2", "3", "4"]


async def test_an_officers_own_key_sees_those_cases_alone(officers: World) -> None:
    client = await officers.client("analyst", under="A11")
    (first, other) = (await listed(officers, unit="A1"))[::3]

    assert await numbers(client) == ["1", "2"]
    assert await numbers(client, unit="A11", limit=1) == ["1"]
    found = [
        (await client.get(f"/v1/cases/{one['id']}{more}")).status_code
        for one in (first, other)
        for more in ("", "/history")
    ]
    assert found == [200, 200, 404, 404]
    assert (await client.get("/v1/cases?unit=A1")).status_code == 404


async def test_an_office_does_not_see_what_its_officer_had_elsewhere(
    officers: World,
) -> None:
    client = await officers.client("analyst", under="B1")

    assert await numbers(client) == ["5"]
    assert await numbers(client, unit="A12") == []


async def reconciled(client: httpx.AsyncClient, unit: str) -> dict[str, Any]:
    asked = {"unit": unit, "period": "2022M05"}
    answer = await client.get("/v1/reconciliation", params=asked)
    assert answer.status_code == 200, answer.text
    columns = answer.json()["columns"]
    return {c["column"]: c["records"] for c in columns if c["measure"] == "cases"}


async def test_an_officers_report_is_held_against_the_officers_cases(
    officers: World,
) -> None:
    """What passed to another officer after the cut-off was still A11's then."""
    then = {"as_of": "2022-02-01"}
    later = {"as_of": "2022-03-02"}
    await sent(officers, case(1, officer="A11", **then), case(4, officer="A11", **then))
    await sent(officers, case(1, officer="A12", **later))
    client = await officers.client("analyst", under="A11")

    found = await reconciled(client, "A11")
    listing = await client.get(
        "/v1/reconciliation/cases",
        params={"unit": "A11", "period": "2022M05", "column": "in_progress"},
    )

    assert (found["in_progress"], found["done"]) == (2, 0)
    assert [one["case_no"][0] for one in listing.json()["items"]] == ["1", "4"]
    assert (await reconciled(officers.admin, "B11"))["in_progress"] is None


@pytest.fixture
async def merged(world: World) -> World:
    """A5 and A7 became A6 in 2022; both had a case of number 1, A5's goes on in A6."""
    day = "2022-01-01"
    rows = [
        unit("A5", "A", valid_to=day),
        unit("A7", "A", valid_to=day),
        unit("A6", "A", valid_from=day),
    ]
    (await world.admin.put("/v1/units", json={"units": rows})).raise_for_status()
    document = {"number": "1", "date": "2021-12-01"}
    change = {"effective": day, "from": ["A5", "A7"], "into": ["A6"]}
    answer = await world.admin.post(
        "/v1/reorganisations", json={**change, "document": document}
    )
    answer.raise_for_status()
    before = {"as_of": "2021-12-15"}
    await sent(
        world,
        case(1, unit="A5", **before),
        case(2, unit="A5", **before),
        case(1, unit="A7", decided_on="2021-06-16", **before),
        case(1, unit="A6", as_of="2022-02-01"),
    )
    return world


async def test_a_case_that_goes_on_under_a_successor_is_listed_once(
    merged: World,
) -> None:
    found = [(one["unit"], one["case_no"][0]) for one in await listed(merged)]

    assert found == [("A5", "2"), ("A6", "1"), ("A7", "1")]
    assert await numbers(merged.admin, unit="A5") == ["2"]


async def test_its_history_under_the_predecessor_stays(merged: World) -> None:
    number = await merged.owner.fetchval(
        "SELECT id FROM ingest.enforcement_case WHERE unit = 'A5' AND case_no ^@ '1'"
    )

    answer = await merged.admin.get(f"/v1/cases/cas_{number:013d}/history")

    assert len(answer.json()["versions"]) == 1


async def test_it_is_flagged_once(merged: World) -> None:
    (await merged.admin.put("/v1/clock", json={"now": "2022-07-01T08:00:00+07:00"})).raise_for_status()  # fmt: skip

    found = await listed(merged, flag="over_1_year")

    assert [one["unit"] for one in found] == ["A5", "A6", "A7"]
    assert [one["case_no"][0] for one in found] == ["2", "1", "1"]


@pytest.mark.parametrize(
    ("unit", "period", "expected"),
    [("A5", "2022M03", 2), ("A5", "2022M05", 1), ("A6", "2022M05", 1), ("A7", "2022M05", 1)],
    ids=["before the merger", "after it", "the successor", "another of that number"],
)  # fmt: skip
async def test_it_is_reconciled_where_it_stood_at_the_cut_off(
    merged: World, unit: str, period: str, expected: int
) -> None:
    answer = await merged.admin.get(
        "/v1/reconciliation", params={"unit": unit, "period": period}
    )

    (column,) = [c for c in answer.json()["columns"] if c["column"] == "in_progress"]
    assert column["records"] == expected
