"""`platform.event`: an event takes effect whole, once, one worker to a key."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeAlias

import asyncpg
import pytest
import structlog
from structlog.testing import capture_logs

from libs.common.database import Connection, Database
from libs.common.events import (
    ATTEMPTS,
    FIGURES_CHANGED,
    FIGURES_PROPOSED,
    REPORTS_CHANGED,
    SCORES_CHANGED,
    Event,
    News,
    backlog,
    consume_one,
    publish,
)
from services.scoring import inbox
from tests.support.databases import Copy, copy_of
from tests.support.world import World

pytestmark = pytest.mark.anyio
Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
HOUR = timedelta(hours=1)
MAY = "2022M05"


@pytest.fixture(scope="module")
async def copied(template: str) -> AsyncIterator[Copy]:
    async with copy_of(template, "events") as made:
        yield made


@pytest.fixture
async def url(copied: Copy) -> str:
    await copied.as_new()
    return copied.url


@pytest.fixture
async def owner(url: str) -> AsyncIterator[Owner]:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE IF NOT EXISTS effect (said text)")
    await connection.execute("DELETE FROM effect")
    await connection.execute("GRANT ALL ON effect TO dondoc_scoring")
    yield connection
    await connection.close()


@pytest.fixture
async def database(url: str, owner: Owner) -> AsyncIterator[Database]:
    async with opened(url) as found:
        yield found


@pytest.fixture
async def another(url: str, owner: Owner) -> AsyncIterator[Database]:
    """A second pool, as another process has it."""
    async with opened(url) as found:
        yield found


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    found = Database(url, "dondoc_scoring")
    await found.open()
    yield found
    await found.close()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


async def announced(
    owner: Owner, *news: str, topic: str = FIGURES_CHANGED, batch: str | None = None
) -> None:
    async with owner.transaction():
        await publish(owner, [News(topic, key, batch, "req_1") for key in news])


async def note(connection: Connection, said: str) -> None:
    await connection.execute("INSERT INTO effect VALUES ($1)", said)


async def noted(owner: Owner) -> list[str]:
    rows = await owner.fetch("SELECT said FROM effect ORDER BY said")
    return [row["said"] for row in rows]


async def waiting(owner: Owner) -> list[asyncpg.Record]:
    return await owner.fetch(
        "SELECT id, topic, key, batch, request, attempts, run_at, dead_at, error,"
        " extract(epoch FROM run_at - now()) AS pause FROM platform.event ORDER BY id"
    )


async def time_passes(owner: Owner) -> None:
    await owner.execute("UPDATE platform.event SET run_at = now() WHERE run_at > now()")


async def well(connection: Connection, key: str, events: Sequence[Event]) -> None:
    for event in events:
        await note(connection, f"{key} {event.batch or ''}".strip())


async def badly(connection: Connection, key: str, events: Sequence[Event]) -> None:
    await well(connection, key, events)
    await publish(connection, [events[0].followed_by(SCORES_CHANGED)])
    raise ValueError("no good")


async def consume(database: Database, handle: object = well) -> bool:
    async with asyncio.timeout(20):  # a worker that waits for another one fails
        return await consume_one(
            database,
            FIGURES_CHANGED,
            handle,  # type: ignore[arg-type]
            backoff=HOUR,
        )


# Together or not at all ---------------------------------------------------------------


async def test_an_event_exists_only_if_its_transaction_commits(
    database: Database, owner: Owner
) -> None:
    async def give_up() -> None:
        async with database.transaction() as connection:
            await note(connection, "never")
            await publish(connection, [News(FIGURES_CHANGED, MAY, None, None)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await give_up()

    assert (await waiting(owner), await noted(owner)) == ([], [])
    assert not await consume(database)


async def test_the_claim_the_effect_and_the_follow_up_commit_together(
    database: Database, owner: Owner
) -> None:
    await announced(owner, MAY, batch="bat_1")

    async def handle(connection: Connection, key: str, events: Sequence[Event]) -> None:
        await well(connection, key, events)
        await publish(connection, [events[0].followed_by(SCORES_CHANGED)])
        assert [e["topic"] for e in await waiting(owner)] == [FIGURES_CHANGED]
        assert await noted(owner) == []

    assert await consume(database, handle)

    (follow_up,) = await waiting(owner)
    assert await noted(owner) == ["2022M05 bat_1"]
    assert (follow_up["topic"], follow_up["key"]) == (SCORES_CHANGED, MAY)
    assert (follow_up["batch"], follow_up["request"]) == ("bat_1", "req_1")


async def test_what_waits_for_one_key_is_handled_at_once_in_order(
    database: Database, owner: Owner
) -> None:
    await announced(owner, MAY, "2022M06", MAY)
    groups: list[tuple[str, list[int]]] = []

    async def handle(_: Connection, key: str, events: Sequence[Event]) -> None:
        groups.append((key, [event.id for event in events]))

    while await consume(database, handle):
        pass

    (may, ids), (june, _) = groups
    assert (may, june) == (MAY, "2022M06")
    assert ids == sorted(ids)
    assert len(ids) == 2


# Failure -------------------------------------------------------------------------------


async def test_a_handler_that_fails_leaves_nothing_and_waits_longer_each_time(
    database: Database, owner: Owner
) -> None:
    await announced(owner, MAY)
    pauses = []

    for _ in range(ATTEMPTS):
        assert await consume(database, badly)
        (event,) = await waiting(owner)
        pauses.append(round(event["pause"] / 3600, 1))
        assert not await consume(database, badly)
        await time_passes(owner)

    (event,) = await waiting(owner)
    assert await noted(owner) == []
    assert pauses == [2**n for n in range(ATTEMPTS)]
    assert event["attempts"] == ATTEMPTS
    assert event["dead_at"] is not None
    assert event["error"] == "ValueError: no good"
    assert not await consume(database)


async def test_it_is_not_dead_one_try_before_the_last(
    database: Database, owner: Owner
) -> None:
    await announced(owner, MAY)
    for _ in range(ATTEMPTS - 1):
        await consume(database, badly)
        await time_passes(owner)

    assert await consume(database)

    assert (await waiting(owner), await noted(owner)) == ([], [MAY])


async def test_one_bad_event_does_not_hold_the_others(
    database: Database, owner: Owner
) -> None:
    for batch in ("good_1", "bad", "good_2"):
        await announced(owner, MAY, batch=batch)
    await announced(owner, "2022M06", batch="other key")

    async def handle(connection: Connection, key: str, events: Sequence[Event]) -> None:
        await well(connection, key, events)
        if any(event.batch == "bad" for event in events):
            raise ValueError("bad")

    while await consume(database, handle):
        pass
    assert await noted(owner) == ["2022M06 other key"]
    await time_passes(owner)
    while await consume(database, handle):
        pass

    assert await noted(owner) == [
        *("2022M05 good_1", "2022M05 good_2", "2022M06 other key")
    ]
    (bad,) = await waiting(owner)
    assert (bad["batch"], bad["attempts"], bad["dead_at"]) == ("bad", 2, None)


async def test_an_event_that_waits_does_not_hold_a_newer_one_of_its_key(
    database: Database, owner: Owner
) -> None:
    await announced(owner, MAY, batch="old")
    await consume(database, badly)
    await announced(owner, MAY, batch="new")

    assert await consume(database)

    assert await noted(owner) == ["2022M05 new"]
    assert [event["batch"] for event in await waiting(owner)] == ["old"]


async def test_a_dead_letter_is_listed_and_can_be_tried_again(
    still_world: World,
) -> None:
    owner, admin = still_world.owner, still_world.admin
    database = still_world.database("scoring")
    await announced(owner, MAY, batch="bat_1")
    await owner.execute(
        "INSERT INTO platform.batch (id, key, received_at) VALUES ('bat_1', 'k', now())"
    )

    async def fail(_: Connection, __: str, ___: Sequence[Event]) -> None:
        raise ValueError("no good")

    for _ in range(ATTEMPTS):
        await consume(database, fail)
        await time_passes(owner)

    (letter,) = (await admin.get("/v1/dead-letters")).json()["items"]
    assert (letter["topic"], letter["key"], letter["attempts"]) == (FIGURES_CHANGED, MAY, ATTEMPTS)  # fmt: skip
    assert letter["error"] == "ValueError: no good"
    assert letter["dead_at"]
    batch = (await admin.get("/v1/batches/bat_1")).json()
    assert (batch["state"], batch["problem"]) == ("failed", "figures.changed: ValueError: no good")  # fmt: skip
    assert await backlog(owner) == [(FIGURES_CHANGED, 0, 0, 1)]

    answer = await admin.post(f"/v1/dead-letters/{letter['id']}/retry")
    assert answer.status_code == 202
    assert (await admin.get("/v1/dead-letters")).json()["items"] == []
    assert (await waiting(owner))[0]["attempts"] == 0

    async def succeed(_: Connection, __: str, ___: Sequence[Event]) -> None: ...

    assert await consume(database, succeed)
    batch = (await admin.get("/v1/batches/bat_1")).json()
    assert (batch["state"], batch.get("problem")) == ("evaluated", None)
    again = await admin.post(f"/v1/dead-letters/{letter['id']}/retry")
    assert again.status_code == 404


async def test_a_dry_run_that_fails_every_try_leaves_no_proposal(
    still_world: World,
) -> None:
    """One try before the last they are still there; afterwards it is sent anew."""
    owner, admin = still_world.owner, still_world.admin
    unit = {"kind": "province", "parent": "VN", "valid_from": "2010-01-01"}
    await admin.put("/v1/units", json={"units": [{"code": "A", "name": "A", **unit}]})
    figures = [{"measure": "cases", "enforceable": 9, "done": 1}]
    report = {"unit": "A", "period": MAY, "figures": figures}
    sent = await still_world.report(report, dry_run="true")
    proposals = []

    async def fail(_: Connection, __: str, ___: Sequence[Event]) -> None:
        raise ValueError("no good")

    for _ in range(ATTEMPTS):
        proposals.append(await owner.fetchval("SELECT count(*) FROM platform.preview"))
        await consume_one(
            still_world.database("scoring"), FIGURES_PROPOSED, fail, backoff=HOUR
        )
        await time_passes(owner)

    assert proposals == [1] * ATTEMPTS
    assert await owner.fetchval("SELECT count(*) FROM platform.preview") == 0
    batch = (await admin.get(f"/v1/batches/{sent.json()['batch']}")).json()
    assert batch["state"] == "failed"
    (letter,) = (await admin.get("/v1/dead-letters")).json()["items"]
    answer = await admin.post(f"/v1/dead-letters/{letter['id']}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "preview_gone")
    assert len((await admin.get("/v1/dead-letters")).json()["items"]) == 1


async def test_a_waiting_event_is_no_dead_letter(still_world: World) -> None:
    await announced(still_world.owner, MAY)
    (event,) = await waiting(still_world.owner)

    answer = await still_world.admin.post(f"/v1/dead-letters/{event['id']}/retry")

    assert answer.status_code == 404


# Several workers -----------------------------------------------------------------------


async def test_two_workers_never_hold_one_key_at_the_same_time(
    database: Database, another: Database, owner: Owner
) -> None:
    keys = [f"2022M0{n}" for n in range(1, 5)]
    total, inside, most, overlapped = 120, Counter[str](), 0, 0

    async def handle(connection: Connection, key: str, events: Sequence[Event]) -> None:
        nonlocal most, overlapped
        inside[key] += 1
        most = max(most, inside[key])
        overlapped = max(overlapped, sum(inside.values()))
        await well(connection, key, events)
        await connection.execute("SELECT pg_sleep(0.002)")
        inside[key] -= 1

    async def work(pool: Database) -> None:
        while len(await noted_by(pool)) < total:
            await consume(pool, handle)

    async def produce() -> None:
        for n in range(total):
            await announced(owner, keys[n % 4], batch=str(n))

    async with asyncio.timeout(30):
        await asyncio.gather(
            produce(), *(work(pool) for pool in (database, another) for _ in range(3))
        )

    said = await noted(owner)
    assert most == 1
    assert overlapped > 1
    assert len(said) == len(set(said)) == total
    assert await waiting(owner) == []


async def noted_by(pool: Database) -> list[asyncpg.Record]:
    async with pool.connection() as connection:
        return await connection.fetch("SELECT said FROM effect")


async def test_a_key_in_work_is_passed_over_not_waited_for(
    database: Database, another: Database, owner: Owner
) -> None:
    await announced(owner, MAY, "2022M06")
    inside, may_end = asyncio.Event(), asyncio.Event()

    async def slow(_: Connection, __: str, ___: Sequence[Event]) -> None:
        inside.set()
        await may_end.wait()

    first = asyncio.create_task(consume(database, slow))
    await inside.wait()
    await announced(owner, MAY)

    assert await consume(another)
    assert not await consume(another)
    assert await noted(owner) == ["2022M06"]
    may_end.set()
    assert await first
    assert await consume(another)
    assert await noted(owner) == [MAY, "2022M06"]


async def test_a_connection_lost_in_the_middle_leaves_the_event_and_no_effect(
    database: Database, owner: Owner
) -> None:
    await announced(owner, MAY, batch="bat_1")
    (before,) = await waiting(owner)

    async def cut_off(
        connection: Connection, key: str, events: Sequence[Event]
    ) -> None:
        await well(connection, key, events)
        pid = await connection.fetchval("SELECT pg_backend_pid()")
        await owner.execute("SELECT pg_terminate_backend($1, 5000)", pid)
        await well(connection, key, events)

    assert await consume(database, cut_off)

    (after,) = await waiting(owner)
    same = ("id", "topic", "key", "batch", "request", "dead_at")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert await noted(owner) == []
    await time_passes(owner)
    assert await consume(database)
    assert await noted(owner) == ["2022M05 bat_1"]


async def test_a_worker_that_is_cut_off_leaves_everything_as_it_was(
    database: Database, another: Database, owner: Owner
) -> None:
    await announced(owner, MAY)
    before = await waiting(owner)
    inside = asyncio.Event()

    async def never_ends(
        connection: Connection, key: str, events: Sequence[Event]
    ) -> None:
        await well(connection, key, events)
        inside.set()
        await asyncio.Event().wait()

    worker = asyncio.create_task(consume(database, never_ends))
    await inside.wait()
    worker.cancel()
    await asyncio.wait([worker])

    assert worker.cancelled()
    after = await waiting(owner)
    assert [(e["id"], e["attempts"], e["run_at"]) for e in after] == [
        (e["id"], e["attempts"], e["run_at"]) for e in before
    ]
    assert await noted(owner) == []
    assert await consume(another)
    assert await noted(owner) == [MAY]


# Batches -------------------------------------------------------------------------------


async def batch(owner: Owner, id: str = "bat_1") -> None:
    await owner.execute(
        "INSERT INTO platform.batch (id, key, received_at) VALUES ($1, 'k', now())", id
    )


async def ended(owner: Owner, id: str = "bat_1") -> tuple[bool, bool]:
    """Whether the batch is scored, and whether it is evaluated."""
    row = await owner.fetchrow(
        "SELECT scored_at IS NOT NULL, evaluated_at IS NOT NULL"
        " FROM platform.batch WHERE id = $1",
        id,
    )
    assert row is not None
    return row[0], row[1]


async def test_a_batch_is_scored_and_evaluated_when_its_last_event_is_done(
    database: Database, owner: Owner
) -> None:
    await batch(owner)
    await announced(owner, MAY, "2023M05", batch="bat_1")
    await announced(owner, MAY, topic=REPORTS_CHANGED, batch="bat_1")
    await announced(owner, "2022M06", batch="bat_2")

    async def score(connection: Connection, _: str, events: Sequence[Event]) -> None:
        await publish(connection, [e.followed_by(SCORES_CHANGED) for e in events])

    async def done(topic: str) -> tuple[bool, bool]:
        handle = score if topic == FIGURES_CHANGED else well
        assert await consume_one(database, topic, handle, backoff=HOUR)
        return await ended(owner)

    assert await done(FIGURES_CHANGED) == (False, False)
    assert await done(SCORES_CHANGED) == (False, False)
    assert await done(FIGURES_CHANGED) == (True, False)
    assert await done(REPORTS_CHANGED) == (True, False)
    assert await done(SCORES_CHANGED) == (True, True)


async def test_a_failure_ends_no_batch(database: Database, owner: Owner) -> None:
    await batch(owner)
    await announced(owner, MAY, batch="bat_1")

    await consume(database, badly)

    assert await ended(owner) == (False, False)


async def test_two_last_events_at_the_same_moment_end_the_batch(
    database: Database, another: Database, owner: Owner
) -> None:
    for n in range(15):
        await batch(owner, f"bat_{n}")
        await announced(owner, MAY, "2022M06", batch=f"bat_{n}")
        together = asyncio.Barrier(2)

        async def handle(
            _: Connection,
            __: str,
            ___: Sequence[Event],
            together: asyncio.Barrier = together,
        ) -> None:
            await together.wait()

        async with asyncio.timeout(10):
            both = await asyncio.gather(
                consume(database, handle), consume(another, handle)
            )

        assert both == [True, True]
        assert await ended(owner, f"bat_{n}") == (True, True)


# Whose deed it is ----------------------------------------------------------------------


async def test_the_request_id_travels_from_the_post_to_the_last_event(
    still_world: World,
) -> None:
    report = {"unit": "VN", "period": MAY, "figures": [{"measure": "cases", "published_rate": "41.54"}]}  # fmt: skip
    answer = await still_world.admin.post(
        "/v1/reports",
        json={"money_in": "vnd", "reports": [report]},
        headers={"x-request-id": "case-management-4711"},
    )
    assert answer.status_code == 202, answer.text
    heard: list[object] = []

    async def score(connection: Connection, key: str, events: Sequence[Event]) -> None:
        heard.append(structlog.contextvars.get_contextvars().get("request_id"))
        await inbox.figures_changed(connection, key, events)

    while await consume(still_world.database("scoring"), score):
        pass

    assert answer.headers["x-request-id"] == "case-management-4711"
    assert set(heard) == {"case-management-4711"}
    left = await waiting(still_world.owner)
    assert {(e["topic"], e["request"], e["batch"]) for e in left} == {
        (topic, "case-management-4711", answer.json()["batch"])
        for topic in (SCORES_CHANGED, REPORTS_CHANGED)
    }


@pytest.mark.parametrize("given", ["", "two words", "a" * 65, "x\tevent=forged"])
async def test_a_request_id_that_could_forge_a_log_line_is_replaced(
    still_world: World, given: str
) -> None:
    answer = await still_world.admin.get("/v1/clock", headers={"x-request-id": given})

    assert answer.headers["x-request-id"].startswith("req_")
