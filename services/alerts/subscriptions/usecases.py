"""What is done for subscribers, each in one transaction."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from libs.common import clock, keys
from libs.common.database import Connection, Database, Row
from libs.common.events import notify
from libs.common.ids import new_id
from libs.common.keys import Principal
from libs.common.problems import Conflict, Fault, NotFound, Text, invalid
from libs.common.sealing import seal
from services.alerts import messages, outbox
from services.alerts.domain.addresses import AddressRefused
from services.alerts.domain.signing import MOST_SECRETS, new_secret
from services.alerts.leases import Ended
from services.alerts.sender import Sender
from services.alerts.subscriptions import shown, store

log = structlog.get_logger()

HEARTBEAT_EVERY = timedelta(minutes=5)
RECOVERY = "recovery"
"""What is notified when messages are to be recovered."""

MOST_RECOVERED = 1000
MOST_FORGOTTEN = 5000

Wish = Mapping[str, object]


async def subscribe(
    database: Database, principal: Principal, wish: Wish, sender: Sender, key: bytes
) -> shown.NewSubscription:
    """Keep a subscription whose address was vetted; its secret is shown once."""
    await _vet(sender, str(wish["url"]))
    secret, id = new_secret(secrets.token_bytes), new_id("sub")
    async with database.transaction() as connection:
        await _check_unit(connection, principal, wish)
        await store.keep(
            connection,
            id,
            key=principal.key,
            wish=wish,
            secret=seal(key, id, secret),
            now=await clock.business_now(connection),
        )
        row = await found(connection, principal, id)
    return shown.NewSubscription(**shown.subscription(row), secret=secret)


async def change(
    database: Database, principal: Principal, id: str, wish: Wish, sender: Sender
) -> shown.Subscription:
    """Wish something else; what no longer fits when its turn comes is withheld."""
    if "url" in wish:
        await _vet(sender, str(wish["url"]))
    async with database.transaction() as connection:
        row = await _held(connection, principal, id)
        await _check_unit(connection, principal, wish)
        await store.change(connection, id, {**{n: row[n] for n in store.WISH}, **wish})
        return shown.subscription(await found(connection, principal, id))


async def remove(database: Database, principal: Principal, id: str) -> None:
    """End a subscription: what still waited for it is withheld."""
    async with database.transaction() as connection:
        await _held(connection, principal, id)
        await store.delete(connection, id)


async def enable(
    database: Database, principal: Principal, id: str
) -> shown.Subscription:
    """Let a disabled or paused subscription hear again, from what was held on."""
    async with database.transaction() as connection:
        await _held(connection, principal, id)
        await store.enable(connection, id)
        await notify(connection, outbox.DELIVERY)
        return shown.subscription(await found(connection, principal, id))


async def ping(
    database: Database, principal: Principal, id: str, sender: Sender
) -> shown.Pinged:
    """Send a test the way of every other message, once its address is vetted anew."""
    async with database.connection() as connection:
        row = await found(connection, principal, id)
    await _vet(sender, row["url"], pointer="")
    async with database.transaction() as connection:
        row = await _held(connection, principal, id)
        if row["state"] == "disabled":
            raise Conflict("disabled", _DISABLED, more={"state": row["state"]})
        message = messages.of_ping(id, await clock.business_now(connection))
        await outbox.address_to(connection, message, [id])
    return shown.Pinged(message=message.id)


async def rotate(
    database: Database, principal: Principal, id: str, overlap: timedelta, key: bytes
) -> shown.Rotated:
    """Sign with a new secret, and beside it with the older ones for a while."""
    secret = new_secret(secrets.token_bytes)
    async with database.transaction() as connection:
        row = await _held(connection, principal, id)
        if overlap and row["signatures"] >= MOST_SECRETS:
            raise Conflict("too_many_secrets", _TOO_MANY)
        until = await store.rotate(connection, id, seal(key, id, secret), overlap)
    return shown.Rotated(id=id, secret=secret, older_until=clock.written(until))


async def recover(
    database: Database, principal: Principal, id: str, since: datetime
) -> shown.Recovery:
    """Ask for all that was missed since a moment of true time; it is done by and by."""
    async with database.transaction() as connection:
        await _held(connection, principal, id)
        row = await store.unfinished_recovery(connection, id, since)
        if row is None:
            row = await store.keep_recovery(connection, new_id("rcv"), id, since)
        if row is None:
            raise invalid([Fault("/since", "out_of_range", _FUTURE)])
        await notify(connection, RECOVERY)
    return shown.recovery(row)


async def send_again(
    database: Database, principal: Principal, id: int
) -> shown.Delivery:
    """Let a delivery that is at its end, or waits for its next try, go out now."""
    async with database.transaction() as connection:
        row = await _delivery(connection, principal, id)
        if row["state"] not in _RESENDABLE:
            raise _impossible(row["state"], "sent again", _RESENDABLE)
        await store.send_again(connection, id)
        await notify(connection, outbox.DELIVERY)
        return shown.delivery(await _delivery(connection, principal, id))


async def acknowledge(
    database: Database, principal: Principal, id: int
) -> shown.Delivery:
    """Say that one knows of a dead delivery: it alarms no more and may be forgotten."""
    async with database.transaction() as connection:
        row = await _delivery(connection, principal, id)
        if row["state"] != "dead":
            raise _impossible(row["state"], "acknowledged", ("dead",))
        await store.acknowledge(connection, id)
        return shown.delivery(await _delivery(connection, principal, id))


# By themselves ----------------------------------------------------------------------


async def tell_of_ends(connection: Connection, ended: Ended) -> None:
    """Say which deliveries are dead and who was cut off: to others, and in the log.

    What is told only of delivery itself dies quietly: it must not breed.
    """
    if not ended.dead and not ended.disabled:
        return
    now = await clock.business_now(connection)
    news = []
    for row in await store.deliveries_by_id(connection, ended.dead):
        await log.awarning("delivery dead", delivery=row["id"], type=row["type"])
        if row["type"] not in _ABOUT_DELIVERY:
            dead = shown.delivery(row)
            news.append(messages.of_dead(dead, row["under"], row["key"], now))
    for id, why in ended.disabled:
        await log.awarning("subscription disabled", subscription=id, why=why)
        if cut_off := await store.one(connection, id, None):
            other = shown.subscription(cut_off)
            news.append(messages.of_disabled(other, cut_off["key"], now))
    await outbox.announce(connection, news)


async def beat(database: Database, every: timedelta = HEARTBEAT_EVERY) -> bool:
    """Send a heartbeat to those who are due one; silence then means something."""
    async with database.transaction() as connection:
        due = await store.heartbeats_due(connection, every)
        if due:
            now = await clock.business_now(connection)
            await outbox.address_to(connection, messages.of_heartbeat(now), due)
    return False


async def recover_some(database: Database, most: int = MOST_RECOVERED) -> bool:
    """Take one recovery a step further; True when there was one."""
    async with database.transaction() as connection:
        row = await store.next_recovery(connection)
        if row is None:
            return False
        await store.hold(connection, row["subscription"])
        if await store.recover(connection, row, most):
            await notify(connection, outbox.DELIVERY)
    return True


async def forget(database: Database) -> bool:
    """Drop what is past keeping; True when there may be more of it."""
    async with database.transaction() as connection:
        return await store.forget(connection, MOST_FORGOTTEN)


# Who and what -----------------------------------------------------------------------


def whose(principal: Principal) -> str | None:
    """A key sees its own subscriptions; an admin at the root sees all."""
    at_root = principal.may("admin") and principal.scope is None
    return None if at_root else principal.key


async def found(connection: Connection, principal: Principal, id: str) -> Row:
    """A subscription that the key sees; any other does not exist."""
    row = await store.one(connection, id, whose(principal))
    if row is None:
        raise NotFound(
            "not_found",
            Text(
                f"Không có đăng ký nhận tin «{id}».",
                f"There is no subscription {id!r}.",
            ),
        )
    return row


async def _held(connection: Connection, principal: Principal, id: str) -> Row:
    """The same, locked; read again, for it may have moved meanwhile."""
    await found(connection, principal, id)
    await store.hold(connection, id)
    return await found(connection, principal, id)


async def _delivery(connection: Connection, principal: Principal, id: int) -> Row:
    for row in await store.deliveries_by_id(connection, [id]):
        if whose(principal) in (None, row["key"]):
            await store.hold(connection, row["subscription"])
            (row,) = await store.deliveries_by_id(connection, [id]) or (row,)
            return row
    raise NotFound(
        "not_found",
        Text(f"Không có lượt gửi «{id}».", f"There is no delivery {id}."),
    )


async def _check_unit(connection: Connection, principal: Principal, wish: Wish) -> None:
    if "under" not in wish:
        return
    code = str(wish["under"])
    if not principal.sees(code) or not await keys.known_units(connection, [code]):
        why = Text(f"Không có đơn vị «{code}».", f"There is no unit {code!r}.")
        raise invalid([Fault("/under", "unknown_unit", why)])


async def _vet(sender: Sender, url: str, pointer: str = "/url") -> None:
    try:
        await sender.check(url)
    except AddressRefused as refused:
        # The subscriber is told nothing of the inside; the operator is.
        await log.ainfo("address refused", why=refused.why)
        why = Text(**refused.texts)
        raise invalid([Fault(pointer, refused.code, why)]) from None


def _impossible(state: str, wanted: str, possible: tuple[str, ...]) -> Conflict:
    listed = ", ".join(possible)
    return Conflict(
        "impossible_transition",
        Text(
            f"Lượt gửi đang ở trạng thái «{state}»; chỉ làm được khi: {listed}.",
            f"The delivery is {state}; it can be {wanted} only while it is: {listed}.",
        ),
        more={"state": state, "possible_in": list(possible)},
    )


_RESENDABLE = ("dead", "retrying", "held", "delivered")
_ABOUT_DELIVERY = ("ping", "heartbeat", "delivery.dead", "subscription.disabled")
_DISABLED = Text(
    "Đăng ký đang bị tắt; hãy bật lại (enable) rồi gửi thử.",
    "The subscription is disabled; enable it first, then ping it.",
)
_TOO_MANY = Text(
    f"Đã có {MOST_SECRETS} khóa cùng hiệu lực; hãy xoay với overlap_hours = 0.",
    f"There are {MOST_SECRETS} live secrets already; rotate with overlap_hours 0.",
)
_FUTURE = Text(
    "Thời điểm này chưa tới (theo giờ thật).",
    "That moment is yet to come (by true time).",
)
