"""Subscriptions, messages and workers, for tests of what reaches subscribers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from libs.common.ids import new_id
from libs.common.sealing import unseal
from services.alerts import outbox
from services.alerts.outbox import Message
from services.alerts.sender import Sender
from services.alerts.subscriptions.usecases import tell_of_ends
from services.alerts.worker import Courier
from tests.support.world import World, until


@asynccontextmanager
async def courier(world: World, **more: Any) -> AsyncIterator[Courier]:
    """One more worker, as another process has it; `more` is for its sender."""
    key = world.settings.key_for("subscription secrets")
    given = {"allow_networks": world.settings.webhook_networks, **more}
    async with Sender(**given) as sender:
        yield Courier(
            world.database("alerts"),
            sender,
            lambda id, sealed: unseal(key, id, sealed),
            tell_of_ends,
        )


async def subscribed(
    world: World, url: str, *, client: httpx.AsyncClient | None = None, **more: Any
) -> dict[str, Any]:
    """A new subscription with its secret; all news, unless `more` says otherwise."""
    body = {"url": url, "types": ["*"], **more}
    answer = await (client or world.admin).post("/v1/subscriptions", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def asked(
    world: World, subscription: Mapping[str, Any], what: str, **body: Any
) -> dict[str, Any]:
    """POST to `…/{id}/{what}` as the administrator; the answer."""
    place = f"/v1/subscriptions/{subscription['id']}/{what}"
    answer = await world.admin.post(place, json=body or None)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def pinged(world: World, subscription: Mapping[str, Any]) -> str:
    """The id of a ping."""
    return str((await asked(world, subscription, "ping"))["message"])


async def shown(world: World, subscription: Mapping[str, Any]) -> dict[str, Any]:
    """The subscription as it fares now."""
    answer = await world.admin.get(f"/v1/subscriptions/{subscription['id']}")
    found: dict[str, Any] = answer.json()
    return found


async def told(
    world: World,
    type: str = "escalation.opened",
    unit: str = "VN",
    severity: str | None = "medium",
    escalation: str | None = None,
    sequence: int | None = None,
) -> str:
    """Announce a message to all whom it concerns; its id."""
    id = new_id("msg")
    body = json.dumps({"id": id, "type": f"vn.dondoc.{type}"}).encode()
    async with world.database("alerts").transaction() as connection:
        await outbox.announce(
            connection, [Message(id, type, unit, body, severity, escalation, sequence)]
        )
    return id


async def deliveries(
    world: World, subscription: Mapping[str, Any], **query: str
) -> list[dict[str, Any]]:
    """Oldest first."""
    place = f"/v1/subscriptions/{subscription['id']}/deliveries"
    answer = await world.admin.get(place, params={"limit": "1000", **query})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found[::-1]


async def states(world: World, subscription: Mapping[str, Any]) -> list[str]:
    """Of its deliveries, oldest first."""
    return [one["state"] for one in await deliveries(world, subscription)]


async def all_in(world: World, subscription: Mapping[str, Any], state: str) -> None:
    """Come back when every delivery is in this state."""

    async def there() -> bool:
        found = await states(world, subscription)
        return bool(found) and set(found) == {state}

    await until(there)


async def time_passes(world: World) -> None:
    """Whatever waits for another try, or for the breaker, is due now."""
    await world.owner.execute(
        "UPDATE alerts.delivery SET next_attempt_at = now() WHERE state = 'retrying'"
    )
    await world.owner.execute(
        "UPDATE alerts.subscription SET paused_until = now() WHERE paused_until IS NOT NULL"
    )


async def leases_end(world: World) -> None:
    """Whoever holds a lease has slept past its end."""
    await world.owner.execute(
        "UPDATE alerts.delivery SET next_attempt_at = now() WHERE state = 'leased'"
    )


async def worked(*couriers: Courier) -> None:
    """Let workers settle, claim and post until nothing is due."""
    await asyncio.gather(*(one.drain() for one in couriers))
    while any([await one.step() for one in couriers]):
        await asyncio.gather(*(one.drain() for one in couriers))
