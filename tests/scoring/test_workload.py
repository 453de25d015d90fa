"""What stands out: movements of a month, loads of officers, and small units."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from statistics import median
from typing import Any

import pytest

from tests.support.world import World

pytestmark = pytest.mark.anyio

PERIOD = "2022M10"
MONTHS = [f"{y}M{m:02d}" for y in (2021, 2022) for m in range(1, 13)]
MONTHS = MONTHS[: MONTHS.index(PERIOD) + 1]
PEERS = [f"P{n}" for n in range(7)]


def unit(code: str, parent: str = "VN", kind: str = "province") -> dict[str, Any]:
    return {"code": code, "name": code, "kind": kind, "parent": parent, "valid_from": "2010-01-01"}  # fmt: skip


async def put(world: World, *units: dict[str, Any]) -> None:
    (await world.admin.put("/v1/units", json={"units": list(units)})).raise_for_status()


async def send(world: World, *reports: dict[str, Any]) -> None:
    answer = await world.report(*reports)
    assert answer.status_code == 202, answer.text
    await world.evaluated(answer.json()["batch"])


def ledger(number: int, month: int) -> int:
    """What stands in the ledger: a few more each month; at last far more in P0."""
    usual = 100 * number + 30 * month + (month * month * 3 + number * month) % 17
    return usual + (400 if number == 0 and month == len(MONTHS) - 1 else 0)


def cut(number: int, month: int) -> dict[str, Any]:
    # Dated in each working year by itself: stocks move within a year only.
    row = {
        **{"measure": "cases", "enforceable": 5000, "to_enforce": 10_000},
        **{"completed": 100, "separate_ledger": ledger(number, month)},
    }
    return {"unit": PEERS[number], "period": MONTHS[month], "figures": [row]}


@pytest.fixture
async def peers(url: str) -> Any:
    """Two working years of seven provinces, business time after the last month."""
    async with World.running(url, now="2022-08-10T08:00:00+07:00") as world:
        await put(world, *(unit(code) for code in PEERS))
        await send(world, *(cut(n, m) for n in range(7) for m in range(len(MONTHS))))
        yield world


def moves(number: int) -> dict[int, Decimal]:
    """Month → what the ledger moved by, in percent of what is to be enforced."""
    return {
        m: Decimal(ledger(number, m) - ledger(number, m - 1)) / 100
        for m in range(1, len(MONTHS))
        if not MONTHS[m].endswith("M01")
    }


def score(value: Decimal, usual: list[Decimal]) -> str:
    middle = median(usual)
    mad = median([abs(one - middle) for one in usual])
    exact = (value - middle) / (Decimal("1.4826") * mad)
    return str(exact.quantize(Decimal("0.01"), ROUND_HALF_UP))


async def outliers(world: World, **query: str) -> list[dict[str, Any]]:
    answer = await world.admin.get("/v1/outliers", params={"period": PERIOD, **query})
    items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
    return items


async def test_a_score_is_that_of_its_definition(peers: World) -> None:
    listed = [o for o in await outliers(peers) if o["movement"] == "separate_ledger"]
    found = {(o["unit"], o["against"]): o["score"] for o in listed}
    behind = {(o["unit"], o["against"]): o for o in listed}

    last = len(MONTHS) - 1
    everyone = [moves(n)[last] for n in range(7)]
    for number, code in enumerate(PEERS):
        mine = moves(number)
        own = [moved for month, moved in mine.items() if month != last]
        assert found[code, "history"] == score(mine[last], own)
        assert found[code, "peers"] == score(mine[last], everyone)
        for against, usual in (("history", own), ("peers", everyone)):
            one = behind[code, against]
            middle = median(usual)
            assert Decimal(one["moved"]) == mine[last]
            assert Decimal(one["median"]) == middle
            assert Decimal(one["mad"]) == median([abs(v - middle) for v in usual])


async def test_the_strongest_comes_first_and_pages_show_each_once(peers: World) -> None:
    whole = await outliers(peers)
    strengths = [abs(Decimal(one["score"])) for one in whole]
    pages, cursor = [], None
    while True:
        more = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        answer = await peers.admin.get(
            "/v1/outliers", params={"period": PERIOD, **more}
        )
        pages += answer.json()["items"]
        cursor = answer.json()["next"]
        if cursor is None:
            break

    assert whole[0]["unit"] == "P0"
    assert strengths == sorted(strengths, reverse=True)
    assert pages == whole


async def test_where_nothing_moves_nothing_is_unusual(peers: World) -> None:
    assert {o["movement"] for o in await outliers(peers)} == {"separate_ledger"}


async def test_a_key_reads_the_outliers_of_its_own_units(peers: World) -> None:
    client = await peers.client("analyst", under="P3")

    shown = (await client.get(f"/v1/outliers?period={PERIOD}")).json()["items"]

    assert {one["unit"] for one in shown} == {"P3"}
    whole = await outliers(peers)
    assert shown == [one for one in whole if one["unit"] == "P3"]


async def test_known_at_computes_the_same_scores(peers: World) -> None:
    assert await outliers(peers, known_at="2022-08-10") == await outliers(peers)


# Workload ----------------------------------------------------------------------------


def cases(code: str, to_enforce: int, **more: int) -> dict[str, Any]:
    row = {"measure": "cases", "to_enforce": to_enforce, "enforceable": 10, "done": 5}
    return {"unit": code, "period": "2022M05", "figures": [{**row, **more}]}


@pytest.fixture
async def officers(world: World) -> World:
    """An office with three officers, and one with a single officer."""
    await put(
        world,
        unit("P"),
        *(unit(code, "P", "office") for code in ("O1", "O2")),
        *(unit(f"H{n}", "O1", "officer") for n in (1, 2, 3)),
        unit("H4", "O2", "officer"),
    )
    await send(
        world,
        *(cases("O1", 300), cases("O2", 500), cases("P", 800)),
        *(cases("H1", 50), cases("H2", 100), cases("H3", 150)),
    )
    return world


async def test_work_is_divided_by_the_officers_in_force(officers: World) -> None:
    shown = (await officers.admin.get("/v1/workload/2022M05")).raise_for_status().json()

    one, two = shown["items"]
    assert (one["officers"], one["cases"]["per_officer"]) == (3, "100.00")
    assert (two["officers"], two["cases"]["per_officer"]) == (1, "500.00")
    assert one["cases"]["spread"] == {
        "reported": 3,
        "least": 50,
        "median": "100",
        "most": 150,
        "ratio": "3.00",
        "officers": [
            {"unit": code, "name": code, "to_enforce": count, "outlier": None}
            for code, count in (("H3", 150), ("H2", 100), ("H1", 50))
        ],
    }
    assert (two["cases"]["spread"], one["money"]["per_officer"]) == (None, None)
    assert shown["usual"]["cases"] == {"units": 2, "median": "300", "mad": None}


CROWD = (90, 100, 105, 110, 120, 400)


@pytest.fixture
async def crowd(officers: World) -> World:
    """Another office, of six officers; one of them has almost all of the work."""
    crowd = [f"C{n}" for n in range(len(CROWD))]
    await put(
        officers,
        unit("O3", "P", "office"),
        *(unit(code, "O3", "officer") for code in crowd),
    )
    await send(
        officers,
        cases("O3", sum(CROWD)),
        *(cases(code, load) for code, load in zip(crowd, CROWD, strict=True)),
    )
    return officers


async def test_an_officer_is_held_against_those_of_the_same_unit_or_all(
    crowd: World,
) -> None:
    shown = (await crowd.admin.get("/v1/workload/2022M05")).raise_for_status().json()

    few, _, many = (item["cases"]["spread"] for item in shown["items"])

    def scores(of: dict[str, Any], usual: list[Decimal]) -> dict[str, str]:
        return {
            o["unit"]: score(Decimal(o["to_enforce"]), usual) for o in of["officers"]
        }

    theirs = [Decimal(load) for load in CROWD]
    everyone = [*theirs, Decimal(50), Decimal(100), Decimal(150)]
    found = {o["unit"]: o["outlier"] for o in [*few["officers"], *many["officers"]]}
    assert found == scores(few, everyone) | scores(many, theirs)
    assert Decimal(found["C5"]) > 10


async def test_rules_may_read_how_unevenly_work_is_spread(crowd: World) -> None:
    shown = (await crowd.admin.get("/v1/workload/2022M05")).raise_for_status().json()
    stored = await crowd.owner.fetch(
        "SELECT unit, workload_spread FROM scoring.published_scorecard"
        " WHERE period = '2022M05' AND measure = 'cases' AND category = 'all'"
    )

    spreads = {row["unit"]: row["workload_spread"] for row in stored}
    listed = {
        item["unit"]: Decimal(item["cases"]["spread"]["ratio"])
        for item in shown["items"]
        if item["cases"]["spread"]
    }
    assert listed == {"O1": Decimal("3.00"), "O3": Decimal("4.44")}
    assert {code: spreads[code] for code in listed} == listed
    assert (spreads["P"], spreads["O2"], spreads["H1"]) == (Decimal("8.00"), None, None)


async def test_a_province_counts_the_officers_of_its_offices(officers: World) -> None:
    shown = await officers.admin.get("/v1/workload/2022M05?kind=province")

    (province,) = shown.json()["items"]
    assert (province["officers"], province["cases"]["per_officer"]) == (4, "200.00")


async def test_a_key_sees_the_workload_of_its_own_office(officers: World) -> None:
    client = await officers.client("analyst", under="O1")

    shown = (await client.get("/v1/workload/2022M05")).json()

    assert [item["unit"] for item in shown["items"]] == ["O1"]
    assert shown["usual"]["cases"]["units"] == 2


async def test_a_small_unit_is_listed_last_and_unranked(world: World) -> None:
    await put(world, unit("A"), unit("B"), unit("C"), unit("D"))
    rate = {
        "unit": "D",
        "period": "2022M05",
        "figures": [{"measure": "cases", "published_rate": "20.00"}],
    }
    await send(
        world,
        cases("A", 100, enforceable=50, done=20),
        cases("B", 9, enforceable=5, done=5),
        cases("C", 90, enforceable=80, done=60),
        rate,
    )

    listed = await world.admin.get("/v1/rankings/2022M05?min_enforceable=50")
    asked = "min_enforceable=50&peers=size&format=csv"
    csv = await world.admin.get(f"/v1/rankings/2022M05?{asked}")
    peers = await world.admin.get("/v1/rankings/2022M05?peers=size")

    lines = [(i["unit"], i["rank"], i["stt"]) for i in listed.json()["items"]]
    assert lines == [("C", 1, 1), ("A", 2, 2), ("D", 3, 3), ("B", None, 4)]
    assert csv.text.splitlines()[-1].startswith("4,,B,B,100.00")
    assert [item.get("why") for item in listed.json()["items"]] == [None, None, None, "below_minimum"]  # fmt: skip
    assert {i["unit"]: i["group"] for i in peers.json()["items"]} == {
        "A": {"size": 2, "position": 1, "of": 1},
        "B": {"size": 1, "position": 1, "of": 1},
        "C": {"size": 3, "position": 1, "of": 1},
        "D": None,
    }


async def test_a_unit_without_a_rate_is_listed_and_says_so(world: World) -> None:
    await put(world, unit("A"), unit("B"))
    await send(world, cases("A", 9), cases("B", 9, enforceable=0, done=0))

    listed = await world.admin.get("/v1/rankings/2022M05")

    assert [(i["unit"], i["rank"], i.get("why")) for i in listed.json()["items"]] == [
        ("A", 1, None),
        ("B", None, "no_rate"),
    ]
