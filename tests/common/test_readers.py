"""A key of a part of the tree: whatever a query asks for, PostgreSQL shows that part."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import asyncpg
import pytest

from libs.common.database import ASKER, Asker, Connection
from tests.support.databases import copy_of
from tests.support.world import World

pytestmark = pytest.mark.anyio
SERVICE_OF = {
    "alerts.escalation": "alerts",
    "alerts.entry": "alerts",
    "alerts.explanation": "alerts",
    "alerts.decision": "alerts",
    "alerts.exemption": "alerts",
    "ingest.enforcement_case": "ingest",
    "ingest.case_history": "ingest",
}


def unit(code: str, parent: str, kind: str) -> dict[str, str]:
    return {"code": code, "name": code, "kind": kind, "parent": parent, "valid_from": "2010-01-01"}  # fmt: skip


def case(unit: str) -> dict[str, object]:
    return {"unit": unit, "case_no": "1", "as_of": "2022-03-01", "decided_on": "2020-01-02", "status": "enforceable", "status_since": "2020-02-01", "claims": [], "due_vnd": 100, "collected_vnd": 0, "verified_on": []}  # fmt: skip


@pytest.fixture(scope="module")
async def world(template: str) -> AsyncIterator[World]:
    """Two provinces that each owe an answer, have handed one in, and hold a case."""
    async with (
        copy_of(template, "readers") as copy,
        World.running(copy.url) as running,
    ):
        units = [unit("A", "VN", "province"), unit("B", "VN", "province"), unit("A1", "A", "office")]  # fmt: skip
        await running.admin.put("/v1/units", json={"units": units})
        for period, done in (("2021M05", 50), ("2022M05", 40)):
            figures = [{"measure": "cases", "enforceable": 100, "done": done}]
            sent = await running.report(*({"unit": code, "period": period, "figures": figures} for code in "AB"))  # fmt: skip
            await running.evaluated(sent.json()["batch"])
        cases = {"cases": [case("A1"), case("B")]}
        sent = await running.admin.post("/v1/cases", json=cases)
        await running.evaluated(sent.json()["batch"])
        matters = (await running.admin.get("/v1/escalations")).json()["items"]
        for matter in matters:
            handed = {"causes": ["staff"], "text": "vì thiếu người", "remedies": []}
            await running.admin.post(f"/v1/escalations/{matter['id']}/explanations", json=handed)  # fmt: skip
        for code in "AB":
            wish = {"unit": code, "rule": "not-reported", "until": "2022-12-31", "document": {"number": "1", "date": "2022-03-01"}, "reason": "lũ lụt"}  # fmt: skip
            answer = await running.admin.post("/v1/exemptions", json=wish)
            assert answer.status_code == 201, answer.text
        yield running


@contextmanager
def asking(*units: str) -> Iterator[None]:
    token = ASKER.set(Asker("k", None, frozenset(units) if units else None))
    try:
        yield
    finally:
        ASKER.reset(token)


async def counted(connection: Connection, table: str) -> int:
    count: int = await connection.fetchval(f"SELECT count(*) FROM {table}")
    return count


@pytest.mark.parametrize("table", SERVICE_OF)
async def test_a_query_without_any_filter_sees_its_part(
    world: World, table: str
) -> None:
    database = world.database(SERVICE_OF[table])
    found = {}
    for units in ((), ("A", "A1"), ("B",), ("VN", "A", "A1", "B"), ("VN",), ("C",)):
        with asking(*units):
            async with database.reading() as connection:
                found[units] = await counted(connection, table)

    everything = await counted(world.owner, table)
    assert found[()] == found["VN", "A", "A1", "B"] == everything
    assert found["A", "A1"] + found["B",] + found["VN",] == everything
    assert found["C",] == 0
    assert 0 < found["B",] < everything


async def test_what_is_told_to_one_transaction_is_forgotten_with_it(
    world: World,
) -> None:
    database = world.database("alerts")
    with asking("A"):
        async with database.reading() as connection:
            one = await counted(connection, "alerts.escalation")
        async with database.transaction() as connection:
            work = await counted(connection, "alerts.escalation")
    async with database.reading() as connection:
        later = await counted(connection, "alerts.escalation")

    assert one < work == later


async def test_a_reader_may_be_asked_to_see_less_and_never_more(world: World) -> None:
    with asking("A"):
        async with world.database("alerts").reading() as connection:
            for code in ("B", "A"):
                seen = await connection.fetch("SELECT unit FROM alerts.escalation WHERE unit = $1", code)  # fmt: skip
                assert {row["unit"] for row in seen} == ({"A"} if code == "A" else set())  # fmt: skip


async def test_over_http_the_two_filters_agree(world: World) -> None:
    for under, other in (("A", "B"), ("B", "A")):
        client = await world.client("analyst", under=under)
        for path in ("/v1/escalations", "/v1/decisions?period=2022M05", "/v1/exemptions", "/v1/cases", "/v1/explanations/summary?period=2022M05"):  # fmt: skip
            answer = await client.get(path)
            units = {item["unit"][0] for item in answer.json()["items"]}
            assert units == {under}, path
        foreign = await world.owner.fetchval("SELECT id FROM alerts.escalation WHERE unit = $1", other)  # fmt: skip
        guessed = await world.owner.fetchval("SELECT id FROM ingest.enforcement_case WHERE unit LIKE $1 || '%'", other)  # fmt: skip
        for path in (f"/v1/escalations/{foreign}", f"/v1/cases/{guessed}", f"/v1/cases/{guessed}/history"):  # fmt: skip
            assert (await client.get(path)).status_code == 404


async def test_copy_is_refused_so_rows_come_by_another_table(world: World) -> None:
    async with world.database("alerts").connection() as connection:
        with pytest.raises(asyncpg.FeatureNotSupportedError):
            await connection.copy_records_to_table(
                "decision", schema_name="alerts", records=[]
            )
