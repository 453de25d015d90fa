"""What a subscriber may change, rotate, send again and end."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from services.alerts.domain.signing import MOST_SECRETS
from tests.support.delivering import (
    asked,
    courier,
    deliveries,
    pinged,
    shown,
    states,
    subscribed,
    time_passes,
    told,
    worked,
)
from tests.support.subscriber import Post, subscriber
from tests.support.world import World

pytestmark = pytest.mark.anyio
NOWHERE = "http://127.0.0.1:9/"


async def changed(
    client: httpx.AsyncClient, subscription: dict[str, Any], **wish: Any
) -> httpx.Response:
    return await client.patch(f"/v1/subscriptions/{subscription['id']}", json=wish)


async def provinces(world: World) -> None:
    units = [
        {"code": code, "name": code, "kind": kind, "parent": parent, "valid_from": "2010-01-01"}
        for code, kind, parent in (("A", "province", "VN"), ("B", "province", "VN"), ("A1", "office", "A"))
    ]  # fmt: skip
    (await world.admin.put("/v1/units", json={"units": units})).raise_for_status()


def opens(secret: str, post: Post) -> bool:
    """Whether a stranger's library verifies the post with this secret."""
    try:
        Webhook(secret).verify(post.body, dict(post.headers))
    except WebhookVerificationError:
        return False
    return True


# Changing ------------------------------------------------------------------------------


async def test_what_is_left_out_of_a_change_stays(still_world: World) -> None:
    made = await subscribed(
        still_world, NOWHERE, types=["report.*"], min_severity="high", rate_per_second=5
    )
    before = await shown(still_world, made)

    answer = await changed(still_world.admin, made, types=["ping", "escalation.*"])
    bare = await changed(still_world.admin, made, min_severity=None, rate_per_second=None)  # fmt: skip

    assert answer.json() == {**before, "types": ["escalation.*", "ping"]}
    assert (bare.json()["min_severity"], bare.json()["rate_per_second"]) == (None, None)
    assert await shown(still_world, made) == bare.json()


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        pytest.param({"url": None}, "/url", id="no address"),
        pytest.param({"types": []}, "/types", id="nothing"),
        pytest.param({"types": ["weather.*"]}, "/types/0", id="no such type"),
        pytest.param({"under": "B"}, "/under", id="a unit outside"),
        pytest.param({"under": "XX"}, "/under", id="no such unit"),
        pytest.param({"rate_per_second": 0}, "/rate_per_second", id="standing still"),
        pytest.param({"secret": "whsec_mine"}, "/secret", id="a secret of one's own"),
        pytest.param({"state": "enabled"}, "/state", id="its state"),
        pytest.param({"url": "http://10.0.0.1/"}, "/url", id="an address inside"),
    ],
)
async def test_a_bad_change_is_refused_and_changes_nothing(
    still_world: World, wish: dict[str, Any], pointer: str
) -> None:
    await provinces(still_world)
    client = await still_world.client("subscriber", under="A")
    made = await subscribed(still_world, NOWHERE, client=client, under="A")
    before = await shown(still_world, made)

    answer = await changed(client, made, **wish)

    assert answer.status_code == 422, answer.text
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert await shown(still_world, made) == before


@pytest.mark.parametrize(
    "wish",
    [
        pytest.param({"types": ["report.*"]}, id="by type"),
        pytest.param({"under": "B"}, id="by subtree"),
        pytest.param({"min_severity": "critical"}, id="by severity"),
    ],
)
async def test_what_no_longer_fits_when_its_turn_comes_is_withheld(
    still_world: World, wish: dict[str, Any]
) -> None:
    await provinces(still_world)
    async with subscriber() as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url)
        await told(still_world, unit="A1", severity="high")
        kept = await pinged(still_world, made)
        (await changed(still_world.admin, made, **wish)).raise_for_status()
        await worked(worker)

    assert there.ids == [kept]
    assert await states(still_world, made) == ["withheld", "delivered"]


