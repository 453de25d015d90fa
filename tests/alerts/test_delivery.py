"""From a decided message to a subscriber that has it: signed, in order, at least once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidTag
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from structlog.testing import capture_logs

from libs.common.sealing import unseal
from services.alerts import leases, outbox
from services.alerts.domain.retries import WAITS
from services.alerts.leases import AHEAD, IN_FLIGHT, Settled
from services.alerts.outbox import Message
from services.alerts.sender import Sender
from services.alerts.subscriptions.usecases import tell_of_ends
from services.alerts.worker import Courier
from tests.support.databases import Copy, Stage, copy_of, stage
from tests.support.delivering import (
    all_in,
    courier,
    deliveries,
    leases_end,
    pinged,
    states,
    subscribed,
    time_passes,
    told,
    worked,
)
from tests.support.subscriber import Post, subscriber
from tests.support.world import World, until

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture(scope="module")
async def copied(template: str) -> AsyncIterator[Copy]:
    async with copy_of(template, "delivery") as made:
        yield made


@pytest.fixture
async def url(copied: Copy) -> str:
    await copied.as_new()
    return copied.url


@pytest.fixture(scope="module")
async def staged(template: str) -> AsyncIterator[Stage]:
    async with stage(template, "delivery_still") as made:
        yield made


@pytest.fixture
async def still_world(staged: Stage) -> World:
    return await staged.as_new()


@pytest.fixture
async def world(url: str) -> AsyncIterator[World]:
    async with World.running(url, rule_engine="native") as running:
        yield running


def ended(row: Any, worker: str, state: str, **more: Any) -> Settled:
    """The outcome of an attempt that this worker made."""
    given = {
        "attempt": row["attempts"],
        "next_attempt_at": None,
        "spared": False,
        "status": 200,
        **more,
    }
    return Settled(
        delivery=row["id"],
        subscription=row["subscription"],
        claim=worker,
        started_at=row["started_at"],
        state=state,
        error=None,
        excerpt="",
        ms=5,
        **given,
    )


# A real subscriber ---------------------------------------------------------------------


@contextmanager
def receiver(port: int = 0) -> Iterator[str]:
    """The demonstration's subscriber in a process of its own; its address."""
    command = [sys.executable, "-m", "demo.receiver", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


async def test_a_subscriber_of_its_own_gets_a_matter_from_first_to_last(
    world: World,
) -> None:
    await world.tree()
    with receiver() as url:
        async with httpx.AsyncClient(base_url=url) as there:
            made = await subscribed(world, f"{url}/hook", types=["escalation.*"], under="BG")  # fmt: skip
            await there.put("/secret", content=made["secret"])
            for period, rate in (("2021M05", "45.00"), ("2022M05", "41.54")):
                figures = [{"measure": "cases", "published_rate": rate}]
                answer = await world.report({"unit": "BG", "period": period, "figures": figures})  # fmt: skip
                await world.evaluated(answer.json()["batch"])
            (matter,) = (await world.admin.get("/v1/escalations")).json()["items"]
            place = f"/v1/escalations/{matter['id']}"
            await world.admin.post(f"{place}/acknowledge")
            done = await world.admin.post(f"{place}/explanations", json={"causes": ["pandemic"], "text": "Dịch bệnh."})  # fmt: skip

            await all_in(world, made, "delivered")
            received = (await there.get("/received")).json()
            count = (await there.get("/count")).json()

    assert count == {"received": 3, "duplicates": 0, "refused": 0}
    assert [(one["type"], one["sequence"]) for one in received] == [
        ("vn.dondoc.escalation.opened", 1),
        ("vn.dondoc.escalation.acknowledged", 2),
        ("vn.dondoc.escalation.explained", 3),
    ]
    assert {one["subject"] for one in received} == {"BG"}
    assert received[0]["time"].startswith("2022-03-08T08:00")
    assert received[0]["data"] == matter
    assert received[2]["data"] == {k: v for k, v in done.json().items() if k != "n"}


async def test_a_subscriber_that_was_away_gets_what_it_missed(world: World) -> None:
    with receiver() as url:
        made = await subscribed(world, f"{url}/hook")
        port = int(url.rpartition(":")[2])
    missed = await pinged(world, made)
    await all_in(world, made, "retrying")

    with receiver(port) as url:
        async with httpx.AsyncClient(base_url=url) as there:
            await there.put("/secret", content=made["secret"])
            await time_passes(world)
            await all_in(world, made, "delivered")
            received = (await there.get("/received")).json()

    assert [one["id"] for one in received] == [missed]
    (delivery,) = await deliveries(world, made)
    assert [(a["status"], a["error"]) for a in delivery["log"]] == [(None, "unreachable"), (204, None)]  # fmt: skip


# What is sent --------------------------------------------------------------------------


async def test_a_stranger_s_library_verifies_what_comes(world: World) -> None:
    async with subscriber() as there:
        made = await subscribed(world, there.url)
        id = await pinged(world, made)
        await all_in(world, made, "delivered")

    (post,) = there.posts
    event = Webhook(made["secret"]).verify(post.body, dict(post.headers))
    assert event["specversion"] == "1.0"
    assert event["type"] == "vn.dondoc.ping"
    assert event["id"] == post.id == id
    assert event["source"] == "/dondoc"
    assert event["time"].startswith("2022-03-08T08:00")
    assert post.headers["content-type"] == "application/cloudevents+json"
    true = await world.owner.fetchval("SELECT extract(epoch FROM now())::bigint")
    assert abs(int(post.headers["webhook-timestamp"]) - true) < 30
    with pytest.raises(WebhookVerificationError):
        Webhook(made["secret"]).verify(post.body + b" ", dict(post.headers))


async def test_every_subscriber_gets_the_same_bytes_under_the_same_id(
    world: World,
) -> None:
    async with subscriber() as one, subscriber() as other:
        first, second = await subscribed(world, one.url), await subscribed(world, other.url)  # fmt: skip
        await told(world)
        await all_in(world, first, "delivered")
        await all_in(world, second, "delivered")

    assert one.ids == other.ids
    assert one.posts[0].body == other.posts[0].body
    assert first["secret"] != second["secret"]
    Webhook(second["secret"]).verify(other.posts[0].body, dict(other.posts[0].headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(first["secret"]).verify(other.posts[0].body, dict(other.posts[0].headers))  # fmt: skip


async def test_a_retry_sends_the_same_bytes_signed_anew(still_world: World) -> None:
    statuses = iter([500, 204])

    async def answer(_: Post) -> int:
        return next(statuses)

    async with subscriber(answer) as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url)
        await pinged(still_world, made)
        await worked(worker)
        (waiting,) = await deliveries(still_world, made)
        await worked(worker)
        early = len(there.posts)
        await time_passes(still_world)
        await worked(worker)

    first, second = there.posts
    assert (waiting["state"], waiting["attempts"], early) == ("retrying", 1, 1)
    assert waiting["next_attempt_at"] is not None
    assert (first.id, first.body) == (second.id, second.body)
    for post in there.posts:
        Webhook(made["secret"]).verify(post.body, dict(post.headers))
    (delivery,) = await deliveries(still_world, made)
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 2)
    assert [a["status"] for a in delivery["log"]] == [500, 204]
    assert delivery["delivered_at"] is not None
    assert delivery["next_attempt_at"] is None


async def test_gone_disables_the_subscription_and_holds_its_messages(
    still_world: World,
) -> None:
    async def gone(_: Post) -> int:
        return 410

    async with subscriber(gone) as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url, types=["escalation.*"])
        await pinged(still_world, made)
        await worked(worker)
        later = await told(still_world)
        await time_passes(still_world)
        await worked(worker)

    shown = (await still_world.admin.get(f"/v1/subscriptions/{made['id']}")).json()
    held, pending = await deliveries(still_world, made)
    assert shown["state"] == "disabled"
    assert len(there.posts) == 1
    assert (held["state"], pending["state"], pending["message"]) == ("held", "held", later)  # fmt: skip


