"""What subscriptions take over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from libs.common.http import Body, PlainText
from libs.common.keys import ROOT
from libs.common.platform import Moment, UnitCode
from services.alerts.schemas import Severity

TYPES = (
    "report.accepted",
    "report.corrected",
    "report.missing",
    "period.closed",
    "escalation.opened",
    "escalation.acknowledged",
    "escalation.explained",
    "escalation.returned",
    "escalation.overdue",
    "escalation.escalated",
    "escalation.closed",
    "rule.activated",
    "subscription.disabled",
    "delivery.dead",
    "heartbeat",
    "ping",
)
FAMILIES = tuple(
    dict.fromkeys(f"{name.partition('.')[0]}.*" for name in TYPES if "." in name)
)
_PATTERNS = ("*", *FAMILIES, *TYPES)


def _known_type(text: str) -> str:
    plain = text.removeprefix("vn.dondoc.")
    if plain not in _PATTERNS:
        raise ValueError(f"no such type; write one of {', '.join(_PATTERNS)}")
    return plain


EventType = Annotated[str, AfterValidator(_known_type)]
Url = Annotated[PlainText, Field(min_length=1, max_length=2048)]
Types = Annotated[
    list[EventType], Field(min_length=1, max_length=20, examples=[["escalation.*"]])
]
Rate = Annotated[int, Field(ge=1, le=1000)]
DeliveryState = Literal[
    "pending", "leased", "retrying", "held", "delivered", "withheld", "dead"
]


class SubscriptionIn(Body):
    """Where to post, and what to hear of.

    `*` is all news; a `heartbeat` is none and must be named. `rate_per_second` bounds
    how many messages are sent in a second, beside the four at once.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "url": "https://example.org/hook",
                "types": ["escalation.*"],
                "under": "VN",
            }
        }
    )

    url: Url
    types: Types
    under: UnitCode = ROOT
    min_severity: Severity | None = None
    rate_per_second: Rate | None = None


class SubscriptionChange(Body):
    """What changes; what is left out stays. null takes a bound away."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"types": ["escalation.*", "heartbeat"]}}
    )

    # A default of the right kind that no document shows: it is never read.
    url: Annotated[Url, Field(default_factory=str)]
    types: Annotated[Types, Field(default_factory=list)]
    under: Annotated[UnitCode, Field(default_factory=str)]
    min_severity: Severity | None = None
    rate_per_second: Rate | None = None


class RotationIn(Body):
    """For how long the older secrets sign beside the new one; 0 ends them at once."""

    overlap_hours: Annotated[int, Field(ge=0, le=168)] = 24


class RecoveryIn(Body):
    """Since when messages were missed, by true time: that of `webhook-timestamp`."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"since": "2026-03-08T08:00:00+07:00"}}
    )

    since: Moment
