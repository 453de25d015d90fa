"""HTTP of subscriptions and deliveries."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Path, Request, Response

from libs.common.access import allows
from libs.common.database import Database
from libs.common.http import api_router, database_of
from libs.common.keys import Principal
from libs.common.paging import Cursor, Limit, Page, page, read_cursor
from services.alerts.sender import Sender
from services.alerts.subscriptions import shown, store, usecases
from services.alerts.subscriptions.schemas import (
    DeliveryState,
    RecoveryIn,
    RotationIn,
    SubscriptionChange,
    SubscriptionIn,
)
from services.alerts.subscriptions.shown import (
    Delivery,
    NewSubscription,
    Pinged,
    Recovery,
    Rotated,
    Subscription,
)

router = api_router("alerts")
Alerts = Annotated[Database, database_of("alerts")]
Id = Annotated[str, Path(max_length=64)]
DeliveryId = Annotated[int, Path(ge=1, lt=2**63)]
Subscriber = Annotated[Principal, allows("subscriber")]

SEALED_FOR = "subscription secrets"


def _sender(request: Request) -> Sender:
    found: Sender = request.app.state.sender
    return found


def _sealing_key(request: Request) -> bytes:
    key: bytes = request.app.state.settings.key_for(SEALED_FOR)
    return key


@router.post("/v1/subscriptions", status_code=201)
async def subscribe(
    body: SubscriptionIn, request: Request, principal: Subscriber, database: Alerts
) -> NewSubscription:
    """Subscribe an address. The secret stands in this answer and never again.

    Deliveries are signed by Standard Webhooks; verify them before trusting them.
    """
    wish = body.model_dump() | {"types": sorted(set(body.types))}
    return await usecases.subscribe(
        database, principal, wish, _sender(request), _sealing_key(request)
    )


@router.get("/v1/subscriptions")
async def list_subscriptions(
    principal: Subscriber,
    database: Alerts,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Subscription]:
    """The key's subscriptions, without their secrets."""
    after = read_cursor(cursor, str)
    async with database.connection() as connection:
        rows = await store.listed(
            connection,
            usecases.whose(principal),
            str(after[0]) if after else None,
            limit + 1,
        )
    return page(rows, limit, lambda r: [r["id"]], shown.subscription)


@router.get("/v1/subscriptions/{id}")
async def get_subscription(
    id: Id, principal: Subscriber, database: Alerts
) -> Subscription:
    """One subscription and how it fares, without its secret."""
    async with database.connection() as connection:
        return shown.subscription(await usecases.found(connection, principal, id))


@router.patch("/v1/subscriptions/{id}")
async def change_subscription(
    id: Id,
    body: SubscriptionChange,
    request: Request,
    principal: Subscriber,
    database: Alerts,
) -> Subscription:
    """Change what a subscription hears, or where; what is left out stays.

    It holds for what already waits too: filters are asked again at each sending.
    """
    wish = body.model_dump(include=body.model_fields_set)
    if "types" in wish:
        wish["types"] = sorted(set(body.types))
    return await usecases.change(database, principal, id, wish, _sender(request))


@router.delete("/v1/subscriptions/{id}", status_code=204)
async def delete_subscription(
    id: Id, principal: Subscriber, database: Alerts
) -> Response:
    """End a subscription. What still waited for it is not sent."""
    await usecases.remove(database, principal, id)
    return Response(status_code=204)


@router.post("/v1/subscriptions/{id}/ping", status_code=202)
async def ping(
    id: Id, request: Request, principal: Subscriber, database: Alerts
) -> Pinged:
    """Send a `ping` through the same guarded way as every other message."""
    return await usecases.ping(database, principal, id, _sender(request))


@router.post("/v1/subscriptions/{id}/rotate")
async def rotate_secret(
    id: Id,
    request: Request,
    principal: Subscriber,
    database: Alerts,
    body: RotationIn | None = None,
) -> Rotated:
    """Make a new secret. It stands in this answer and never again.

    For `overlap_hours` (24, at most 168) every message carries a signature of the new
    secret and of each older one. With 0 all older ones end at once: for a leak.
    """
    overlap = timedelta(hours=(body or RotationIn()).overlap_hours)
    return await usecases.rotate(
        database, principal, id, overlap, _sealing_key(request)
    )


@router.post("/v1/subscriptions/{id}/enable")
async def enable_subscription(
    id: Id, principal: Subscriber, database: Alerts
) -> Subscription:
    """Let a disabled or paused subscription hear again; what was held goes out."""
    return await usecases.enable(database, principal, id)


@router.post("/v1/subscriptions/{id}/recover", status_code=202)
async def recover(
    id: Id, body: RecoveryIn, principal: Subscriber, database: Alerts
) -> Recovery:
    """Send what was missed since a moment, as far back as 90 days.

    What was never addressed to the subscription, is dead or was withheld goes out, if
    it is for it now; what was delivered or still waits is left alone. Asked twice, it
    happens once.
    """
    return await usecases.recover(database, principal, id, body.since)


@router.get("/v1/subscriptions/{id}/deliveries")
async def list_deliveries(
    id: Id,
    principal: Subscriber,
    database: Alerts,
    state: DeliveryState | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Delivery]:
    """What was sent and how each attempt ended, newest first."""
    before = read_cursor(cursor, int)
    async with database.reading() as connection:
        await usecases.found(connection, principal, id)
        rows = await store.deliveries(
            connection, id, state, int(str(before[0])) if before else None, limit + 1
        )
    return page(rows, limit, lambda r: [r["id"]], shown.delivery)


@router.post("/v1/deliveries/{id}/retry")
async def retry_delivery(
    id: DeliveryId, principal: Subscriber, database: Alerts
) -> Delivery:
    """Send a message again now: a dead one, one that waits, one that got lost there.

    It goes under the same id, with the same bytes and all its tries before it.
    """
    return await usecases.send_again(database, principal, id)


@router.post("/v1/deliveries/{id}/acknowledge")
async def acknowledge_delivery(
    id: DeliveryId, principal: Subscriber, database: Alerts
) -> Delivery:
    """Say that one knows of a dead delivery; until then it is kept and alarms."""
    return await usecases.acknowledge(database, principal, id)