async def test_after_ten_tries_it_is_dead_and_the_next_goes_on(
    still_world: World,
) -> None:
    async def answer(post: Post) -> int:
        return 503 if post.id == first else 204

    async with subscriber(answer) as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url, types=["escalation.*"])
        first = await told(still_world, escalation="esc_1", sequence=1)
        second = await told(still_world, escalation="esc_1", sequence=2)
        for tries in range(1, len(WAITS) + 2):
            await worked(worker)
            assert there.ids.count(first) == tries
            if tries <= len(WAITS):
                assert second not in there.ids
            await time_passes(still_world)
        await worked(worker)

    dead, delivered = await deliveries(still_world, made)
    assert (dead["state"], dead["attempts"], dead["next_attempt_at"]) == ("dead", 10, None)  # fmt: skip
    assert [a["n"] for a in dead["log"]] == list(range(1, 11))
    assert delivered["state"] == "delivered"
    assert there.ids == [*[first] * 10, second]
    assert len({post.body for post in there.posts[:10]}) == 1


# Several workers, and workers that die -------------------------------------------------


async def test_what_a_dead_worker_held_goes_out_again_under_the_same_id(
    still_world: World,
) -> None:
    async with subscriber() as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url)
        id = await pinged(still_world, made)
        async with still_world.database("alerts").transaction() as connection:
            (leased,) = await leases.claim(connection, "dead worker", 64)
        await worked(worker)
        meanwhile = list(there.ids)
        await leases_end(still_world)
        await worked(worker)

    (delivery,) = await deliveries(still_world, made)
    assert meanwhile == []
    assert there.ids == [id]
    assert leased["message"] == id
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 2)


