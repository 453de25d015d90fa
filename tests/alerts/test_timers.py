"""A unit that stays silent is overdue, then its matter goes up step by step."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from datetime import timedelta
from typing import Any

import pytest

from services.alerts.usecases import fire_timers
from tests.support.delivering import states, subscribed
from tests.support.subscriber import Post, subscriber
from tests.support.world import World, until

pytestmark = pytest.mark.anyio
EXPLANATION = {"causes": ["pandemic"], "text": "Dịch bệnh kéo dài."}
DUE, FIRST_STEP, SECOND_STEP = (
    "2022-03-16T00:00:00+07:00",  # the whole of 15 March is over
    "2022-03-16T00:00:00+07:00",
    "2022-03-19T00:00:00+07:00",  # three working days later: Friday the 18th is over
)


async def clock_at(world: World, moment: str) -> None:
    """Move business time, and let everything that came due happen."""
    (await world.admin.put("/v1/clock", json={"now": moment})).raise_for_status()

    async def done() -> bool:
        waiting: int = await world.owner.fetchval(
            "SELECT count(*) FROM alerts.timer t JOIN alerts.escalation e"
            " ON e.id = t.escalation WHERE fired_at IS NULL"
            " AND due_at <= platform.business_now() AND state IN ('open', 'returned')"
        )
        return waiting == 0

    await until(done)


async def told(world: World, matter: dict[str, Any]) -> list[tuple[str, str, int]]:
    """What subscribers heard of a matter, with its time and its sequence."""
    rows = await world.owner.fetch(
        "SELECT body FROM alerts.message WHERE escalation = $1 ORDER BY sequence",
        matter["id"],
    )
    events = [json.loads(row["body"]) for row in rows]
    return [
        (
            event["type"].removeprefix("vn.dondoc.escalation."),
            event["time"],
            event["data"]["sequence"],
        )
        for event in events
    ]


async def shown(world: World, matter: dict[str, Any]) -> dict[str, Any]:
    """The matter as it now stands."""
    answer = await world.admin.get(f"/v1/escalations/{matter['id']}")
    found: dict[str, Any] = answer.json()
    return found


async def test_silence_goes_up_the_tree_each_step_at_its_own_moment(
    world: World, matter: dict[str, Any]
) -> None:
    await clock_at(world, "2022-04-22T08:00:00+07:00")  # asleep over all of it

    assert (await told(world, matter))[1:] == [
        ("overdue", DUE, 2),
        ("escalated", FIRST_STEP, 3),
        ("escalated", SECOND_STEP, 4),
    ]
    now = await shown(world, matter)
    assert (now["level"], now["addressed_to"], now["overdue"]) == (2, "VN", True)
    assert now["due"] == matter["due"], "escalating does not move the deadline"


async def test_nothing_happens_before_its_moment(
    world: World, matter: dict[str, Any]
) -> None:
    await clock_at(world, "2022-03-15T23:59:59+07:00")

    assert [change for change, _, _ in await told(world, matter)] == ["opened"]


async def test_what_was_handed_in_stops_the_clock(
    world: World, matter: dict[str, Any]
) -> None:
    path = f"/v1/escalations/{matter['id']}/explanations"
    (await world.admin.post(path, json=EXPLANATION)).raise_for_status()

    await clock_at(world, "2022-04-22T08:00:00+07:00")

    changes = [change for change, _, _ in await told(world, matter)]
    assert changes == ["opened", "explained"]


async def test_what_is_returned_falls_due_anew(
    world: World, matter: dict[str, Any]
) -> None:
    path = f"/v1/escalations/{matter['id']}/explanations"
    (await world.admin.post(path, json=EXPLANATION)).raise_for_status()
    above = await world.client("supervisor")
    await clock_at(world, "2022-03-21T08:00:00+07:00")
    (await above.post(f"{path}/1/return")).raise_for_status()

    await clock_at(world, "2022-03-25T00:00:00+07:00")

    # Returned on Monday 21 March: the end of Thursday the 24th.
    moment = "2022-03-25T00:00:00+07:00"
    assert (await told(world, matter))[-2:] == [
        ("overdue", moment, 4),
        ("escalated", moment, 5),
    ]


async def test_several_workers_fire_a_timer_once(
    world: World, matter: dict[str, Any]
) -> None:
    database = world.database("alerts")
    moved = {"now": "2022-04-22T08:00:00+07:00"}
    (await world.admin.put("/v1/clock", json=moved)).raise_for_status()

    await asyncio.gather(*(fire_timers(database) for _ in range(5)))
    await clock_at(world, "2022-04-22T09:00:00+07:00")

    changes = [change for change, _, _ in await told(world, matter)]
    assert changes == ["opened", "overdue", "escalated", "escalated"]


async def test_a_process_whose_clock_is_wrong_and_jumps_goes_by_the_database_s(
    world: World, matter: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """F9: ten minutes off either way, a second to and fro at each look, and business
    time a month on in one step."""
    right, jumps = time.time, itertools.cycle((-1, 1))

    async def broken(_: Post) -> int:
        return 500

    async with subscriber() as there, subscriber(broken) as failing:
        await subscribed(world, there.url, types=["escalation.*"])
        refused = await subscribed(world, failing.url, types=["escalation.*"])
        for wrong, day in ((-600, "2022-03-16"), (600, "2022-04-22")):
            monkeypatch.setattr(
                time, "time", lambda wrong=wrong: right() + wrong + next(jumps)
            )
            await clock_at(world, f"{day}T08:00:00+07:00")

        async def heard() -> bool:
            return len(there.posts) == 3

        await until(heard)

        async def put_off() -> bool:
            return "retrying" in await states(world, refused)

        await until(put_off)

    events = [json.loads(post.body) for post in there.posts]
    assert [event["time"] for event in events] == [DUE, FIRST_STEP, SECOND_STEP]
    for post in there.posts:
        assert abs(int(post.headers["webhook-timestamp"]) - right()) <= 5
    tried = await world.owner.fetch(
        "SELECT d.attempts, d.next_attempt_at - a.finished_at AS waits"
        " FROM alerts.delivery d LEFT JOIN alerts.attempt a ON a.delivery = d.id"
        " AND d.state = 'retrying' WHERE d.attempts > 0"
    )
    assert {row["attempts"] for row in tried} == {1}, "no storm"
    (waits,) = [row["waits"] for row in tried if row["waits"] is not None]
    assert timedelta(seconds=5) <= waits <= timedelta(seconds=6.5), "true time's"


async def test_what_opens_after_its_deadline_is_overdue_at_level_0(
    world: World, matter: dict[str, Any]
) -> None:
    await clock_at(world, "2022-04-22T08:00:00+07:00")
    late = {
        "unit": "A",
        "period": "2022M05",
        "figures": [{"measure": "money", "published_rate": "10.00"}],
    }
    before = {
        **late,
        "period": "2021M05",
        "figures": [{"measure": "money", "published_rate": "20.00"}],
    }
    answer = await world.report(late, before)
    await world.evaluated(answer.raise_for_status().json()["batch"])
    await clock_at(world, "2022-04-22T09:00:00+07:00")

    listed = (await world.admin.get("/v1/escalations")).json()["items"]
    (opened,) = [m for m in listed if m["measure"] == "money"]

    assert (opened["overdue"], opened["level"]) == (True, 0)
    assert [change for change, _, _ in await told(world, opened)] == [
        "opened",
        "overdue",
    ]
