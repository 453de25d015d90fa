"""The chain of decisions on one target: what may follow what, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
import pytest

from tests.support.databases import copy_of
from tests.support.world import World, until

pytestmark = pytest.mark.anyio
YEARS = count(2030)

ONE = {"number": "1", "date": "2021-12-01"}
TWO = {"number": "2", "date": "2022-02-01", "amends": "1"}
THREE = {"number": "3", "date": "2022-03-01", "amends": "2"}


@dataclass(frozen=True)
class Year:
    """A working year whose targets are one test's own."""

    world: World
    year: int

    def target(self, rate: str, document: dict[str, str], **more: Any) -> Any:
        return {
            **{"unit": "VN", "year": self.year, "measure": "cases", "rate": rate},
            **{"operator": "at_least", "document": document, **more},
        }

    async def put(self, *targets: Any) -> httpx.Response:
        return await self.world.admin.put("/v1/targets", json={"targets": targets})

    async def set(self, *targets: Any) -> dict[str, int]:
        answer = await self.put(*targets)
        assert answer.status_code == 200, answer.text
        counts: dict[str, int] = answer.json()
        return counts

    async def refused(self, *targets: Any) -> list[tuple[str, str]]:
        """The faults of a request that leaves everything as it was."""
        before = await self.held()
        answer = await self.put(*targets)
        assert answer.status_code == 422, answer.text
        assert await self.held() == before
        return [(e["pointer"], e["code"]) for e in answer.json()["errors"]]

    async def held(self) -> list[tuple[str, str, bool]]:
        answer = await self.world.admin.get(
            "/v1/targets", params={"year": self.year, "history": True}
        )
        return [
            (one["document"]["number"], one["rate"], one["in_force"])
            for one in answer.raise_for_status().json()["items"]
        ]


@pytest.fixture(scope="module")
async def years(template: str) -> AsyncIterator[World]:
    async with copy_of(template, "amendments") as copy, World.running(copy.url) as it:
        yield it


@pytest.fixture
def fresh(years: World) -> Year:
    return Year(years, next(YEARS))


@pytest.fixture
async def amended(fresh: Year) -> Year:
    """80 by document 1, amended to 82 by document 2."""
    await fresh.set(fresh.target("80.00", ONE))
    await fresh.set(fresh.target("82.00", TWO))
    return fresh


async def test_what_was_set_before_is_unchanged_and_never_comes_back(
    amended: Year,
) -> None:
    again = await amended.set(amended.target("80.0", ONE), amended.target("82", TWO))

    assert again == {"created": 0, "updated": 0, "unchanged": 2}
    assert await amended.held() == [("1", "80.00", False), ("2", "82.00", True)]


@pytest.mark.parametrize(
    ("rate", "document", "member", "code"),
    [
        pytest.param("83.00", {**THREE, "amends": "1"}, "amends", "amends_superseded", id="a fork"),
        pytest.param("83.00", {**THREE, "amends": "3"}, "amends", "amends_itself", id="itself"),
        pytest.param("83.00", {**ONE, "date": "2022-03-01", "amends": "2"}, "number", "document_contradicts", id="a circle"),
        pytest.param("83.00", {**THREE, "amends": "9"}, "amends", "amends_unknown", id="what set nothing"),
        pytest.param("83.00", {"number": "3", "date": "2022-01-31"}, "date", "amends_later", id="decided before"),
        pytest.param("81.00", TWO, "number", "document_contradicts", id="another rate"),
        pytest.param("82.00", {**TWO, "date": "2022-02-02"}, "number", "document_contradicts", id="another day"),
        pytest.param("80.01", ONE, "number", "document_contradicts", id="another rate of what was amended"),
    ],
)  # fmt: skip
async def test_a_decision_that_contradicts_the_chain_is_refused(
    amended: Year, rate: str, document: dict[str, str], member: str, code: str
) -> None:
    faults = await amended.refused(amended.target(rate, document))

    assert faults == [(f"/targets/0/document/{member}", code)]


async def test_the_first_document_amends_nothing_not_even_itself(fresh: Year) -> None:
    itself = await fresh.refused(fresh.target("80.00", {**ONE, "amends": "1"}))
    unknown = await fresh.refused(fresh.target("80.00", {**ONE, "amends": "0"}))

    assert itself == [("/targets/0/document/amends", "amends_itself")]
    assert unknown == [("/targets/0/document/amends", "amends_unknown")]


async def test_a_whole_chain_may_come_in_one_request_in_its_order(fresh: Year) -> None:
    chain = [
        fresh.target(rate, document)
        for rate, document in (("80.00", ONE), ("82.00", TWO), ("81.00", THREE))
    ]

    backwards = await fresh.refused(*reversed(chain))
    counts = await fresh.set(*chain)

    assert backwards[0] == ("/targets/0/document/amends", "amends_unknown")
    assert counts == {"created": 1, "updated": 2, "unchanged": 0}
    assert await fresh.set(*chain) == {"created": 0, "updated": 0, "unchanged": 3}
    assert [line[2] for line in await fresh.held()] == [False, False, True]


async def test_one_request_holds_each_row_once(fresh: Year) -> None:
    twice = fresh.target("80.00", ONE)

    assert await fresh.refused(twice, twice) == [("/targets/1", "duplicate_row")]
    assert await fresh.refused(twice, fresh.target("81.00", ONE)) == [
        ("/targets/1/document/number", "document_contradicts")
    ]


async def test_a_table_speaks_of_periods_of_its_year_each_once(fresh: Year) -> None:
    year = fresh.year
    table = {f"{year}M05": "30.00", f"{year}-03-31": "38.5", f"{year - 1}M05": "9"}
    twice = {f"{year}-03-31": "38.5", f"{year}M06": "38.5"}

    async def faults(basis: dict[str, str]) -> list[tuple[str, str]]:
        return await fresh.refused(fresh.target("84.05", ONE, basis=basis))

    assert await faults(table) == [(f"/targets/0/basis/{year - 1}M05", "not_in_year")]
    assert await faults(twice) == [(f"/targets/0/basis/{year}M06", "duplicate_period")]


async def test_two_spellings_of_one_table_are_one_target(fresh: Year) -> None:
    day = {f"{fresh.year}-03-31": "38.5"}
    month = {f"{fresh.year}M06": "38.50"}
    await fresh.set(fresh.target("84.05", ONE, basis=day))

    again = await fresh.set(fresh.target("84.05", ONE, basis=month))

    assert again == {"created": 0, "updated": 0, "unchanged": 1}


async def test_the_same_request_twice_at_once_is_kept_once(fresh: Year) -> None:
    """Both have come as far as they can when the first of them may write."""
    owner, target = fresh.world.owner, fresh.target("80.00", ONE)

    async def both_wait() -> bool:
        waiting = "SELECT count(*) = 2 FROM pg_locks WHERE NOT granted"
        return bool(await owner.fetchval(waiting))

    async with asyncio.TaskGroup() as group, owner.transaction():
        await owner.execute("LOCK TABLE scoring.target IN EXCLUSIVE MODE")
        sent = [group.create_task(fresh.set(target)) for _ in range(2)]
        await until(both_wait)

    assert sorted(task.result()["created"] for task in sent) == [0, 1]
    assert await fresh.held() == [("1", "80.00", True)]