@pytest.mark.parametrize(
    "late", ["delivered", "retrying", "dead"], ids=lambda s: f"late {s}"
)
async def test_an_outcome_that_comes_after_its_lease_changes_nothing(
    still_world: World, late: str
) -> None:
    async with subscriber():
        made = await subscribed(still_world, "http://127.0.0.1:9/")
        await pinged(still_world, made)
    alerts = still_world.database("alerts")

    async with alerts.transaction() as connection:
        (first,) = await leases.claim(connection, "slow", 64)
    await leases_end(still_world)
    async with alerts.transaction() as connection:
        (second,) = await leases.claim(connection, "quick", 64)
    before = await still_world.owner.fetchrow("SELECT * FROM alerts.delivery")
    async with alerts.transaction() as connection:
        outcome = ended(first, "slow", late)
        await leases.settle(connection, [outcome])
    after = await still_world.owner.fetchrow("SELECT * FROM alerts.delivery")

    assert (first["attempts"], second["attempts"]) == (1, 2)
    assert after == before
    assert after is not None
    assert (after["state"], after["claim"]) == ("leased", "quick")


async def test_the_same_worker_s_earlier_lease_is_refused_too(
    still_world: World,
) -> None:
    made = await subscribed(still_world, "http://127.0.0.1:9/")
    await pinged(still_world, made)
    alerts = still_world.database("alerts")
    for _ in range(2):
        async with alerts.transaction() as connection:
            (row,) = await leases.claim(connection, "worker", 64)
        await leases_end(still_world)

    async with alerts.transaction() as connection:
        outcome = ended(row, "worker", "delivered", attempt=1)
        await leases.settle(connection, [outcome])

    assert await states(still_world, made) == ["leased"]


async def test_several_workers_send_each_message_once(still_world: World) -> None:
    async with (
        subscriber() as there,
        courier(still_world) as one,
        courier(still_world) as other,
    ):
        made = await subscribed(still_world, there.url)
        sent = [await told(still_world) for _ in range(30)]

        async def run(worker: Courier) -> None:
            while len(there.posts) < 30:
                await worker.step()
                await worker.drain()

        async with asyncio.timeout(20):
            await asyncio.gather(run(one), run(other))
        await all_in(still_world, made, "delivered")

    assert sorted(there.ids) == sorted(sent)


async def test_workers_together_hold_no_more_than_the_cap_of_a_subscription(
    still_world: World,
) -> None:
    may_answer = asyncio.Event()

    async def slow(_: Post) -> int:
        await may_answer.wait()
        return 204

    async with (
        subscriber(slow) as there,
        courier(still_world) as one,
        courier(still_world) as other,
    ):
        made = await subscribed(still_world, there.url)
        for _ in range(3 * IN_FLIGHT):
            await told(still_world)

        for _ in range(3):
            await asyncio.gather(one.step(), other.step())

        async def full() -> bool:
            return there.inside == IN_FLIGHT

        await until(full)
        assert (await states(still_world, made)).count("leased") <= IN_FLIGHT + AHEAD
        may_answer.set()
        await worked(one, other)
        await all_in(still_world, made, "delivered")

    assert there.most_inside == IN_FLIGHT
    assert len(there.posts) == 3 * IN_FLIGHT