async def test_a_unit_that_moved_out_of_the_key_s_subtree_is_withheld(
    still_world: World,
) -> None:
    await provinces(still_world)
    client = await still_world.client("subscriber", under="A")
    async with subscriber() as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url, client=client, under="A1")
        await told(still_world, unit="A1")
        moved = {"code": "A1", "name": "A1", "kind": "office", "parent": "B", "valid_from": "2010-01-01"}  # fmt: skip
        (await still_world.admin.put("/v1/units", json={"units": [moved]})).raise_for_status()  # fmt: skip
        await worked(worker)

    assert there.posts == []
    assert await states(still_world, made) == ["withheld"]


# Ending --------------------------------------------------------------------------------


async def test_after_its_end_a_subscription_is_not_there_and_hears_nothing(
    still_world: World,
) -> None:
    async with subscriber() as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url)
        await told(still_world)
        place = f"/v1/subscriptions/{made['id']}"
        answer = await still_world.admin.delete(place)
        await told(still_world)
        await worked(worker)

    assert (answer.status_code, answer.content) == (204, b"")
    assert there.posts == []
    admin = still_world.admin
    gone = [
        (await admin.get(place)).status_code,
        (await admin.delete(place)).status_code,
        (await admin.patch(place, json={})).status_code,
        *[(await admin.post(f"{place}/{deed}")).status_code for deed in ("ping", "rotate", "enable")],
        (await admin.post(f"{place}/recover", json={"since": "2020-01-01T00:00:00Z"})).status_code,
    ]  # fmt: skip
    assert gone == [404] * len(gone)
    assert (await admin.get("/v1/subscriptions")).json()["items"] == []
    row = await still_world.owner.fetchrow("SELECT secret, url FROM alerts.subscription")  # fmt: skip
    assert tuple(row or ()) == (b"", "")


# Rotation ------------------------------------------------------------------------------


async def test_while_secrets_overlap_each_of_them_opens_every_message(
    still_world: World,
) -> None:
    async with subscriber() as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url)
        await told(still_world)
        await worked(worker)
        first = await asked(still_world, made, "rotate")
        await told(still_world)
        await worked(worker)
        second = await asked(still_world, made, "rotate", overlap_hours=168)
        id = await told(still_world)
        await worked(worker)

    old, both, three = there.posts
    secrets = [made["secret"], first["secret"], second["secret"]]
    assert len(set(secrets)) == 3
    assert [opens(s, old) for s in secrets] == [True, False, False]
    assert [opens(s, both) for s in secrets] == [True, True, False]
    assert [opens(s, three) for s in secrets] == [True, True, True]
    assert three.id == id
    assert (await shown(still_world, made))["signatures"] == 3


async def test_after_the_overlap_or_at_once_the_older_secrets_open_nothing(
    still_world: World,
) -> None:
    async with subscriber() as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url)
        first = await asked(still_world, made, "rotate", overlap_hours=1)
        await still_world.owner.execute("UPDATE alerts.retired_secret SET until = now()")  # fmt: skip
        await told(still_world)
        await worked(worker)
        second = await asked(still_world, made, "rotate")
        leak = await asked(still_world, made, "rotate", overlap_hours=0)
        await told(still_world)
        await worked(worker)

    after, forced = there.posts
    assert [opens(s["secret"], after) for s in (made, first)] == [False, True]
    older = (made, first, second)
    assert [opens(s["secret"], forced) for s in older] == [False, False, False]
    assert opens(leak["secret"], forced)
    assert leak["older_until"] is None


async def test_a_rotation_under_load_loses_no_message(still_world: World) -> None:
    holder: list[str] = []

    async def strict(post: Post) -> int:
        return 204 if any(opens(secret, post) for secret in holder[-1:]) else 401

    async with subscriber(strict) as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url)
        holder.append(made["secret"])
        for n in range(24):
            await told(still_world)
            if n % 8 == 4:  # the subscriber takes the new secret up a little later
                fresh = await asked(still_world, made, "rotate")
            if n % 8 == 7:
                holder.append(fresh["secret"])
            await worker.step()
        await worked(worker)

    assert await states(still_world, made) == ["delivered"] * 24
    assert len(there.posts) == 24


