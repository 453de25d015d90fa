"""Cases as they are listed and shown: flags, pages, and who sees them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingest.domain import cases
from tests.ingest.cases.sending import case, listed, sent
from tests.support.world import World

pytestmark = pytest.mark.anyio

FLAGS = ("over_1_year", "key_case", "credit_20bn_3y", "held")
TODAY = date(2022, 3, 8)


@pytest.mark.parametrize(
    ("members", "flags"),
    [
        pytest.param({"decided_on": "2021-03-07"}, {"over_1_year"}, id="past its anniversary"),
        pytest.param({"decided_on": "2021-03-08"}, set(), id="on its anniversary"),
        pytest.param({"decided_on": "2020-01-01", "status": "postponed"}, set(), id="old and postponed"),
        pytest.param({"decided_on": "2020-01-01", "status": "completed"}, set(), id="old and finished"),
        pytest.param({"key_case": True, "status": "ledger"}, {"key_case"}, id="a key case"),
        pytest.param({"held_vnd": 1}, {"held"}, id="money held"),
        pytest.param({"held_vnd": 0}, set(), id="no money held"),
        pytest.param({"decided_on": "2019-03-07", "due_vnd": 20_000_000_000}, {"over_1_year", "credit_20bn_3y"}, id="a large credit past three years"),
        pytest.param({"decided_on": "2019-03-08", "due_vnd": 20_000_000_000}, {"over_1_year"}, id="a large credit of three years"),
        pytest.param({"decided_on": "2019-03-07", "due_vnd": 19_999_999_999}, {"over_1_year"}, id="not so large a credit"),
        pytest.param({"decided_on": "2019-03-07", "due_vnd": 20_000_000_000, "claims": ["on_request"]}, {"over_1_year"}, id="large and no credit"),
    ],
)  # fmt: skip
async def test_a_case_is_flagged_for(
    world: World, members: Any, flags: set[str]
) -> None:
    await sent(world, case(**members))

    found = {flag for flag in FLAGS if await listed(world, flag=flag)}
    (shown,) = await listed(world)

    assert found == set(shown["flags"]) == flags


DAYS = st.sampled_from([date(2019, 3, 7), date(2019, 3, 8), date(2020, 2, 29), date(2021, 3, 7), date(2021, 3, 8), date(2021, 2, 28)])  # fmt: skip


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(decided=DAYS, today=st.dates(date(2021, 2, 27), date(2024, 3, 2)))
async def test_both_ways_to_count_years_agree(
    world: World, decided: date, today: date
) -> None:
    for years in (1, 3):
        later = await world.owner.fetchval(
            "SELECT ($1::date + make_interval(years => $2))::date", decided, years
        )
        assert cases.anniversary(decided, years) == later
    standing = cases.Standing("enforceable", decided, ["credit"], 2 * 10**10, None, False)  # fmt: skip
    assert ("over_1_year" in cases.flags(standing, today)) == (
        today > cases.anniversary(decided, 1)
    )


@pytest.mark.parametrize("number", [1, 4711, 10**13, 2**63 - 1])
def test_a_name_says_its_number(number: int) -> None:
    assert cases.number_of(cases.id_of(number)) == number


@pytest.mark.parametrize(
    "name", ["", "cas_", "cas_1", "cas_٠000000004711", "4711", "cas_" + "9" * 20]
)
def test_what_is_no_name_has_no_number(name: str) -> None:
    assert cases.number_of(name) is None


async def test_a_list_comes_in_pages(world: World) -> None:
    await sent(world, *(case(f"{n:02d}", unit=u) for n in range(7) for u in ("A1", "B1")))  # fmt: skip
    found, cursor = [], None
    while True:
        parameters = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        shown = (await world.admin.get("/v1/cases", params=parameters)).json()
        found += [(c["unit"], c["case_no"]) for c in shown["items"]]
        cursor = shown["next"]
        if cursor is None:
            break

    assert found == sorted((u, f"{n:02d}/QĐ-THA") for n in range(7) for u in ("A1", "B1"))  # fmt: skip


async def test_a_list_is_of_a_unit_or_of_all_under_one(world: World) -> None:
    await sent(world, case(), case(unit="A2"), case(unit="B1", status="suspended"))

    assert len(await listed(world, unit="A1")) == 1
    assert len(await listed(world, unit="A")) == 0
    assert len(await listed(world, under="A")) == 2
    assert len(await listed(world, under="A", unit="B1")) == 0
    assert len(await listed(world, status="suspended")) == 1


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"unit": "C1"}, 404),
        ({"under": "C1"}, 404),
        ({"status": "done"}, 422),
        ({"flag": "old"}, 422),
        ({"cursor": "x"}, 422),
        ({"cursor": "WyJBIiwgIkEiLCA5MjIzMzcyMDM2ODU0Nzc1ODA3XQ"}, 200),
        ({"limit": 0}, 422),
        ({"units": "A"}, 422),
    ],
)
async def test_a_question_that_cannot_be(
    world: World, parameters: Any, status: int
) -> None:
    answer = await world.admin.get("/v1/cases", params=parameters)

    assert answer.status_code == status, answer.text


async def test_a_key_sees_the_cases_of_its_own_units(world: World) -> None:
    await sent(world, case(), case(unit="B1"))
    (of_a,) = await listed(world, unit="A1")
    (of_b,) = await listed(world, unit="B1")
    client = await world.client("analyst", under="A")

    shown = (await client.get("/v1/cases")).json()["items"]
    there = [await client.get(f"/v1/cases/{of_a['id']}{p}") for p in ("", "/history")]
    hidden = [await client.get(f"/v1/cases/{of_b['id']}{p}") for p in ("", "/history")]
    nowhere = await client.get("/v1/cases/cas_9999999999999")
    others = await client.get("/v1/cases", params={"unit": "B1"})

    assert [c["unit"] for c in shown] == ["A1"]
    assert [answer.status_code for answer in there] == [200, 200]
    assert [answer.status_code for answer in hidden] == [404, 404]
    assert others.status_code == 404
    assert (hidden[0].json()["code"], nowhere.status_code) == ("unknown_case", 404)
