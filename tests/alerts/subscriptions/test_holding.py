"""A subscriber that fails is paused, slowed or cut off: what is owed to it is held.

In short: F7, F8, L3, W1, W3, W8 (in pings), W9 stands beside the rotation.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from services.alerts.leases import AHEAD, IN_FLIGHT, NOT_SENT
from tests.support.delivering import (
    asked,
    courier,
    deliveries,
    leases_end,
    pinged,
    shown,
    states,
    subscribed,
    time_passes,
    told,
    worked,
)
from tests.support.subscriber import Post, subscriber
from tests.support.world import World, until

pytestmark = pytest.mark.anyio
NOWHERE = "http://127.0.0.1:9/"
ONLY = {"types": ["escalation.*"]}


# The breaker ---------------------------------------------------------------------------


async def test_a_breaker_opens_probes_with_one_call_and_closes(
    still_world: World,
) -> None:
    failing = True

    async def answer(_: Post) -> int:
        return 500 if failing else 204

    async with subscriber(answer) as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url, **ONLY)
        sent = [await told(still_world) for _ in range(30)]
        await worked(worker)
        opened = len(there.posts)
        held = await states(still_world, made)
        await time_passes(still_world)
        await worked(worker)
        probed = len(there.posts)
        again = await states(still_world, made)
        failing = False
        await time_passes(still_world)
        await worked(worker)
        after = await shown(still_world, made)

    assert 10 <= opened < 10 + IN_FLIGHT + AHEAD
    assert set(held) == set(again) == {"held"}
    assert probed == opened + 1
    assert await states(still_world, made) == ["delivered"] * 30
    assert set(there.ids) == set(sent)
    assert (after["paused_until"], after["failing_since"]) == (None, None)


async def test_probes_use_up_no_tries(still_world: World) -> None:
    async def broken(_: Post) -> int:
        return 503

    async with subscriber(broken) as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url, **ONLY)
        for _ in range(10):
            await told(still_world)
        for _ in range(40):
            await worked(worker)
            await time_passes(still_world)

    assert len(there.posts) >= 40
    assert set(await states(still_world, made)) <= {"retrying", "held"}


async def test_what_one_worker_learns_holds_for_another(still_world: World) -> None:
    async def broken(_: Post) -> int:
        return 500

    async with (
        subscriber(broken) as there,
        courier(still_world) as one,
        courier(still_world) as other,
    ):
        made = await subscribed(still_world, there.url, **ONLY)
        for _ in range(30):
            await told(still_world)
        await worked(one)
        opened = len(there.posts)
        await worked(other)

        assert len(there.posts) == opened
        await time_passes(still_world)
        await asyncio.gather(one.step(), other.step())
        await asyncio.gather(one.drain(), other.drain())

        assert len(there.posts) == opened + 1
        paused = (await shown(still_world, made))["paused_until"]
    assert paused is not None


# Cut off -------------------------------------------------------------------------------


async def test_after_120_hours_of_failure_it_is_disabled_and_others_hear_of_it(
    still_world: World,
) -> None:
    async def broken(_: Post) -> int:
        return 500

    async with (
        subscriber(broken) as there,
        subscriber() as operator,
        courier(still_world) as worker,
    ):
        made = await subscribed(still_world, there.url, **ONLY)
        await subscribed(still_world, operator.url, types=["subscription.*", "delivery.*"])  # fmt: skip
        stranger = await still_world.client("subscriber")
        unheard = await subscribed(still_world, NOWHERE, client=stranger, types=["subscription.*"])  # fmt: skip
        await told(still_world)
        await worked(worker)
        await still_world.owner.execute("UPDATE alerts.subscription SET failing_since = failing_since - interval '120 h' WHERE failing_since IS NOT NULL")  # fmt: skip
        await time_passes(still_world)
        await worked(worker)
        later = await told(still_world)
        await worked(worker)

    found = await shown(still_world, made)
    assert (found["state"], found["disabled_why"]) == ("disabled", "failing")
    assert await states(still_world, made) == ["held", "held"]
    assert len(there.posts) == 2
    (news,) = [json.loads(post.body) for post in operator.posts]
    assert news["type"] == "vn.dondoc.subscription.disabled"
    assert (news["data"]["id"], news["data"]["state"]) == (made["id"], "disabled")
    assert news["subject"] == "VN"
    assert later not in there.ids
    assert await states(still_world, unheard) == []


async def test_once_enabled_everything_held_arrives_in_order(
    still_world: World,
) -> None:
    gone = True

    async def answer(_: Post) -> int:
        return 410 if gone else 204

    async with subscriber(answer) as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url, **ONLY)
        sent = [
            await told(still_world, escalation="esc_1", sequence=n) for n in range(1, 7)
        ]
        await worked(worker)
        cut = await shown(still_world, made)
        place = f"/v1/subscriptions/{made['id']}/ping"
        refused = await still_world.admin.post(place)
        gone = False
        enabled = await asked(still_world, made, "enable")
        await worked(worker)

    assert (cut["state"], cut["disabled_why"]) == ("disabled", "gone")
    assert (refused.status_code, refused.json()["code"]) == (409, "disabled")
    assert (enabled["state"], enabled["disabled_why"]) == ("enabled", None)
    assert there.ids == [sent[0], *sent]
    assert await states(still_world, made) == ["delivered"] * 6


async def test_others_of_the_key_hear_of_a_dead_delivery_but_not_for_ever(
    still_world: World,
) -> None:
    async def broken(_: Post) -> int:
        return 500

    async with subscriber(broken) as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url, **ONLY)
        listening = await subscribed(still_world, there.url, types=["delivery.dead"])
        await told(still_world)
        for _ in range(45):
            await worked(worker)
            await time_passes(still_world)
            # Neither breaker may open: each death is of tries used up.
            await still_world.owner.execute("UPDATE alerts.subscription SET recent = '[]', paused_until = NULL")  # fmt: skip

    (dead,) = await deliveries(still_world, made)
    (news,) = await deliveries(still_world, listening)
    assert (dead["state"], news["state"]) == ("dead", "dead")
    bodies = {post.id: json.loads(post.body) for post in there.posts}
    told_of = bodies[news["message"]]
    assert told_of["type"] == "vn.dondoc.delivery.dead"
    assert (told_of["data"]["id"], told_of["data"]["state"]) == (dead["id"], "dead")
    assert len(told_of["data"]["log"]) == 10


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_a_failure_and_goes_nowhere(
    still_world: World, status: int
) -> None:
    async with subscriber() as target:

        async def elsewhere(_: Post) -> int:
            return status

        async with subscriber(elsewhere) as there, courier(still_world) as worker:
            made = await subscribed(still_world, there.url, **ONLY)
            await told(still_world)
            await worked(worker)

    assert (len(there.posts), len(target.posts)) == (1, 0)
    (delivery,) = await deliveries(still_world, made)
    assert (delivery["state"], delivery["log"][0]["status"]) == ("retrying", status)


async def test_a_ping_to_an_address_that_leads_inside_by_now_is_refused(
    still_world: World,
) -> None:
    made = await subscribed(still_world, NOWHERE)
    places = ["https://10.0.0.1/", "https://169.254.169.254/", "gopher://x/", "https://u:p@[::1]/"]  # fmt: skip
    answers = []
    for place in places:
        await still_world.owner.execute("UPDATE alerts.subscription SET url = $1", place)  # fmt: skip
        answers.append(await still_world.admin.post(f"/v1/subscriptions/{made['id']}/ping"))  # fmt: skip

    assert {a.status_code for a in answers} == {422}
    assert {a.headers["content-type"] for a in answers} == {"application/problem+json"}
    assert len({a.text for a in answers}) == 1
    assert await states(still_world, made) == []


# Pace and isolation --------------------------------------------------------------------


async def test_a_rate_is_kept_by_all_workers_together(still_world: World) -> None:
    async with (
        subscriber() as there,
        courier(still_world) as one,
        courier(still_world) as other,
    ):
        made = await subscribed(still_world, there.url, rate_per_second=6)
        for _ in range(20):
            await told(still_world)
        started = await still_world.owner.fetchval("SELECT clock_timestamp()")
        await worked(one, other)
        spent, ended = await still_world.owner.fetchrow(
            "SELECT spent_until, clock_timestamp() FROM alerts.subscription"
        ) or (None, None)
        first = len(there.posts)
        assert spent is not None

        # A second fills the bucket; what trickled in meanwhile was earned.
        assert 6 <= first <= 6 + 6 * (ended - started).total_seconds() + 1
        for _ in range(4):
            await still_world.owner.execute("UPDATE alerts.subscription SET spent_until = now()")  # fmt: skip
            await worked(one, other)

    assert await states(still_world, made) == ["delivered"] * 20


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw(talk: Talk) -> AsyncIterator[str]:
    """A server of raw bytes; its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # a cancelled handler would be logged as an error by the streams
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in (one for one in others if "serve" in repr(one.get_coro())):
            task.cancel()
        await asyncio.sleep(0)