async def test_there_are_at_most_ten_live_secrets(still_world: World) -> None:
    made = await subscribed(still_world, NOWHERE)
    for _ in range(MOST_SECRETS - 1):
        await asked(still_world, made, "rotate")
    place = f"/v1/subscriptions/{made['id']}/rotate"

    refused = await still_world.admin.post(place)
    forced = await still_world.admin.post(place, json={"overlap_hours": 0})

    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_secrets")
    assert forced.status_code == 200
    assert (await shown(still_world, made))["signatures"] == 1


@pytest.mark.parametrize("hours", [-1, 169, 1.5, "24"])
async def test_an_overlap_is_whole_hours_of_a_week(
    still_world: World, hours: object
) -> None:
    made = await subscribed(still_world, NOWHERE)
    place = f"/v1/subscriptions/{made['id']}/rotate"

    answer = await still_world.admin.post(place, json={"overlap_hours": hours})

    assert answer.status_code == 422


# Sending again -------------------------------------------------------------------------


async def test_a_dead_delivery_goes_out_again_as_it_was_with_all_its_tries(
    still_world: World,
) -> None:
    failing = True

    async def answer(_: Post) -> int:
        return 500 if failing else 204

    async with subscriber(answer) as there, courier(still_world) as worker:
        made = await subscribed(still_world, there.url, types=["escalation.*"])
        await told(still_world)
        for _ in range(10):
            await worked(worker)
            await time_passes(still_world)
        (dead,) = await deliveries(still_world, made, state="dead")
        place = f"/v1/deliveries/{dead['id']}"
        again = await still_world.admin.post(f"{place}/retry")
        await worked(worker)
        (waiting,) = await deliveries(still_world, made)
        failing = False
        await time_passes(still_world)
        await worked(worker)
        (done,) = await deliveries(still_world, made)

    assert again.json()["state"] in ("retrying", "held")
    assert (waiting["state"], waiting["attempts"]) == ("held", 11)
    assert (done["state"], done["attempts"]) == ("delivered", 12)
    assert len({(post.id, post.body) for post in there.posts}) == 1
    assert [one["n"] for one in done["log"]] == list(range(1, 13))


async def test_what_cannot_be_sent_again_or_acknowledged_says_what_can(
    still_world: World,
) -> None:
    made = await subscribed(still_world, NOWHERE)
    await pinged(still_world, made)
    ((delivery),) = await deliveries(still_world, made)
    place = f"/v1/deliveries/{delivery['id']}"

    pending = await still_world.admin.post(f"{place}/retry")
    alive = await still_world.admin.post(f"{place}/acknowledge")
    await still_world.owner.execute("UPDATE alerts.delivery SET state = 'dead'")
    known = await still_world.admin.post(f"{place}/acknowledge")

    assert (pending.status_code, alive.status_code) == (409, 409)
    assert pending.json()["possible_in"] == ["dead", "retrying", "held", "delivered"]
    assert alive.json()["possible_in"] == ["dead"]
    assert known.json()["acknowledged_at"] is not None


async def test_a_delivery_of_another_key_is_not_there(still_world: World) -> None:
    other = await still_world.client("subscriber")
    made = await subscribed(still_world, NOWHERE)
    await pinged(still_world, made)
    ((delivery),) = await deliveries(still_world, made)

    answers = [
        await other.post(f"/v1/deliveries/{id}/{deed}")
        for id in (delivery["id"], 999_999_999)
        for deed in ("retry", "acknowledge")
    ]

    assert {a.status_code for a in answers} == {404}


async def test_the_list_of_deliveries_is_asked_by_state(still_world: World) -> None:
    made = await subscribed(still_world, NOWHERE)
    for _ in range(3):
        await pinged(still_world, made)
    await still_world.owner.execute("UPDATE alerts.delivery SET state = 'dead' WHERE id % 3 = 0")  # fmt: skip

    counts = [
        len(await deliveries(still_world, made, state=state))
        for state in ("pending", "dead", "held", "delivered")
    ]

    assert counts == [2, 1, 0, 0]
