"""Idempotency-Key: a request sent again takes effect once and is answered the same."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from libs.common.idempotency import _Fingerprint
from tests.support.world import World, until

pytestmark = pytest.mark.anyio


def unit(code: str) -> dict[str, Any]:
    return {
        "code": code,
        "name": code,
        "kind": "province",
        "parent": "VN",
        "valid_from": "2010-01-01",
    }


def reports(done: int, unit: str = "A") -> dict[str, Any]:
    figures = [{"measure": "cases", "enforceable": 100, "done": done}]
    return {"reports": [{"unit": unit, "period": "2022M05", "figures": figures}]}


@pytest.fixture
async def world_with_a(still_world: World) -> World:
    answer = await still_world.admin.put(
        "/v1/units", json={"units": [unit("A"), unit("B")]}
    )
    assert answer.status_code == 200
    return still_world


async def send(
    client: httpx.AsyncClient, body: Any, key: str = "k1", **query: str
) -> httpx.Response:
    return await client.post(
        "/v1/reports", json=body, params=query, headers={"Idempotency-Key": key}
    )


async def revisions(world: World) -> int:
    return int(await world.owner.fetchval("SELECT count(*) FROM ingest.report"))


async def test_the_second_sending_takes_no_effect_and_is_answered_the_same(
    world_with_a: World,
) -> None:
    first = await send(world_with_a.admin, reports(50))
    await send(world_with_a.admin, reports(60), key="k2")

    again = await send(world_with_a.admin, reports(50))

    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    # Without the key it would have been a third revision, back to 50.
    assert await revisions(world_with_a) == 2


@pytest.mark.parametrize(
    ("body", "query"),
    [(reports(51), {}), (reports(50), {"dry_run": "true"})],
    ids=["another body", "another query"],
)
async def test_another_request_under_the_same_key_is_refused(
    world_with_a: World, body: Any, query: dict[str, str]
) -> None:
    await send(world_with_a.admin, reports(50))

    answer = await send(world_with_a.admin, body, **query)

    assert (answer.status_code, answer.json()["code"]) == (
        422,
        "idempotency_key_reused",
    )
    assert await revisions(world_with_a) == 1


async def test_a_hundred_at_once_take_effect_once(world_with_a: World) -> None:
    """I9: one is at work, the others are told to wait or answered the same."""
    answers = await asyncio.gather(
        *(send(world_with_a.admin, reports(50)) for _ in range(100))
    )

    taken = [one for one in answers if one.status_code == 202]
    assert {one.status_code for one in answers} <= {202, 409, 503}
    assert {one.content for one in taken} == {taken[0].content}
    assert sum("Idempotency-Replayed" not in one.headers for one in taken) == 1
    assert await revisions(world_with_a) == 1


async def test_a_key_is_of_its_sender_method_and_path(world_with_a: World) -> None:
    await send(world_with_a.admin, reports(50))
    other = await world_with_a.client("reporter", under="A")

    answer = await send(other, reports(70))
    put = await world_with_a.admin.put(
        "/v1/units", json={"units": [unit("A")]}, headers={"Idempotency-Key": "k1"}
    )

    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    assert put.status_code == 200
    assert "Idempotency-Replayed" not in put.headers


async def test_what_was_refused_may_be_mended_under_the_same_key(
    world_with_a: World,
) -> None:
    refused = await send(world_with_a.admin, reports(50, unit="X"))

    mended = await send(world_with_a.admin, reports(50))

    assert (refused.status_code, mended.status_code) == (422, 202)


async def test_while_the_first_is_at_work_the_second_is_a_conflict(
    world_with_a: World,
) -> None:
    """A writer of the same period holds the first request up."""
    transaction = world_with_a.owner.transaction()
    await transaction.start()
    await world_with_a.owner.execute(
        "SELECT pg_advisory_xact_lock(8, hashtext('2022M05'))"
    )
    first = asyncio.create_task(send(world_with_a.admin, reports(50)))

    async def waits() -> bool:
        return bool(
            await world_with_a.owner.fetchval(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
            )
        )

    await until(waits)
    second = await send(world_with_a.admin, reports(50))
    await transaction.rollback()

    assert (second.status_code, second.json()["code"]) == (409, "in_flight")
    assert (await first).status_code == 202
    assert (await send(world_with_a.admin, reports(50))).headers[
        "Idempotency-Replayed"
    ] == "true"


async def test_a_secret_in_an_answer_is_given_again_but_kept_sealed(
    world_with_a: World,
) -> None:
    body = {"name": "n", "roles": ["analyst"], "units": ["A"]}
    headers = {"Idempotency-Key": "k1"}

    first = (
        await world_with_a.admin.post("/v1/keys", json=body, headers=headers)
    ).json()
    again = (
        await world_with_a.admin.post("/v1/keys", json=body, headers=headers)
    ).json()

    assert again == first
    kept = await world_with_a.owner.fetchval("SELECT answer FROM platform.idempotency")
    assert first["key"].encode() not in kept
    assert (
        await world_with_a.owner.fetchval(
            "SELECT count(*) FROM platform.api_key WHERE name = 'n'"
        )
        == 1
    )


async def test_after_seven_days_a_key_is_new(world_with_a: World) -> None:
    await send(world_with_a.admin, reports(50))
    await send(world_with_a.admin, reports(60), key="k2")
    await world_with_a.owner.execute(
        "UPDATE platform.idempotency SET kept_at = now() - interval '7 days 1 minute'"
    )

    answer = await send(world_with_a.admin, reports(50))

    assert "Idempotency-Replayed" not in answer.headers
    assert await revisions(world_with_a) == 3
    assert (
        await world_with_a.owner.fetchval("SELECT count(*) FROM platform.idempotency")
        == 1
    )


async def test_the_key_stands_or_falls_with_what_was_done(world_with_a: World) -> None:
    """Where the key cannot be kept, nothing was done either."""
    await world_with_a.owner.execute(
        "REVOKE INSERT ON platform.idempotency FROM dondoc_ingest"
    )

    answer = await send(world_with_a.admin, reports(50))

    assert answer.status_code == 500
    assert await revisions(world_with_a) == 0


@pytest.mark.parametrize(
    "key",
    ["", "a b", "x" * 256, "mã"],
    ids=["empty", "a space", "256 letters", "Vietnamese"],
)
async def test_a_bad_key_is_refused(world_with_a: World, key: str) -> None:
    answer = await world_with_a.admin.post(
        "/v1/reports", json=reports(50), headers={"Idempotency-Key": key.encode()}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "bad_idempotency_key")


async def test_waiting_happens_after_the_commit(world: World) -> None:
    await world.admin.put("/v1/units", json={"units": [unit("A")]})

    answer = await send(world.admin, reports(50), wait="20")

    batch = (await world.admin.get(f"/v1/batches/{answer.json()['batch']}")).json()
    assert batch["state"] == "evaluated"


@settings(max_examples=6, deadline=None)
@given(order=st.lists(st.integers(0, 3), max_size=8))
async def test_replays_in_any_order_leave_the_same_state(
    order: list[int], cluster: str, template: str
) -> None:
    """Four requests, any of them again and again after they were first sent."""
    import asyncpg

    from tests.conftest import at

    name = "replays"
    owner = await asyncpg.connect(cluster)
    await owner.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await owner.execute(
        f"CREATE DATABASE {name} TEMPLATE template_dondoc STRATEGY file_copy"
    )
    await owner.close()
    async with World.running(at(cluster, name), with_loops=False) as world:
        await world.admin.put("/v1/units", json={"units": [unit("A"), unit("B")]})
        bodies = [reports(10), reports(20), reports(10), reports(30, unit="B")]
        sent: set[int] = set()
        for number in [*range(4), *order]:
            answer = await send(world.admin, bodies[number], key=f"k{number}")
            assert answer.status_code == 202
            assert ("Idempotency-Replayed" in answer.headers) == (number in sent)
            sent.add(number)
        rows = await world.owner.fetch(
            "SELECT unit, revision, done FROM ingest.figure ORDER BY unit, revision"
        )

    assert [tuple(row) for row in rows] == [
        ("A", 1, 10),
        ("A", 2, 20),
        ("A", 3, 10),
        ("B", 1, 30),
    ]


# Fingerprints ------------------------------------------------------------------------


async def fingerprint(chunks: list[bytes], kind: str = "application/json") -> bytes:
    left = list(chunks)

    async def receive() -> Message:
        body = left.pop(0) if left else b""
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(b"content-type", kind.encode())],
        "server": ("dondoc", 80),
        "scheme": "http",
    }
    return await _Fingerprint(Request(scope, receive)).whole()


@given(body=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=5))
async def test_how_the_network_cuts_a_body_does_not_matter(
    body: bytes, cuts: list[int]
) -> None:
    places = sorted({0, len(body), *(min(cut, len(body)) for cut in cuts)})
    pieces = [body[a:b] for a, b in itertools.pairwise(places)] or [b""]
    kind = "multipart/form-data; boundary=abcabcab"

    assert await fingerprint(pieces) == await fingerprint([body])
    assert await fingerprint(pieces, kind) == await fingerprint([body], kind)


async def test_a_boundary_made_anew_does_not_matter() -> None:
    def form(boundary: str, value: str) -> list[bytes]:
        text = f'--{boundary}\r\nContent-Disposition: form-data; name="file"\r\n\r\n{value}\r\n--{boundary}--\r\n'
        return [text.encode()[:30], text.encode()[30:]]

    one = await fingerprint(
        form("aaaa1111", "v"), "multipart/form-data; boundary=aaaa1111"
    )
    two = await fingerprint(
        form("bbbb2222", "v"), 'multipart/form-data; boundary="bbbb2222"'
    )
    other = await fingerprint(
        form("aaaa1111", "w"), "multipart/form-data; boundary=aaaa1111"
    )

    assert one == two
    assert one != other


async def test_a_request_belongs_to_no_transaction_that_another_left_in_its_context(
    still_world: World,
) -> None:
    database = still_world.database("ingest")

    async with database.joined() as connection:
        await connection.execute(
            "INSERT INTO ingest.category (code, vi, en) VALUES ('mine', 'm', 'm')"
        )
        meanwhile = await still_world.admin.get("/v1/categories")
    afterwards = await still_world.admin.get("/v1/categories")

    assert (meanwhile.status_code, afterwards.status_code) == (200, 200)
    assert '"mine"' not in meanwhile.text
    assert '"mine"' in afterwards.text
