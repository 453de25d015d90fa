"""The audit log: what changes is noted with it, and what is noted cannot be unnoted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from libs.common import audit
from services.ingest.cases import erasure
from tests.support.databases import Stage, stage
from tests.support.world import World, until

pytestmark = pytest.mark.anyio

UNIT = {"code": "A", "name": "Tỉnh A", "kind": "province", "parent": "VN", "valid_from": "2010-01-01"}  # fmt: skip
FIGURE = {"measure": "cases", "enforceable": 100, "done": 40}
TARGET = {"unit": "A", "year": 2022, "measure": "cases", "rate": "80.00", "operator": "at_least", "document": {"number": "1", "date": "2021-12-24"}}  # fmt: skip
SECRET_WORDS = "lời giải trình riêng tư"


@pytest.fixture(scope="module")
async def staged(template: str) -> AsyncIterator[Stage]:
    async with stage(template, "audit_still") as made:
        yield made


@pytest.fixture
async def still(staged: Stage) -> World:
    world = await staged.as_new()
    await world.owner.execute("DELETE FROM platform.audit")
    await world.owner.execute("DELETE FROM platform.audit_block")
    return world


async def noted(world: World, **query: Any) -> list[Any]:
    """The audit log by API, oldest first."""
    answer = await world.admin.get("/v1/audit", params={"limit": 1000, **query})
    assert answer.status_code == 200, answer.text
    return list(reversed(answer.json()["items"]))


def said(rows: list[Any]) -> list[tuple[str, str, str]]:
    return [(row["action"], row["kind"], row["object"]) for row in rows]


async def put_unit(world: World, **more: Any) -> None:
    answer = await world.admin.put("/v1/units", json={"units": [{**UNIT, **more}]})
    assert answer.status_code == 200, answer.text


async def seal(world: World) -> int:
    key = world.settings.key_for(audit.SEALED_FOR)
    async with world.database("alerts").transaction() as connection:
        return await audit.seal(connection, key)


async def chain(world: World) -> audit.Chain:
    return await audit.verify(world.owner, world.settings.key_for(audit.SEALED_FOR))


def key_of(world: World) -> str:
    return str(world.admin.headers["authorization"].split("_")[2])


async def test_each_change_is_noted_with_who_when_and_in_which_request(
    still: World,
) -> None:
    headers = {"x-request-id": "req-of-mine"}

    await still.admin.put("/v1/units", json={"units": [UNIT]}, headers=headers)
    await put_unit(still, name="Tỉnh A mới")
    await put_unit(still, name="Tỉnh A mới")

    first, second = await noted(still, kind="unit")
    assert said([first, second]) == [
        ("added", "unit", "A/2010-01-01"),
        ("changed", "unit", "A/2010-01-01"),
    ]
    assert (first["actor"], first["role"]) == (key_of(still), "dondoc_ingest")
    assert (first["request"], second["request"] is None) == ("req-of-mine", False)
    assert first["at"].startswith("2022-03-08T08:")
    assert first["detail"] == {"kind": "province", "parent": "VN", "codes": []}
    assert "name" in second["detail"]["changed"]
    assert "Tỉnh" not in str([first, second])


async def test_a_change_that_is_rolled_back_was_never_noted(still: World) -> None:
    bad = {**UNIT, "code": "B", "parent": "NOBODY"}

    answer = await still.admin.put("/v1/units", json={"units": [UNIT, bad]})

    assert answer.status_code == 422
    assert await noted(still, kind="unit") == []


async def test_configuration_of_every_service_is_noted(still: World) -> None:
    await put_unit(still)
    admin = still.admin
    day = {"day": "2022-09-01", "works": False, "name": "nghỉ bù"}
    answers = [
        await admin.put("/v1/targets", json={"targets": [TARGET]}),
        await admin.put("/v1/calendar/2022", json={"days": [day]}),
        await admin.post("/v1/periods/2022M05/close", json={"under": "A"}),
        await admin.put("/v1/clock", json={"now": "2022-03-09T08:00:00+07:00"}),
        await admin.post("/v1/keys", json={"name": "n", "roles": ["analyst"], "units": ["A"]}),
        await admin.post("/v1/subscriptions", json={"url": "http://127.0.0.1:9/tok-en", "types": ["*"], "under": "A"}),
    ]  # fmt: skip
    assert [a.status_code for a in answers if a.status_code >= 300] == []
    key, subscription = answers[4].json(), answers[5].json()
    await admin.post(f"/v1/subscriptions/{subscription['id']}/rotate", json={})
    await admin.delete(f"/v1/keys/{key['id']}")

    rows = await noted(still)

    assert {("added", "target", "A/2022/cases/all"), ("added", "calendar day", "2022-09-01"), ("added", "closing", "2022M05/A"), ("changed", "clock", "clock"), ("added", "key", key["id"]), ("changed", "key", key["id"]), ("added", "subscription", subscription["id"]), ("changed", "subscription", subscription["id"])} <= set(said(rows))  # fmt: skip
    assert {row["actor"] for row in rows} == {key_of(still)}
    everything = str(rows)
    for hidden in (key["key"], subscription["secret"], "tok-en", "nghỉ bù"):
        assert hidden not in everything
    stored = await still.owner.fetch("SELECT digest, secret FROM platform.api_key, alerts.subscription")  # fmt: skip
    assert stored
    for row in stored:
        assert row["digest"].hex() not in everything
        assert row["secret"].hex() not in everything


async def test_reports_are_noted_by_batch_and_what_follows_as_dondocs_own(
    world: World,
) -> None:
    await world.load("units_2022.json", "reports_last_year_illustrative.json")
    before = len(await noted(world))

    tried = await world.admin.post("/v1/reports", params={"dry_run": True, "wait": 20}, json={"reports": [{"unit": "BG", "period": "2022M05", "figures": [{"measure": "cases", "enforceable": 100, "done": 1}]}]})  # fmt: skip
    assert tried.status_code == 202, tried.text
    foretold = await noted(world)
    await world.load("reports_679.json")

    assert len(foretold) == before, "a dry run leaves none behind"
    batches = await noted(world, kind="batch")
    assert [row["actor"] for row in batches] == [key_of(world)] * 2
    opened = [r for r in await noted(world, kind="escalation") if r["action"] == "opened"]  # fmt: skip
    assert opened
    assert {(row["actor"], row["role"]) for row in opened} == {("dondoc", "dondoc_alerts")}  # fmt: skip
    assert {row["request"] for row in opened} == {batches[-1]["request"]}

    owing = (await world.admin.get("/v1/escalations", params={"rule": "below-last-year"})).json()["items"]  # fmt: skip
    matter = owing[0]["id"]
    assert matter in {row["object"] for row in opened}
    handed = {"causes": ["staff"], "text": SECRET_WORDS, "remedies": [{"text": SECRET_WORDS, "by": "2022-04-01"}]}  # fmt: skip
    answer = await world.admin.post(f"/v1/escalations/{matter}/explanations", json=handed)  # fmt: skip
    assert answer.status_code < 300, answer.text
    life = await noted(world, object=matter)
    assert (life[-1]["action"], life[-1]["actor"]) == ("explained", key_of(world))
    assert said(await noted(world, kind="explanation")) == [("added", "explanation", f"{matter}/1")]  # fmt: skip
    assert SECRET_WORDS not in str(await noted(world))


async def test_the_log_is_paged_newest_first_and_filtered(still: World) -> None:
    for code in ("A", "B", "C"):
        await put_unit(still, code=code)
    await still.admin.put("/v1/clock", json={"now": "2022-05-01T00:00:00+07:00"})
    await put_unit(still, code="D")

    pages, query = [], {"kind": "unit", "limit": 3}
    while True:
        got = (await still.admin.get("/v1/audit", params=query)).json()
        pages.append([row["object"][0] for row in got["items"]])
        if got["next"] is None:
            break
        query["cursor"] = got["next"]

    assert pages == [["D", "C", "B"], ["A"]]
    late = await noted(still, kind="unit", since="2022-05-01")
    early = await noted(still, kind="unit", until="2022-03-08")
    assert [row["object"][0] for row in late] == ["D"]
    assert [row["object"][0] for row in early] == ["A", "B", "C"]
    assert await noted(still, actor="nobody") == []


async def test_the_erasing_of_cases_is_noted(still: World) -> None:
    chosen = erasure.Erasure(None, None, None, 4711)

    await erasure.erase(still.owner, chosen, "who runs it")

    row = (await noted(still, kind="erasure"))[-1]
    assert (row["actor"], row["detail"]) == ("dondoc", {"cases": 0, "case_id": 4711})


# The chain -----------------------------------------------------------------------------


async def test_blocks_hold_every_row_once_and_the_tail_is_reported(
    still: World,
) -> None:
    await put_unit(still)
    await put_unit(still, code="B")
    first = await seal(still)
    await put_unit(still, code="C")
    second = await seal(still)
    await put_unit(still, code="D")

    found = await chain(still)

    assert (first, second, await seal(still)) == (2, 1, 1)
    assert (found.blocks, found.rows, found.unsealed, found.broken) == (2, 3, 1, ())
    assert [row["block"] for row in await noted(still)] == [1, 1, 2, 3]


async def test_a_row_that_commits_late_comes_into_a_later_block(still: World) -> None:
    other = await asyncpg.connect(still.url)
    transaction = other.transaction()
    await transaction.start()
    await other.execute("UPDATE platform.clock SET business_at = business_at")
    insert = "INSERT INTO ingest.category (code, vi, en) VALUES ('late', 'l', 'l')"
    await other.execute(insert)
    await put_unit(still)

    sealed = await seal(still)
    await transaction.commit()
    await other.close()

    assert (sealed, await seal(still)) == (1, 1)
    assert (await chain(still)).broken == ()


async def test_many_sealers_make_one_chain(still: World) -> None:
    for code in "ABCDEF":
        await put_unit(still, code=code)
        await asyncio.gather(*(seal(still) for _ in range(3)))

    found = await chain(still)

    assert (found.rows, found.unsealed, found.broken) == (6, 0, ())


@pytest.mark.parametrize(
    ("deed", "shows"),
    [
        pytest.param("UPDATE platform.audit SET actor = 'another' WHERE block = 2", "block 2: a row", id="a row is changed"),
        pytest.param("DELETE FROM platform.audit WHERE block = 2", "block 2 holds 0 rows", id="a row is dropped"),
        pytest.param("UPDATE platform.audit SET block = 1 WHERE block = 2", "block 1 holds 2 rows", id="a row is moved"),
        pytest.param("INSERT INTO platform.audit (at, role, actor, action, kind, object, detail, block) VALUES (now(), 'r', 'a', 'x', 'k', 'o', '{}', 2)", "block 2 holds 2 rows", id="a row is slipped in"),
        pytest.param("UPDATE platform.audit_block SET digest = platform.audit_digest(2), count = count WHERE n = 1", "block 1 was not sealed", id="a block is made over"),
        pytest.param("DELETE FROM platform.audit_block WHERE n = 2", "block 2 is missing", id="a block is dropped"),
        pytest.param("UPDATE platform.audit_block SET previous = NULL WHERE n = 3", "block 3 does not follow", id="a block is hung elsewhere"),
    ],
)  # fmt: skip
async def test_tampering_shows_even_by_the_databases_owner(
    still: World, deed: str, shows: str
) -> None:
    for code in "ABC":
        await put_unit(still, code=code)
        await seal(still)
    assert (await chain(still)).broken == ()

    await still.owner.execute(deed)

    found = await chain(still)
    assert any(one.startswith(shows) for one in found.broken), found


async def test_without_the_secret_nobody_seals(still: World) -> None:
    await put_unit(still)
    async with still.database("alerts").transaction() as connection:
        await audit.seal(connection, b"another key of thirty-two bytes.")

    found = await chain(still)

    assert found.broken == ("block 1 was not sealed with this DONDOC_SECRET",)


async def test_the_running_services_seal_by_themselves(world: World) -> None:
    await put_unit(world)

    async def sealed() -> bool:
        return all(row["block"] for row in await noted(world))

    await until(sealed)
    assert (await chain(world)).broken == ()
