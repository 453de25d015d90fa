"""Reorganisations: lineage beside what was reported, one change for each unit and day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.lineage import Link, reaches_back
from services.ingest.domain.tree import Unit
from tests.support.world import World

pytestmark = pytest.mark.anyio

DAY = "2021-07-01"


def unit(code: str, **more: str) -> dict[str, Any]:
    return {
        "code": code,
        "name": code,
        "kind": "province",
        "parent": "VN",
        "valid_from": "2010-01-01",
        **more,
    }


def ended(code: str) -> dict[str, Any]:
    return unit(code, valid_to=DAY)


def begun(code: str) -> dict[str, Any]:
    return unit(code, valid_from=DAY)


@pytest.fixture
async def changed(still_world: World) -> World:
    """A and B became C on 1 July 2021; D ended and E began that day too."""
    units = [ended("A"), ended("B"), begun("C"), ended("D"), begun("E")]
    await still_world.admin.put("/v1/units", json={"units": units})
    assert (await reorganise(still_world, ["A", "B"], ["C"])).status_code == 200
    return still_world


async def reorganise(world: World, old: list[str], new: list[str]) -> Any:
    document = {"number": "1", "date": "2021-06-01"}
    body = {"effective": DAY, "from": old, "into": new, "document": document}
    return await world.admin.post("/v1/reorganisations", json=body)


async def test_the_same_change_again_changes_nothing(changed: World) -> None:
    again = await reorganise(changed, ["A", "B"], ["C"])

    assert again.json() == {"created": 0, "updated": 0, "unchanged": 2}


@pytest.mark.parametrize(
    ("old", "new", "pointers"),
    [
        (["A"], ["E"], {"/from/0"}),
        (["D"], ["C"], {"/into/0"}),
        (["D", "A"], ["E"], {"/from/1"}),
    ],
    ids=["it became another", "it came from others", "one of two"],
)
async def test_a_change_that_overlaps_another_is_refused(
    changed: World, old: list[str], new: list[str], pointers: set[str]
) -> None:
    answer = await reorganise(changed, old, new)

    assert answer.status_code == 422
    errors = answer.json()["errors"]
    assert {(e["pointer"], e["code"]) for e in errors} == {
        (p, "overlap") for p in pointers
    }


async def test_another_change_of_the_same_day_is_taken(changed: World) -> None:
    assert (await reorganise(changed, ["D"], ["E"])).status_code == 200


async def listed(client: Any, **query: Any) -> Any:
    answer = await client.get("/v1/reorganisations", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_changes_are_listed_as_they_were_sent(changed: World) -> None:
    await reorganise(changed, ["D"], ["E"])
    document = {"number": "1", "date": "2021-06-01"}
    merger = {"effective": DAY, "from": ["A", "B"], "into": ["C"], "document": document}

    whole = await listed(changed.admin)
    first = await listed(changed.admin, limit=1)
    second = await listed(changed.admin, limit=1, cursor=first["next"])

    assert whole["items"][0] == merger
    assert [(i["from"], i["into"]) for i in whole["items"]] == [
        (["A", "B"], ["C"]),
        (["D"], ["E"]),
    ]
    assert first["items"] + second["items"] == whole["items"]
    assert (whole["next"], second["next"]) == (None, None)
    assert (await listed(changed.admin, unit="B"))["items"] == [merger]
    assert (await listed(changed.admin, known_at="2022-03-07"))["items"] == []


async def test_a_key_sees_the_changes_of_its_own_units(changed: World) -> None:
    await reorganise(changed, ["D"], ["E"])
    at_c = await changed.client("analyst", under="C")
    at_a = await changed.client("analyst", under="A")

    assert [i["from"] for i in (await listed(at_c))["items"]] == [["A", "B"]]
    assert [(i["from"], i["into"]) for i in (await listed(at_a))["items"]] == [
        (["A"], [])
    ]
    answer = await at_c.get("/v1/reorganisations", params={"unit": "E"})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_unit")


@pytest.mark.parametrize(
    ("rows", "pointers"),
    [
        ([unit("A")], {"/units/0/valid_to"}),
        ([unit("A", valid_to="2021-06-30")], {"/units/0/valid_to"}),
        ([unit("A"), unit("B")], {"/units/0/valid_to", "/units/1/valid_to"}),
        ([unit("D"), unit("C", valid_from="2015-01-01", valid_to=DAY)], {"/units/1/valid_from"}),
        ([unit("A", valid_from=DAY)], {"/units/0/valid_to"}),
    ],
    ids=["it goes on", "it ended before", "both go on", "the new one stood before", "another row of it goes on"],
)  # fmt: skip
async def test_a_recorded_change_is_not_undone_by_a_later_row(
    changed: World, rows: list[dict[str, Any]], pointers: set[str]
) -> None:
    answer = await changed.admin.put("/v1/units", json={"units": rows})

    assert answer.status_code == 422, answer.text
    errors = answer.json()["errors"]
    assert {(e["pointer"], e["code"]) for e in errors} == {
        (pointer, "contradicts_lineage") for pointer in pointers
    }
    assert "recorded by 1, effective 2021-07-01" in errors[0]["message"]["en"]


async def test_a_predecessor_may_stand_again_later(changed: World) -> None:
    again = unit("A", valid_from="2021-10-01")

    answer = await changed.admin.put("/v1/units", json={"units": [again]})

    assert answer.json() == {"created": 1, "updated": 0, "unchanged": 0}


async def test_a_unit_that_reopens_stands_only_on_its_days(still_world: World) -> None:
    admin = still_world.admin
    for row in (unit("A", valid_to="2020-01-01"), unit("A", valid_from="2022-01-01")):
        await admin.put("/v1/units", json={"units": [row]})

    shown = {
        day: (await admin.get("/v1/units/A", params={"on": day})).status_code
        for day in ("2019-12-31", "2020-01-01", "2021-12-31", "2022-01-01")
    }
    listed = {
        day: (await admin.get("/v1/units", params={"on": day, "kind": "province"}))
        for day in ("2019-12-31", "2021-06-30", "2022-01-01")
    }
    taken = {
        period: (await still_world.report(report("A", period))).status_code
        for period in ("2019M12", "2021M06", "2022M05")
    }

    assert list(shown.values()) == [200, 404, 404, 200]
    assert [len(a.json()["items"]) for a in listed.values()] == [1, 0, 1]
    assert taken == {"2019M12": 202, "2021M06": 422, "2022M05": 202}


def report(unit: str, period: str) -> dict[str, Any]:
    return {
        "unit": unit,
        "period": period,
        "figures": [{"measure": "cases", "done": 1, "enforceable": 2}],
    }


@pytest.mark.parametrize(
    ("unit", "period", "status"),
    [
        ("C", "2021M05", 202),
        ("E", "2021M05", 422),
        ("C", "2009M05", 422),
        ("A", "2021M12", 422),
    ],
    ids=["its predecessors stood then", "it has none", "they did not stand yet", "it had ended"],
)  # fmt: skip
async def test_figures_of_a_time_before_need_predecessors_that_stood(
    changed: World, unit: str, period: str, status: int
) -> None:
    answer = await changed.report(report(unit, period))

    assert answer.status_code == status, answer.text
    if status == 422:
        assert answer.json()["errors"][0]["code"] == "unit_not_in_force"


START = date(2000, 1, 1)


@given(links=st.lists(st.tuples(*[st.integers(0, 6)] * 2, st.integers(0, 9)), max_size=12), day=st.integers(0, 9))  # fmt: skip
def test_reaching_back_ends_whatever_the_lineage(
    links: list[tuple[int, int, int]], day: int
) -> None:
    """Even circles of lineage, which no tree allows, are walked once."""
    by: dict[str, list[Link]] = {}
    for old, new, n in links:
        by.setdefault(str(new), []).append(
            Link(str(old), str(new), START + timedelta(days=n))
        )
    tree = {
        str(n): [Unit(str(n), "", "province", "VN", START, START + timedelta(days=n))]
        for n in range(1, 7)
    }

    found = reaches_back("0", START + timedelta(days=day), tree, by)

    if not any(
        link.effective > START + timedelta(days=day) for link in by.get("0", [])
    ):
        assert not found