@pytest.mark.parametrize("without", ["nestloop", "hashjoin", "mergejoin"])
async def test_what_is_longest_due_goes_first_however_the_database_joins(
    still_world: World, without: str
) -> None:
    await subscribed(still_world, "http://127.0.0.1:9/")
    sent = [await told(still_world) for _ in range(7)]
    await still_world.owner.execute(
        "UPDATE alerts.delivery SET next_attempt_at = now() - id * interval '1 minute'"
    )

    async with still_world.database("alerts").transaction() as connection:
        await connection.execute(f"SET LOCAL enable_{without} = off")
        leased = await leases.claim(connection, "worker", 64)

    assert [row["message"] for row in leased] == sent[::-1]


async def test_a_subscription_that_one_worker_claims_is_passed_over_by_another(
    still_world: World,
) -> None:
    await subscribed(still_world, "http://127.0.0.1:9/")
    for _ in range(3 * IN_FLIGHT):
        await told(still_world)
    alerts = still_world.database("alerts")

    async with asyncio.timeout(10), alerts.transaction() as one:
        first = await leases.claim(one, "one", IN_FLIGHT - 1)
        async with alerts.transaction() as other:
            meanwhile = await leases.claim(other, "other", 64)
    async with alerts.transaction() as other:
        after = await leases.claim(other, "other", 64)

    assert (len(first), len(meanwhile), len(after)) == (IN_FLIGHT - 1, 0, 1)


async def test_a_subscriber_that_hangs_delays_nobody_else(world: World) -> None:
    may_answer = asyncio.Event()

    async def hang(_: Post) -> int:
        await may_answer.wait()
        return 204

    async with subscriber(hang) as hanging, subscriber() as healthy:
        stuck = await subscribed(world, hanging.url)
        well = await subscribed(world, healthy.url)
        for _ in range(25):
            await told(world)

        await all_in(world, well, "delivered")
        at_that_moment = hanging.inside
        may_answer.set()
        await all_in(world, stuck, "delivered")

    assert at_that_moment == IN_FLIGHT
    assert len(healthy.posts) == 25
    assert hanging.most_inside == IN_FLIGHT


async def test_a_transaction_that_is_addressing_a_subscriber_holds_up_nothing(
    still_world: World,
) -> None:
    async with subscriber() as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url)
        id = await told(still_world)
        async with still_world.database("alerts").transaction() as connection:
            body = b"{}"
            await outbox.announce(connection, [Message("msg_open", "escalation.opened", "VN", body)])  # fmt: skip

            await worked(worker)

            assert there.ids == [id]
        await worked(worker)
        await all_in(still_world, made, "delivered")

    assert there.ids == [id, "msg_open"]


async def test_a_message_that_cannot_be_sent_does_not_go_round_for_ever(
    still_world: World,
) -> None:
    async with subscriber() as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url)
        await still_world.owner.execute("UPDATE alerts.subscription SET secret = 'not sealed by us'")  # fmt: skip
        await pinged(still_world, made)
        for _ in range(len(WAITS) + 1):
            await worked(worker)
            await time_passes(still_world)

    (delivery,) = await deliveries(still_world, made)
    assert there.posts == []
    assert (delivery["state"], delivery["attempts"]) == ("dead", 10)
    assert {a["error"] for a in delivery["log"]} == {"internal"}


# Order ---------------------------------------------------------------------------------


async def test_the_messages_of_one_matter_come_in_sequence_though_the_first_fails(
    still_world: World,
) -> None:
    failing = True

    async def answer(post: Post) -> int:
        return 500 if post.id == first and failing else 204

    async with subscriber(answer) as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url)
        first = await told(still_world, escalation="esc_1", sequence=1)
        second = await told(still_world, escalation="esc_1", sequence=2)
        other = await told(still_world, escalation="esc_2", sequence=1)
        third = await told(still_world, escalation="esc_1", sequence=3)
        await worked(worker)
        before = list(there.ids)
        waiting = [d["attempts"] for d in await deliveries(still_world, made)]
        failing = False
        await time_passes(still_world)
        await worked(worker)

    assert sorted(before) == sorted([first, other])
    assert waiting == [1, 0, 1, 0]
    assert there.ids[2:] == [first, second, third]


async def test_one_matter_is_never_under_way_twice(world: World) -> None:
    async def slow(_: Post) -> int:
        await asyncio.sleep(0.005)
        return 204

    async with subscriber(slow) as there:
        made = await subscribed(world, there.url)
        sent = [await told(world, escalation="esc_1", sequence=n) for n in range(1, 13)]
        await all_in(world, made, "delivered")

    assert there.ids == sent
    assert there.most_inside == 1


