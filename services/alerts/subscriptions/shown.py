"""Subscriptions and deliveries as the API and subscribers get them."""

from __future__ import annotations

from datetime import datetime

from typing_extensions import TypedDict

from libs.common.clock import written
from libs.common.database import Row


class Subscription(TypedDict):
    """A webhook address and what it wants to hear.

    `paused_until`: too many calls failed; then one call at a time probes. Paused or
    disabled (`disabled_why` is `gone` or `failing`), its messages are held for it.
    `signatures` is how many each message carries now.
    """

    id: str
    url: str
    types: list[str]
    under: str
    min_severity: str | None
    rate_per_second: int | None
    state: str
    created_at: str | None
    paused_until: str | None
    failing_since: str | None
    disabled_at: str | None
    disabled_why: str | None
    signatures: int


class NewSubscription(Subscription):
    """The subscription with its secret, which is shown once."""

    secret: str


class Rotated(TypedDict):
    """The new secret, shown once, and until when the older ones sign beside it."""

    id: str
    secret: str
    older_until: str | None


class Pinged(TypedDict):
    """The message that was sent."""

    message: str


class Recovery(TypedDict):
    """Messages of a time gone by, on their way again; `found` counts them so far."""

    id: str
    subscription: str
    since: str | None
    until: str | None
    found: int
    finished_at: str | None


class Attempt(TypedDict):
    """How one post ended; `response` is the start of the answer, made harmless."""

    n: int
    started_at: str | None
    status: int | None
    error: str | None
    response: str | None
    ms: int | None


class Delivery(TypedDict):
    """One message to one subscription.

    `held` waits for its subscription; `withheld` was no longer for it when its turn
    came; `dead` used up its tries.
    """

    id: int
    subscription: str
    message: str
    type: str
    escalation: str | None
    sequence: int | None
    state: str
    attempts: int
    created_at: str | None
    next_attempt_at: str | None
    delivered_at: str | None
    acknowledged_at: str | None
    log: list[Attempt]


def subscription(row: Row) -> Subscription:
    """A subscription without its secret."""
    return Subscription(
        id=row["id"],
        url=row["url"],
        types=row["types"],
        under=row["under"],
        min_severity=row["min_severity"],
        rate_per_second=row["rate_per_second"],
        state=row["state"],
        created_at=written(row["created_at"]),
        paused_until=written(row["paused_until"]),
        failing_since=written(row["failing_since"]),
        disabled_at=written(row["disabled_at"]),
        disabled_why=row["disabled_why"],
        signatures=row["signatures"],
    )


def delivery(row: Row) -> Delivery:
    """A delivery with its attempts; only one that waits has a next."""
    waiting = row["state"] in ("pending", "retrying", "leased")
    return Delivery(
        id=row["id"],
        subscription=row["subscription"],
        message=row["message"],
        type=row["type"],
        escalation=row["escalation"],
        sequence=row["sequence"],
        state=row["state"],
        attempts=row["attempts"],
        created_at=written(row["created_at"]),
        next_attempt_at=written(row["next_attempt_at"]) if waiting else None,
        delivered_at=written(row["delivered_at"]),
        acknowledged_at=written(row["acknowledged_at"]),
        log=[
            Attempt(
                n=one["n"],
                started_at=written(datetime.fromisoformat(one["started_at"])),
                status=one["status"],
                error=one["error"],
                response=one["response"],
                ms=one["ms"],
            )
            for one in row["log"]
        ],
    )


def recovery(row: Row) -> Recovery:
    """A recovery as far as it has come."""
    return Recovery(
        id=row["id"],
        subscription=row["subscription"],
        since=written(row["since"]),
        until=written(row["until"]),
        found=row["found"],
        finished_at=written(row["finished_at"]),
    )
