"""API keys: what a key is, who is let in, and to which part of the tree."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import sys
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.common import keys
from tests.support.databases import Stage, stage
from tests.support.world import SECRET, World

pytestmark = pytest.mark.anyio
PEPPER = b"a pepper of thirty-two bytes ..."
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
async def staged(template: str) -> AsyncIterator[Stage]:
    async with stage(template, "keys_still") as made:
        yield made


@pytest.fixture
async def still_world(staged: Stage) -> World:
    return await staged.as_new()


# What a key is -------------------------------------------------------------------------


def test_a_key_carries_its_id_and_a_checksum() -> None:
    key, key_id = keys.mint("test")

    assert re.fullmatch(rf"ddk_test_{key_id}_[0-9A-Za-z]{{43}}[0-9a-f]{{8}}", key)
    assert keys.id_in(key) == key_id
    assert int(key[-8:], 16) == zlib.crc32(key[:-8].encode())


def test_no_two_keys_are_alike() -> None:
    minted = [keys.mint("test") for _ in range(100)]

    assert len({key for key, _ in minted}) == len({id for _, id in minted}) == 100


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("", id="empty"),
        pytest.param("Bearer", id="a word"),
        pytest.param("ddk_test_abc", id="no secret"),
        pytest.param("sk_test_abc_" + "a" * 51, id="another prefix"),
        pytest.param("ddk_test_abc_" + "é" * 51, id="letters that no key has"),
        pytest.param("ddk_test_abc_" + "a" * 51, id="wrong checksum"),
        pytest.param("ddk_test_abc_" + "a" * 500, id="far too long"),
    ],
)
def test_what_is_no_key_has_no_id(key: str) -> None:
    assert keys.id_in(key) is None


@pytest.mark.parametrize("place", [4, 12, -20, -1])
def test_a_slip_of_the_pen_is_noticed(place: int) -> None:
    key, _ = keys.mint("test")
    other = "x" if key[place] != "x" else "y"

    assert keys.id_in(key[:place] + other + key[place:][1:]) is None


def test_a_digest_needs_the_pepper() -> None:
    key, _ = keys.mint("test")

    assert keys.digest(key, PEPPER) == keys.digest(key, PEPPER)
    assert keys.digest(key, PEPPER) != keys.digest(key, PEPPER[::-1])


# Keys over HTTP ------------------------------------------------------------------------


async def made(world: World, **more: Any) -> dict[str, Any]:
    body = {"name": "case management", "roles": ["reporter"], "units": ["VN"], **more}
    answer = await world.admin.post("/v1/keys", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def asked(world: World, key: str, path: str = "/v1/clock") -> int:
    headers = {"authorization": f"Bearer {key}"}
    return (await world.anonymous.get(path, headers=headers)).status_code


async def test_a_key_is_shown_once_and_only_its_digest_is_kept(
    still_world: World,
) -> None:
    shown = await made(still_world)

    listed = (await still_world.admin.get("/v1/keys")).json()["items"]
    stored = await still_world.owner.fetchrow(
        "SELECT * FROM platform.api_key WHERE id = $1", shown["id"]
    )
    assert stored is not None
    secret = shown["key"].rpartition("_")[2]
    assert await asked(still_world, shown["key"]) == 200
    assert [key for key in listed if key["id"] == shown["id"]] == [
        {name: value for name, value in shown.items() if name != "key"}
    ]
    assert secret not in str(dict(stored))
    pepper = still_world.settings.key_for("key pepper")
    assert stored["digest"] == keys.digest(shown["key"], pepper)


async def test_a_revoked_key_opens_nothing_at_once(still_world: World) -> None:
    shown = await made(still_world)

    answer = await still_world.admin.delete(f"/v1/keys/{shown['id']}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert await asked(still_world, shown["key"]) == 401
    again = await still_world.admin.delete(f"/v1/keys/{shown['id']}")
    assert again.status_code == 404
    listed = (await still_world.admin.get("/v1/keys")).json()["items"]
    assert [k["revoked_at"] is not None for k in listed if k["id"] == shown["id"]] == [True]  # fmt: skip


async def test_an_expired_key_opens_nothing(still_world: World) -> None:
    now = datetime.now(UTC)
    past = await made(still_world, expires_at=(now - timedelta(seconds=5)).isoformat())
    future = await made(still_world, expires_at=(now + timedelta(hours=1)).isoformat())

    assert await asked(still_world, past["key"]) == 401
    assert await asked(still_world, future["key"]) == 200


async def test_expiry_is_true_time_whatever_business_time_says(
    still_world: World,
) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    shown = await made(still_world, expires_at=soon.isoformat())

    later = soon + timedelta(days=365)
    moved = await still_world.admin.put("/v1/clock", json={"now": later.isoformat()})

    assert moved.status_code == 200
    assert await asked(still_world, shown["key"]) == 200


async def test_the_right_id_with_another_secret_opens_nothing(
    still_world: World,
) -> None:
    shown = await made(still_world)
    forged = f"ddk_test_{shown['id']}_{'a' * 43}"
    forged += f"{zlib.crc32(forged.encode()):08x}"

    assert keys.id_in(forged) == shown["id"]
    assert await asked(still_world, forged) == 401


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer x", "Token ddk_test_a_b"],
)
async def test_what_is_no_key_is_401_with_a_problem(
    still_world: World, header: str
) -> None:
    answer = await still_world.anonymous.get(
        "/v1/clock", headers={"authorization": header}
    )

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["code"] == "unauthorized"


async def test_a_key_in_the_address_is_no_key(still_world: World) -> None:
    shown = await made(still_world)

    answer = await still_world.anonymous.get(
        "/v1/keys", params={"key": shown["key"], "authorization": shown["key"]}
    )

    assert answer.status_code in (401, 422)
    assert shown["key"] not in answer.text


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        pytest.param({"roles": ["king"]}, "/roles/0", id="no such role"),
        pytest.param({"roles": []}, "/roles", id="no role"),
        pytest.param({"units": []}, "/units", id="no unit"),
        pytest.param({"units": ["VN", "XX"]}, "/units/1", id="no such unit"),
        pytest.param({"name": ""}, "/name", id="no name"),
        pytest.param({"name": "a\x00b"}, "/name", id="NUL"),
        pytest.param({"expires_at": "2030-01-01T00:00:00"}, "/expires_at", id="no offset"),
        pytest.param({"expires_at": "9999-12-31T23:59:59Z"}, "/expires_at", id="where calendars end"),
        pytest.param({"digest": "x"}, "/digest", id="a field that is not asked for"),
    ],
)  # fmt: skip
async def test_a_bad_wish_is_refused_by_pointer(
    still_world: World, body: dict[str, Any], pointer: str
) -> None:
    good = {"name": "n", "roles": ["reporter"], "units": ["VN"]}

    answer = await still_world.admin.post("/v1/keys", json={**good, **body})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_keys_belong_to_an_admin_at_the_root(still_world: World) -> None:
    await province(still_world)
    below = await still_world.client("admin", under="A")

    wish = {"name": "n", "roles": ["admin"], "units": ["VN"]}
    answers = [
        await below.get("/v1/keys"),
        await below.post("/v1/keys", json=wish),
        await below.delete("/v1/keys/x"),
        await below.get("/v1/dead-letters"),
        await below.put("/v1/clock", json={"now": "2022-05-01T00:00:00+07:00"}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 5


# Roles ---------------------------------------------------------------------------------

ANYONE, ROOT_ADMIN = set(keys.ROLES), {"admin"}


def only(role: str) -> set[str]:
    return {role, "admin"}


PERMITTED: dict[str, set[str]] = {
    "PUT /v1/units": only("steward"),
    "GET /v1/units": ANYONE,
    "GET /v1/reorganisations": ANYONE,
    "GET /v1/units/{code}": ANYONE,
    "POST /v1/reorganisations": only("steward"),
    "POST /v1/reports": only("reporter"),
    "GET /v1/reports": ANYONE,
    "GET /v1/reports/{unit}/{period}/revisions": ANYONE,
    "POST /v1/reports/upload": only("reporter"),
    "GET /v1/mappings/{name}": ANYONE,
    "PUT /v1/mappings/{name}": only("steward"),
    "GET /v1/categories": ANYONE,
    "PUT /v1/categories": only("steward"),
    "GET /v1/batches/{batch}": ANYONE,
    "GET /v1/periods": ANYONE,
    "POST /v1/periods/{period}/close": only("steward"),
    "POST /v1/periods/{period}/reopen": only("steward"),
    "GET /v1/obligations": ANYONE,
    "PUT /v1/obligations": only("steward"),
    "GET /v1/completeness": ANYONE,
    "GET /v1/calendar/{year}": ANYONE,
    "PUT /v1/calendar/{year}": only("steward"),
    "POST /v1/cases": only("reporter"),
    "GET /v1/cases": ANYONE,
    "GET /v1/cases/{id}": ANYONE,
    "GET /v1/reconciliation": ANYONE,
    "GET /v1/reconciliation/cases": ANYONE,
    "GET /v1/cases/{id}/history": ANYONE,
    "PUT /v1/targets": only("steward"),
    "GET /v1/targets": ANYONE,
    "GET /v1/scorecards": ANYONE,
    "GET /v1/scorecards/{unit}/{period}": ANYONE,
    "GET /v1/rankings/{period}": ANYONE,
    "GET /v1/indicators": ANYONE,
    "GET /v1/outliers": ANYONE,
    "GET /v1/workload/{period}": ANYONE,
    "GET /v1/rules": ANYONE,
    "GET /v1/rules/vocabulary": ANYONE,
    "GET /v1/rules/{id}": ANYONE,
    "GET /v1/rules/schema": ANYONE,
    "POST /v1/rules/check": ANYONE,
    "PUT /v1/rules/{id}": only("steward"),
    "GET /v1/rules/{id}/diff": ANYONE,
    "GET /v1/rules/{id}/shadow": ANYONE,
    "POST /v1/rules/{id}/backtest": only("steward"),
    "GET /v1/rules/{id}/backtests": only("steward"),
    "GET /v1/rules/{id}/backtests/{backtest}": only("steward"),
    "POST /v1/rules/{id}/shadow": only("steward"),
    "POST /v1/rules/{id}/activate": only("steward"),
    "POST /v1/rules/{id}/retire": only("steward"),
    "POST /v1/evaluations": only("supervisor"),
    "GET /v1/decisions": ANYONE,
    "GET /v1/escalations": ANYONE,
    "GET /v1/escalations/{id}": ANYONE,
    "POST /v1/escalations/{id}/acknowledge": only("responder"),
    "POST /v1/escalations/{id}/explanations": only("responder"),
    "POST /v1/escalations/{id}/explanations/{n}/accept": only("supervisor"),
    "POST /v1/escalations/{id}/explanations/{n}/return": only("supervisor"),
    "POST /v1/escalations/{id}/explanations/{n}/withdraw": only("responder"),
    "GET /v1/escalations/{id}/members": ANYONE,
    "POST /v1/escalations/{id}/withdraw": only("supervisor"),
    "POST /v1/escalations/{id}/escalate": only("supervisor"),
    "GET /v1/explanations/summary": ANYONE,
    "GET /v1/exemptions": ANYONE,
    "POST /v1/exemptions": only("supervisor"),
    "POST /v1/exemptions/{id}/end": only("supervisor"),
    "POST /v1/subscriptions": only("subscriber"),
    "GET /v1/subscriptions": only("subscriber"),
    "GET /v1/subscriptions/{id}": only("subscriber"),
    "PATCH /v1/subscriptions/{id}": only("subscriber"),
    "DELETE /v1/subscriptions/{id}": only("subscriber"),
    "POST /v1/subscriptions/{id}/rotate": only("subscriber"),
    "POST /v1/subscriptions/{id}/enable": only("subscriber"),
    "POST /v1/subscriptions/{id}/recover": only("subscriber"),
    "POST /v1/deliveries/{id}/retry": only("subscriber"),
    "POST /v1/deliveries/{id}/acknowledge": only("subscriber"),
    "POST /v1/subscriptions/{id}/ping": only("subscriber"),
    "GET /v1/subscriptions/{id}/deliveries": only("subscriber"),
    "POST /v1/keys": ROOT_ADMIN,
    "GET /v1/keys": ROOT_ADMIN,
    "DELETE /v1/keys/{id}": ROOT_ADMIN,
    "GET /v1/clock": ANYONE,
    "PUT /v1/clock": ROOT_ADMIN,
    "GET /v1/audit": ROOT_ADMIN,
    "GET /v1/dead-letters": ROOT_ADMIN,
    "POST /v1/dead-letters/{id}/retry": ROOT_ADMIN,
}
KEYLESS = {"/livez", "/readyz", "/startupz", "/metrics", "/version"}


_numbers = itertools.count()


async def tried(client: httpx.AsyncClient, route: str) -> int:
    """Ask with no more than the route itself: nobody is served, some are let in."""
    method, path = route.split()
    path = re.sub(r"{(id)}", "4711", path).replace("{period}", "2022M05")
    body = {} if method in ("POST", "PUT", "PATCH") else None
    # No two askings are one: each is a key of its own, taken on every route.
    once = {"Idempotency-Key": f"k{next(_numbers)}"}
    path = re.sub(r"{\w+}", "none", path)
    answer = await client.request(method, path, json=body, headers=once)
    assert answer.status_code < 500, answer.text
    return answer.status_code


async def test_every_route_lets_in_its_roles_and_nobody_else(
    still_world: World,
) -> None:
    document = still_world.app.openapi()
    served = {
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method in item
        if path not in KEYLESS
    }
    assert served == PERMITTED.keys()

    found: dict[str, set[str]] = {route: set() for route in served}
    for role in keys.ROLES:
        client = await still_world.client(role)
        for route in served:
            status = await tried(client, route)
            assert status != 401, route
            if status != 403:
                found[route].add(role)
    without_key = {route: await tried(still_world.anonymous, route) for route in served}

    assert found == PERMITTED
    assert without_key == dict.fromkeys(served, 401)


async def test_a_key_that_has_ended_or_not_begun_opens_no_route(
    still_world: World,
) -> None:
    now = datetime.now(UTC)
    ended = await still_world.client("admin")
    revoked = await still_world.client("admin")
    for client, column, moment in (
        (ended, "expires_at", now - timedelta(seconds=1)),
        (revoked, "revoked_at", now),
    ):
        id = client.headers["authorization"].split("_")[2]
        change = f"UPDATE platform.api_key SET {column} = $1 WHERE id = $2"
        await still_world.owner.execute(change, moment, id)

    for client in (ended, revoked):
        found = {route: await tried(client, route) for route in PERMITTED}
        assert found == dict.fromkeys(PERMITTED, 401)


async def test_several_roles_add_up(still_world: World) -> None:
    client = await still_world.client("reporter", "steward")

    allowed = {r for r in PERMITTED if await tried(client, r) != 403}

    assert allowed == {r for r, may in PERMITTED.items() if {"reporter", "steward"} & may}  # fmt: skip


@pytest.mark.parametrize("path", sorted(KEYLESS))
async def test_health_needs_no_key(still_world: World, path: str) -> None:
    assert (await still_world.anonymous.get(path)).status_code == 200


# Subtrees ------------------------------------------------------------------------------


def unit(code: str, parent: str | None, kind: str = "office", **more: str) -> dict[str, Any]:  # fmt: skip
    dated = {"valid_from": "2010-01-01", **more}
    return {"code": code, "name": f"Đơn vị {code}", "kind": kind, "parent": parent, **dated}  # fmt: skip


async def province(world: World) -> None:
    """A with A1 and A2 (and A11 below A1), B with B1; A9 ended; A3 came over from B."""
    units = [
        unit("A", "VN", "province"),
        unit("B", "VN", "province"),
        *(unit("A1", "A"), unit("A2", "A"), unit("A11", "A1", "officer")),
        unit("B1", "B"),
        unit("A9", "A", valid_to="2020-01-01"),
        unit("A91", "A9", "officer", valid_to="2020-01-01"),
        unit("A3", "B", valid_to="2021-01-01"),
        unit("A3", "A", valid_from="2021-01-01"),
        unit("B2", "B", valid_from="2022-01-01", valid_to="2023-01-01"),
        unit("B2", "A", valid_from="2023-01-01"),
    ]
    answer = await world.admin.put("/v1/units", json={"units": units})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("under", "opens"),
    [
        pytest.param("VN", {"VN", "A", "B", "A1", "A2", "A11", "B1", "A9", "A91", "A3", "B2"}, id="the root opens all"),
        pytest.param("A", {"A", "A1", "A2", "A11", "A9", "A91", "A3"}, id="a province, with what ended or came over"),
        pytest.param("B", {"B", "B1", "B2"}, id="its sibling, until a unit has gone"),
        pytest.param("A1", {"A1", "A11"}, id="an office, not its parent"),
        pytest.param("A11", {"A11"}, id="an officer alone"),
        pytest.param("A9", {"A9", "A91"}, id="an ended office"),
    ],
)  # fmt: skip
async def test_what_a_unit_opens(
    still_world: World, under: str, opens: set[str]
) -> None:
    await province(still_world)

    async with still_world.database("ingest").connection() as connection:
        found = await keys.subtree(connection, [under])

    assert found == opens


async def test_the_tree_of_a_day_has_no_ended_units(still_world: World) -> None:
    await province(still_world)

    async with still_world.database("ingest").connection() as connection:
        then = await keys.subtree(connection, ["A"], datetime(2019, 6, 1, tzinfo=UTC).date())  # fmt: skip
        now = await keys.subtree(connection, ["A"], datetime(2022, 3, 8, tzinfo=UTC).date())  # fmt: skip

    assert then == {"A", "A1", "A2", "A11", "A9", "A91"}
    assert now == {"A", "A1", "A2", "A11", "A3"}


async def test_a_unit_that_moves_takes_the_keys_with_it(still_world: World) -> None:
    await province(still_world)
    ours = await still_world.client("analyst", under="A")
    theirs = await still_world.client("analyst", under="B")

    async def see_b2() -> list[int]:
        return [
            (await one.get("/v1/units/B2", params={"on": "2022-06-01"})).status_code
            for one in (ours, theirs)
        ]

    before = await see_b2()
    await still_world.admin.put("/v1/clock", json={"now": "2023-01-02T00:00:00+07:00"})

    assert before == [404, 200]
    assert await see_b2() == [200, 404]


@pytest.mark.parametrize("outside", ["B", "B1", "XX", "no such unit"])
async def test_a_unit_outside_answers_as_one_that_does_not_exist(
    still_world: World, outside: str
) -> None:
    await province(still_world)
    client = await still_world.client("admin", under="A")

    async def answers(unit: str) -> list[tuple[int, str]]:
        places = (
            f"/v1/units/{unit}",
            f"/v1/units?under={unit}",
            f"/v1/targets?unit={unit}",
            f"/v1/scorecards?period=2022M05&under={unit}",
            f"/v1/scorecards/{unit}/2022M05",
            f"/v1/rankings/2022M05?under={unit}",
            f"/v1/reports?unit={unit}&period=2022M05",
            f"/v1/decisions?period=2022M05&unit={unit}",
            f"/v1/escalations?unit={unit}&under=A",
            f"/v1/escalations?under={unit}",
        )
        got = [await client.get(place) for place in places]
        return [(a.status_code, a.text.replace(unit, "?")) for a in got]

    assert await answers(outside) == await answers("NOTHING")
    assert {status for status, _ in await answers(outside)} == {404}


async def test_a_unit_outside_is_unknown_in_a_body(still_world: World) -> None:
    await province(still_world)
    client = await still_world.client("admin", under="A")
    report = {"period": "2022M05", "figures": [{"measure": "cases", "published_rate": "1.00"}]}  # fmt: skip
    target = {"year": 2022, "measure": "cases", "rate": "80.00", "operator": "at_least", "document": {"number": "1", "date": "2021-12-24"}}  # fmt: skip

    async def answers(unit_code: str) -> list[tuple[int, str]]:
        got = [
            await client.post("/v1/reports", json={"money_in": "vnd", "reports": [{"unit": unit_code, **report}]}),
            await client.put("/v1/targets", json={"targets": [{"unit": unit_code, **target}]}),
            await client.post("/v1/subscriptions", json={"url": "http://127.0.0.1:9/", "types": ["*"], "under": unit_code}),
        ]  # fmt: skip
        assert all(
            error["code"] == "unknown_unit"
            for answer in got
            for error in answer.json()["errors"]
        )
        return [(a.status_code, a.text.replace(unit_code, "?")) for a in got]

    assert await answers("B1") == await answers("NOTHING")
    assert {status for status, _ in await answers("B1")} == {422}


# Logs ----------------------------------------------------------------------------------


async def test_no_key_ever_stands_in_a_log(still_world: World) -> None:
    shown = await made(still_world, roles=["admin"])
    key, planted = shown["key"], "ddk_test_planted_" + "Q7" * 21 + "Q00000000"
    environment = {
        **os.environ,
        "DATABASE_URL": still_world.url,
        "DONDOC_ENV": "test",
        "DONDOC_PORT": "0",
        "DONDOC_SECRET": SECRET,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services", "serve", "--no-loops"),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            said = (await process.stdout.readline()).decode()
        address = re.search(r"http://[\d.:]+", said)
        assert address, said
        async with httpx.AsyncClient(base_url=address[0]) as client:
            for secret in (key, planted):
                headers = {"authorization": f"Bearer {secret}"}
                for place in ("/v1/keys", f"/v1/keys?key={secret}", f"/v1/rules/{secret}", f"/{secret}"):  # fmt: skip
                    await client.get(place, headers=headers)
                await client.post("/v1/keys", headers=headers, content=secret)
                new = {"name": "n", "roles": ["analyst"], "units": ["VN"]}
                answer = await client.post("/v1/keys", headers=headers, json=new)
                if answer.status_code == 201:
                    made_there = answer.json()["key"]
    finally:
        process.terminate()
        out, err = await process.communicate()

    log = (out + err).decode()
    assert '"status": 201' in log
    for secret in (key, planted, made_there):
        assert secret.rpartition("_")[2] not in log