# Who hears what ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "hears"),
    [
        pytest.param({}, {"opened low A", "opened high A", "closed high A1", "accepted A", "opened high B"}, id="everything"),
        pytest.param({"types": ["escalation.opened"]}, {"opened low A", "opened high A", "opened high B"}, id="one type"),
        pytest.param({"types": ["vn.dondoc.escalation.opened"]}, {"opened low A", "opened high A", "opened high B"}, id="with its prefix"),
        pytest.param({"types": ["escalation.*"]}, {"opened low A", "opened high A", "closed high A1", "opened high B"}, id="a family"),
        pytest.param({"types": ["report.*", "escalation.closed"]}, {"closed high A1", "accepted A"}, id="several"),
        pytest.param({"types": ["ping"]}, set(), id="pings alone"),
        pytest.param({"under": "A"}, {"opened low A", "opened high A", "closed high A1", "accepted A"}, id="a province and below"),
        pytest.param({"under": "A1"}, {"closed high A1"}, id="an office"),
        pytest.param({"under": "B1"}, set(), id="not what lies above"),
        pytest.param({"min_severity": "medium"}, {"opened high A", "closed high A1", "accepted A", "opened high B"}, id="from medium; reports have none"),
        pytest.param({"min_severity": "critical", "types": ["escalation.*"]}, set(), id="critical alone"),
        pytest.param({"min_severity": "high", "under": "A", "types": ["escalation.opened"]}, {"opened high A"}, id="all at once"),
    ],
)  # fmt: skip
async def test_a_subscriber_hears_what_it_asked_for(
    filtering: World, wish: dict[str, Any], hears: set[str]
) -> None:
    made = await subscribed(filtering, "http://127.0.0.1:9/", **wish)

    sent = {
        await told(filtering, "escalation.opened", "A", "low"): "opened low A",
        await told(filtering, "escalation.opened", "A", "high"): "opened high A",
        await told(filtering, "escalation.closed", "A1", "high"): "closed high A1",
        await told(filtering, "report.accepted", "A", None): "accepted A",
        await told(filtering, "escalation.opened", "B", "high"): "opened high B",
    }

    heard = {sent[d["message"]] for d in await deliveries(filtering, made)}
    assert heard == hears


@pytest.fixture(scope="module")
async def filtering(template: str) -> AsyncIterator[World]:
    """One world for the whole table: each row makes a subscription of its own."""
    async with stage(template, "filtering") as made:
        running = made.world
        kinds = {"A": "province", "B": "province", "A1": "office", "B1": "office"}
        units = [
            {"code": code, "name": f"Đơn vị {code}", "kind": kind, "parent": "VN" if len(code) == 1 else code[0], "valid_from": "2010-01-01"}
            for code, kind in kinds.items()
        ]  # fmt: skip
        answer = await running.admin.put("/v1/units", json={"units": units})
        assert answer.status_code == 200, answer.text
        yield running


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        pytest.param({"types": []}, "/types", id="nothing"),
        pytest.param({"types": ["weather.*"]}, "/types/0", id="no such type"),
        pytest.param({"under": "XX"}, "/under", id="no such unit"),
        pytest.param({"min_severity": "huge"}, "/min_severity", id="no such severity"),
        pytest.param({"secret": "whsec_mine"}, "/secret", id="a secret of one's own"),
    ],
)
async def test_a_bad_wish_is_refused_by_pointer(
    filtering: World, wish: dict[str, Any], pointer: str
) -> None:
    body = {"url": "http://127.0.0.1:9/", "types": ["*"], **wish}

    answer = await filtering.admin.post("/v1/subscriptions", json=body)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_a_revoked_key_s_subscription_gets_nothing_more(
    still_world: World,
) -> None:
    body = {"name": "n", "roles": ["subscriber"], "units": ["VN"]}
    key = (await still_world.admin.post("/v1/keys", json=body)).json()
    client = await still_world.client()
    client.headers["authorization"] = f"Bearer {key['key']}"
    async with subscriber() as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url, client=client)
        before = await told(still_world)
        await worked(worker)
        await still_world.admin.delete(f"/v1/keys/{key['id']}")
        await told(still_world)
        await worked(worker)

    assert there.ids == [before]
    assert await states(still_world, made) == ["delivered", "held"]