async def silent(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def dripping(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("talk", [silent, dripping])
async def test_who_never_ends_is_ended_and_the_slot_is_free_again(
    still_world: World, talk: Talk
) -> None:
    async with raw(talk) as url, courier(still_world, deadline=0.2) as worker:
        made = await subscribed(still_world, url, **ONLY)
        for _ in range(IN_FLIGHT + 2):
            await told(still_world)
        await worked(worker)

    found = await deliveries(still_world, made)
    assert [one["state"] for one in found] == ["retrying"] * (IN_FLIGHT + 2)
    assert {one["log"][0]["error"] for one in found} == {"timeout"}
    assert all(one["log"][0]["ms"] >= 150 for one in found)


async def test_others_do_not_feel_who_hangs_fails_or_is_slow(
    still_world: World,
) -> None:
    """L3: of 20, one hangs, one answers 500, one is slow; 17 get everything, once."""
    may_answer = asyncio.Event()

    async def fail(_: Post) -> int:
        return 500

    async def hang(_: Post) -> int:
        await may_answer.wait()
        return 204

    async def slow(_: Post) -> int:
        await asyncio.sleep(0.05)
        return 204

    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(courier(still_world))
        enter = stack.enter_async_context
        stuck = await enter(subscriber(hang))
        hanging = await subscribed(still_world, stuck.url, **ONLY)
        for answer in (fail, slow):
            await subscribed(still_world, (await enter(subscriber(answer))).url, **ONLY)
        healthy = [await enter(subscriber()) for _ in range(17)]
        for one in healthy:
            await subscribed(still_world, one.url, **ONLY)
        sent = [await told(still_world) for _ in range(12)]

        async def all_there() -> bool:
            await worker.step()
            return all(len(one.posts) == len(sent) for one in healthy)

        await until(all_there)
        under_way = await states(still_world, hanging)

        assert all(sorted(one.ids) == sorted(sent) for one in healthy)
        assert set(under_way) <= {"leased", "pending"}
        assert stuck.most_inside == IN_FLIGHT
        may_answer.set()
        await worked(worker)


# Workers that sleep or are cut off -----------------------------------------------------


async def test_a_worker_that_slept_past_its_lease_changes_nothing_any_more(
    still_world: World,
) -> None:
    """F7, and F8: its post hung, another worker delivered, then it wakes."""
    may_answer = asyncio.Event()

    async def answer(_: Post) -> int:
        if len(there.posts) == 1:
            await may_answer.wait()
            return 500
        return 204

    async with (
        subscriber(answer) as there,
        courier(still_world) as sleeper,
        courier(still_world) as other,
    ):
        made = await subscribed(still_world, there.url, **ONLY)
        id = await told(still_world, escalation="esc_1", sequence=1)
        await sleeper.step()

        async def arrived() -> bool:
            return len(there.posts) == 1

        await until(arrived)
        await leases_end(still_world)
        await worked(other)
        (before,) = await deliveries(still_world, made)
        may_answer.set()
        await worked(sleeper)
        (after,) = await deliveries(still_world, made)

    assert there.ids == [id, id]
    assert there.posts[0].body == there.posts[1].body
    assert (before["state"], before["attempts"]) == ("delivered", 2)
    assert {**after, "log": None} == {**before, "log": None}
    assert [one["status"] for one in after["log"]] == [500, 204]


async def test_what_a_subscriber_answers_is_kept_short_and_shown_inert(
    still_world: World,
) -> None:
    """W5: NUL, bad UTF-8, markup, escapes, in the log that the API shows."""
    body = b"<script>\x00\xff\x1b[31m\xed\xa0\x80" + b"x" * 50_000

    async def nasty(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 500 X\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    async with raw(nasty) as url, courier(still_world) as worker:
        made = await subscribed(still_world, url, **ONLY)
        await told(still_world)
        await worked(worker)

    (delivery,) = await deliveries(still_world, made)
    kept = delivery["log"][0]["response"]
    assert kept.startswith("<script>\ufffd\ufffd\ufffd[31m")
    assert len(kept.encode()) <= 16 * 1024
    assert all(letter.isprintable() or letter == "\ufffd" for letter in kept)
    place = f"/v1/subscriptions/{made['id']}/deliveries"
    answer = await still_world.admin.get(place)
    assert answer.headers["content-type"] == "application/json"


async def test_a_ping_goes_out_though_pings_are_not_asked_for(
    still_world: World,
) -> None:
    async with subscriber() as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url, types=["report.*"])
        id = await pinged(still_world, made)
        await worked(worker)

    assert there.ids == [id]


async def test_leases_that_wait_for_a_turn_are_given_back_when_a_worker_ends(
    still_world: World,
) -> None:
    may_answer = asyncio.Event()

    async def hang(_: Post) -> int:
        await may_answer.wait()
        return 204

    async with (
        subscriber(hang) as there,
        courier(still_world) as ending,
        courier(still_world) as other,
    ):
        made = await subscribed(still_world, there.url, **ONLY)
        for _ in range(IN_FLIGHT + 3):
            await told(still_world)
        await ending.step()

        async def full() -> bool:
            return there.inside == IN_FLIGHT

        await until(full)
        ended = asyncio.create_task(ending.stop())
        may_answer.set()
        await ended
        at_its_end = len(there.posts)
        await worked(other)

    found = await deliveries(still_world, made)
    assert at_its_end == IN_FLIGHT
    assert [one["state"] for one in found] == ["delivered"] * (IN_FLIGHT + 3)
    assert [one["log"][0]["error"] for one in found[IN_FLIGHT:]] == [NOT_SENT] * 3
    assert (await shown(still_world, made))["failing_since"] is None
