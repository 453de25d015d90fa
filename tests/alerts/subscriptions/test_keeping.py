"""What was missed is recovered, what is owed is kept, what is past is forgotten."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from services.alerts.subscriptions import usecases
from tests.support.delivering import (
    asked,
    courier,
    deliveries,
    pinged,
    states,
    subscribed,
    time_passes,
    told,
    worked,
)
from tests.support.subscriber import subscriber
from tests.support.world import World, until

pytestmark = pytest.mark.anyio
NOWHERE = "http://127.0.0.1:9/"
LONG_AGO = "2020-01-01T00:00:00+07:00"
ONLY = {"types": ["escalation.*"]}


async def recovered(world: World, *, most: int = 1000) -> int:
    """Work off every recovery; in how many steps."""
    steps = 0
    while await usecases.recover_some(world.database("alerts"), most):
        steps += 1
    return steps


async def aged(world: World, *messages: str) -> None:
    """Let these messages be 100 days old."""
    await world.owner.execute(
        "UPDATE alerts.message SET created_at = now() - interval '100 days'"
        " WHERE id = ANY($1)",
        list(messages),
    )


# Recovery ------------------------------------------------------------------------------


async def test_what_was_said_before_it_subscribed_is_recovered_in_small_steps(
    still_world: World,
) -> None:
    before = [await told(still_world) for _ in range(7)]
    report = await told(still_world, "report.accepted", severity=None)
    async with subscriber() as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url, **ONLY)
        await pinged(still_world, made)
        answer = await asked(still_world, made, "recover", since=LONG_AGO)
        steps = await recovered(still_world, most=2)
        await worked(worker)

    assert (answer["found"], answer["finished_at"]) == (0, None)
    assert steps >= 4
    assert set(there.ids) > set(before)
    assert len(there.ids) == len(before) + 1  # and the ping
    assert report not in there.ids
    row = await still_world.owner.fetchrow("SELECT * FROM alerts.recovery")
    assert row is not None
    assert (row["id"], row["found"]) == (answer["id"], 7)
    assert row["finished_at"] is not None


async def test_a_recovery_asked_for_twice_happens_once(still_world: World) -> None:
    sent = [await told(still_world) for _ in range(3)]
    async with subscriber() as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url, **ONLY)
        first = await asked(still_world, made, "recover", since=LONG_AGO)
        same = await asked(still_world, made, "recover", since=LONG_AGO)
        await recovered(still_world)
        await worked(worker)
        again = await asked(still_world, made, "recover", since=LONG_AGO)
        await recovered(still_world)
        await worked(worker)

    assert first["id"] == same["id"] != again["id"]
    assert sorted(there.ids) == sorted(sent)


async def test_what_is_dead_or_withheld_is_recovered_and_what_waits_is_left_alone(
    still_world: World,
) -> None:
    made = await subscribed(still_world, NOWHERE, **ONLY)
    for state, next_at in (("dead", "NULL"), ("withheld", "NULL"), ("delivered", "NULL"), ("retrying", "now() + interval '1 h'")):  # fmt: skip
        id = await told(still_world)
        await still_world.owner.execute(f"UPDATE alerts.delivery SET state = '{state}', next_attempt_at = {next_at} WHERE message = $1", id)  # fmt: skip

    await asked(still_world, made, "recover", since=LONG_AGO)
    await recovered(still_world)

    found = await deliveries(still_world, made)
    assert [one["state"] for one in found] == ["retrying", "retrying", "delivered", "retrying"]  # fmt: skip
    due = await still_world.owner.fetchval("SELECT count(*) FROM alerts.delivery WHERE next_attempt_at <= now()")  # fmt: skip
    assert due == 2


async def test_a_recovery_begins_at_its_moment_and_not_in_the_future(
    still_world: World,
) -> None:
    old = await told(still_world)
    await aged(still_world, old)
    fresh = await told(still_world)
    made = await subscribed(still_world, NOWHERE, **ONLY)
    now = datetime.now(UTC)
    place = f"/v1/subscriptions/{made['id']}/recover"

    refused = await still_world.admin.post(place, json={"since": (now + timedelta(days=1)).isoformat()})  # fmt: skip
    await asked(still_world, made, "recover", since=(now - timedelta(days=1)).isoformat())  # fmt: skip
    await recovered(still_world)

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/since")  # fmt: skip
    assert [d["message"] for d in await deliveries(still_world, made)] == [fresh]


async def test_a_recovery_never_reaches_beyond_the_key(still_world: World) -> None:
    units = [{"code": c, "name": c, "kind": "province", "parent": "VN", "valid_from": "2010-01-01"} for c in "AB"]  # fmt: skip
    await still_world.admin.put("/v1/units", json={"units": units})
    mine, theirs = await told(still_world, unit="A"), await told(still_world, unit="B")
    client = await still_world.client("subscriber", under="A")
    made = await subscribed(still_world, NOWHERE, client=client, under="A", **ONLY)

    await asked(still_world, made, "recover", since=LONG_AGO)
    await recovered(still_world)

    heard = [d["message"] for d in await deliveries(still_world, made)]
    assert heard == [mine]
    assert theirs not in heard


async def test_a_recovery_is_worked_off_by_the_loops(world: World) -> None:
    sent = await told(world)
    async with subscriber() as there:
        made = await subscribed(world, there.url, **ONLY)
        await asked(world, made, "recover", since=LONG_AGO)

        async def there_it_is() -> bool:
            return there.ids == [sent]

        await until(there_it_is)


# Heartbeats ----------------------------------------------------------------------------


async def test_heartbeats_go_to_those_who_name_them_once_in_each_span(
    still_world: World,
) -> None:
    alerts = still_world.database("alerts")
    async with (
        subscriber() as one,
        subscriber() as other,
        courier(still_world) as worker,
    ):
        made = await subscribed(still_world, one.url, types=["heartbeat", "report.*"])
        await subscribed(still_world, other.url, types=["*"])
        ill = await subscribed(still_world, NOWHERE, types=["heartbeat"])
        await still_world.owner.execute("UPDATE alerts.subscription SET failing_since = now() WHERE id = $1", ill["id"])  # fmt: skip
        for _ in range(3):
            await usecases.beat(alerts)
        await worked(worker)
        await usecases.beat(alerts, timedelta())
        await worked(worker)

    assert len(one.posts) == 2
    assert other.posts == []
    assert await states(still_world, ill) == []
    assert json.loads(one.posts[0].body)["type"] == "vn.dondoc.heartbeat"
    assert one.posts[0].id != one.posts[1].id
    assert await states(still_world, made) == ["delivered"] * 2


# Forgetting ----------------------------------------------------------------------------


async def test_after_90_days_only_what_is_owed_is_left(still_world: World) -> None:
    made = await subscribed(still_world, NOWHERE, **ONLY)
    kinds = ("delivered", "withheld", "dead", "acknowledged", "retrying", "pending")
    sent = {kind: await told(still_world) for kind in kinds}
    for kind, id in sent.items():
        state = "dead" if kind == "acknowledged" else kind
        await still_world.owner.execute("UPDATE alerts.delivery SET state = $1 WHERE message = $2", state, id)  # fmt: skip
    await still_world.owner.execute("UPDATE alerts.delivery SET acknowledged_at = now() WHERE message = $1", sent["acknowledged"])  # fmt: skip
    await aged(still_world, *sent.values())
    unheard = await told(still_world, "report.accepted")
    await aged(still_world, unheard)
    fresh = await told(still_world, "report.accepted")

    await usecases.forget(still_world.database("alerts"))

    left = await still_world.owner.fetch("SELECT id FROM alerts.message")
    kept = {sent["dead"], sent["retrying"], sent["pending"], fresh}
    assert {row["id"] for row in left} == kept
    assert {d["message"] for d in await deliveries(still_world, made)} == kept - {fresh}


async def test_what_is_held_for_a_disabled_subscription_is_kept(
    still_world: World,
) -> None:
    made = await subscribed(still_world, NOWHERE, **ONLY)
    await aged(still_world, await told(still_world))
    await still_world.owner.execute("UPDATE alerts.subscription SET state = 'disabled'")

    await usecases.forget(still_world.database("alerts"))

    assert await states(still_world, made) == ["held"]


async def test_a_deleted_subscription_is_forgotten_with_its_messages(
    still_world: World,
) -> None:
    made = await subscribed(still_world, NOWHERE, **ONLY)
    await aged(still_world, await told(still_world))
    await still_world.admin.delete(f"/v1/subscriptions/{made['id']}")

    await usecases.forget(still_world.database("alerts"))

    for table in ("subscription", "delivery", "message"):
        assert await still_world.owner.fetchval(f"SELECT count(*) FROM alerts.{table}") == 0  # fmt: skip


async def partitions(owner: asyncpg.Connection[asyncpg.Record]) -> list[str]:
    rows = await owner.fetch(
        "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid"
        " WHERE inhparent = 'alerts.attempt'::regclass ORDER BY 1"
    )
    return [row["relname"] for row in rows]


async def test_the_log_of_attempts_has_a_month_each_and_drops_the_oldest(
    still_world: World,
) -> None:
    owner = still_world.owner
    as_migrated = await partitions(owner)
    for months in (2, 6):
        await owner.execute("SELECT alerts.keep_month((date_trunc('month', now()) - $1 * interval '1 month')::date)", months)  # fmt: skip
    more = await partitions(owner)
    await owner.execute(f"DROP TABLE alerts.{as_migrated[-1]}")

    await usecases.forget(still_world.database("alerts"))

    assert len(as_migrated) == 3
    assert len(more) == 5
    assert await partitions(owner) == more[1:]


async def test_an_attempt_lies_in_the_partition_of_its_month(
    still_world: World,
) -> None:
    async with subscriber() as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url, **ONLY)
        await told(still_world)
        await worked(worker)
        await time_passes(still_world)

    place = await still_world.owner.fetchval("SELECT tableoid::regclass::text FROM alerts.attempt")  # fmt: skip
    assert place == f"alerts.attempt_p{datetime.now(UTC):%Y%m}"
    assert await states(still_world, made) == ["delivered"]


# Metrics -------------------------------------------------------------------------------


async def test_metrics_tell_what_is_undelivered_held_dead_and_cut_off(
    still_world: World,
) -> None:
    made = await subscribed(still_world, NOWHERE, **ONLY)
    other = await subscribed(still_world, NOWHERE, **ONLY)
    old = await told(still_world)
    await told(still_world)
    await still_world.owner.execute("UPDATE alerts.delivery SET created_at = now() - interval '1 h' WHERE message = $1", old)  # fmt: skip
    await still_world.owner.execute("UPDATE alerts.subscription SET state = 'disabled' WHERE id = $1", other["id"])  # fmt: skip
    ids = [d["id"] for d in await deliveries(still_world, made)]
    await still_world.owner.execute("UPDATE alerts.delivery SET state = 'dead' WHERE id = $1", ids[1])  # fmt: skip

    text = (await still_world.anonymous.get("/metrics")).text
    told_of = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[:1] != "#")

    assert 3600 <= float(told_of["dondoc_oldest_undelivered_seconds"]) < 3700
    assert float(told_of['dondoc_deliveries{state="waiting"}']) == 1
    assert float(told_of['dondoc_deliveries{state="held"}']) == 2
    assert float(told_of['dondoc_deliveries{state="dead"}']) == 1
    assert float(told_of['dondoc_subscriptions{state="disabled"}']) == 1
    assert float(told_of['dondoc_subscriptions{state="enabled"}']) == 1