async def test_a_subscription_is_seen_by_its_key_and_by_the_root_alone(
    still_world: World,
) -> None:
    mine = await still_world.client("subscriber")
    other = await still_world.client("subscriber")
    made = await subscribed(still_world, "http://127.0.0.1:9/", client=mine)
    place = f"/v1/subscriptions/{made['id']}"

    async def seen(client: httpx.AsyncClient) -> list[object]:
        listed = (await client.get("/v1/subscriptions")).json()["items"]
        return [
            [one["id"] for one in listed],
            (await client.get(place)).status_code,
            (await client.get(f"{place}/deliveries")).status_code,
            (await client.post(f"{place}/ping")).status_code,
        ]

    assert await seen(mine) == [[made["id"]], 200, 200, 202]
    assert await seen(other) == [[], 404, 404, 404]
    assert await seen(still_world.admin) == [[made["id"]], 200, 200, 202]


async def test_a_secret_is_shown_once_and_sealed_at_rest(still_world: World) -> None:
    made = await subscribed(still_world, "http://127.0.0.1:9/")
    place = f"/v1/subscriptions/{made['id']}"

    shown = [
        (await still_world.admin.get("/v1/subscriptions")).text,
        (await still_world.admin.get(place)).text,
        (await still_world.admin.get(f"{place}/deliveries")).text,
    ]
    row = await still_world.owner.fetchrow("SELECT * FROM alerts.subscription")

    assert row is not None
    plain = made["secret"].removeprefix("whsec_")
    assert all("secret" not in text and plain not in text for text in shown)
    assert plain.encode() not in row["secret"]
    key = still_world.settings.key_for("subscription secrets")
    assert unseal(key, made["id"], row["secret"]) == made["secret"]
    with pytest.raises(InvalidTag):
        unseal(key, "sub_another", row["secret"])


async def test_the_log_of_deliveries_is_paged_newest_first(still_world: World) -> None:
    made = await subscribed(still_world, "http://127.0.0.1:9/")
    sent = [await pinged(still_world, made) for _ in range(5)]
    place = f"/v1/subscriptions/{made['id']}/deliveries"

    first = (await still_world.admin.get(place, params={"limit": 3})).json()
    rest = (await still_world.admin.get(place, params={"limit": 3, "cursor": first["next"]})).json()  # fmt: skip

    assert [d["message"] for d in first["items"] + rest["items"]] == sent[::-1]
    assert rest["next"] is None
    assert {(d["type"], d["state"], d["attempts"]) for d in first["items"]} == {("ping", "pending", 0)}  # fmt: skip


# Where it may be sent ------------------------------------------------------------------

INSIDE = [
    *("http://example.org/", "https://127.0.0.1/", "https://10.1.2.3/"),
    *("https://169.254.169.254/latest/meta-data", "https://100.100.100.200/"),
    *("https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/"),
    *(
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
    ),
    *("https://①②⑦.⓪.⓪.①/", "https://localhost/", "https://user:pw@93.184.216.34/"),
    *("https://93.184.216.34:22/", "https://93.184.216.34:5432/", "file:///etc/passwd"),
    *("gopher://127.0.0.1/", "https://", "https://93.184.216.34/#x", "not an address"),
]


async def test_every_address_that_leads_inside_is_refused_in_the_same_words(
    url: str,
) -> None:
    async with World.running(url, with_loops=False, allow_networks="") as world:
        answers = [
            await world.admin.post("/v1/subscriptions", json={"url": one, "types": ["*"]})
            for one in INSIDE
        ]  # fmt: skip
        kept = (await world.admin.get("/v1/subscriptions")).json()["items"]

    assert [a.status_code for a in answers] == [422] * len(INSIDE)
    assert {a.headers["content-type"] for a in answers} == {"application/problem+json"}
    assert len({a.text for a in answers}) == 1
    (fault,) = answers[0].json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("/url", "address_refused")
    assert kept == []


async def test_an_address_that_leads_inside_later_is_refused_when_sending(
    still_world: World,
) -> None:
    async with subscriber() as there:
        made = await subscribed(still_world, there.url)
        await pinged(still_world, made)
        async with Sender() as strict:
            key = still_world.settings.key_for("subscription secrets")
            worker = Courier(
                still_world.database("alerts"),
                strict,
                lambda id, sealed: unseal(key, id, sealed),
                tell_of_ends,
            )
            await worked(worker)

    assert there.posts == []
    (delivery,) = await deliveries(still_world, made)
    assert [a["error"] for a in delivery["log"]] == ["unreachable"]
