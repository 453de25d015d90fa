"""As known at: figures, targets and tree of a moment give the same answer for ever."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.world import World, until

pytestmark = pytest.mark.anyio

THEN = "2022-03-09T00:00:00+07:00"


def province(code: str, **more: Any) -> dict[str, Any]:
    return {
        "code": code,
        "name": code,
        "kind": "province",
        "parent": "VN",
        "valid_from": "2010-01-01",
        **more,
    }


def target(rate: str, **document: str) -> dict[str, Any]:
    return {
        "unit": "VN",
        "year": 2022,
        "measure": "cases",
        "rate": rate,
        "operator": "at_least",
        "document": {"number": "1", "date": "2021-12-01", **document},
    }


def report(unit: str, done: int, period: str = "2022M05") -> dict[str, Any]:
    figures = [{"measure": "cases", "enforceable": 100, "done": done}]
    return {"unit": unit, "period": period, "figures": figures}


async def send(world: World, *reports: dict[str, Any]) -> None:
    answer = await world.report(*reports)
    assert answer.status_code == 202, answer.text
    await world.evaluated(answer.json()["batch"])


async def cards(world: World, **query: str) -> Any:
    query = {"period": "2022M05", "kind": "province", **query}
    answer = await world.admin.get("/v1/scorecards", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def move(world: World, now: str) -> None:
    assert (await world.admin.put("/v1/clock", json={"now": now})).status_code == 200


@pytest.fixture
async def amended(world: World) -> World:
    """Two provinces and a target on the 8th; all of them amended on the 10th."""
    await world.admin.put("/v1/units", json={"units": [province("A"), province("B")]})
    await world.admin.put("/v1/targets", json={"targets": [target("60.00")]})
    await send(world, report("A", 50), report("B", 40))
    await move(world, "2022-03-10T08:00:00+07:00")
    await send(world, report("A", 30))
    await world.admin.put(
        "/v1/targets", json={"targets": [target("55.00", number="2", amends="1")]}
    )
    moved = province("B", name="Renamed")
    await world.admin.put("/v1/units", json={"units": [moved, province("C")]})
    return world


async def test_a_correction_a_new_target_and_a_new_name_leave_the_past_as_it_was(
    amended: World,
) -> None:
    then = await cards(amended, known_at=THEN)

    shown = {c["unit"]: (c["name"], c["rate"], c["rank"]["position"]) for c in then}
    assert shown == {"A": ("A", "50.00", 1), "B": ("B", "40.00", 2)}
    assert {c["target"]["rate"] for c in then} == {"60.00"}
    assert {c["known_at"] for c in then} == {THEN}


async def settled(world: World) -> None:
    async def quiet() -> bool:
        return not await world.owner.fetchval("SELECT count(*) FROM platform.event")

    await until(quiet)


async def test_now_says_what_stands_now(amended: World) -> None:
    now = await cards(amended, known_at="2022-03-10")

    shown = {c["unit"]: (c["name"], c["rate"], c["rank"]["position"]) for c in now}
    assert shown == {"A": ("A", "30.00", 2), "B": ("Renamed", "40.00", 1)}
    assert {c["target"]["rate"] for c in now} == {"55.00"}


async def test_the_same_moment_gives_the_same_bytes_whatever_comes_later(
    amended: World,
) -> None:
    ranking = f"/v1/rankings/2022M05?known_at={THEN.replace('+', '%2B')}&format=csv"
    one = f"/v1/scorecards/A/2022M05?known_at={THEN.replace('+', '%2B')}"
    before = [(await amended.admin.get(path)).content for path in (ranking, one)]

    await move(amended, "2022-03-20T08:00:00+07:00")
    await send(amended, report("A", 90), report("B", 10))

    after = [(await amended.admin.get(path)).content for path in (ranking, one)]
    assert after == before
    assert b"A,A,50.00" in before[0]


async def test_what_was_known_now_is_what_is_stored(amended: World) -> None:
    """The computation beside what stands and the stored one are one computation."""
    await settled(amended)
    stored = await cards(amended)
    computed = await cards(amended, known_at="2022-03-10")

    assert [{**c, "known_at": ""} for c in computed] == [
        {**c, "known_at": ""} for c in stored
    ]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/v1/targets?year=2022", "55.00"),
        ("/v1/targets?year=2022&known_at=2022-03-08", "60.00"),
    ],
    ids=["as it stands", "as known before it was amended"],
)
async def test_targets_are_told_as_known(amended: World, path: str, found: str) -> None:
    (listed,) = (await amended.admin.get(path)).json()["items"]

    assert listed["rate"] == found


async def test_before_anything_was_known_there_is_nothing(amended: World) -> None:
    assert await cards(amended, known_at="2022-03-07") == []
