"""What subscribers hear, as CloudEvents whose bytes are made once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from libs.common.clock import written
from libs.common.database import Row
from libs.common.ids import new_id
from libs.common.obligations import Return
from services.alerts import shown
from services.alerts.domain.escalation import ANNOUNCED, Change
from services.alerts.domain.rules import Visibility
from services.alerts.outbox import Message


def of_matter(matter: Mapping[str, Any], change: Change, now: datetime) -> Message:
    """A change of a matter; its data is the matter as the API gives it."""
    return event(
        ANNOUNCED[change],
        matter["unit"],
        shown.escalation(matter, now),
        now,
        severity=matter["severity"],
        escalation=matter["id"],
        sequence=matter["sequence"],
        hidden=matter["visibility"] != Visibility.UNIT,
    )


def of_report(row: Row, now: datetime) -> Message:
    """A revision of a report: a later one, or one after closing, is a correction.

    Its reason is free text that may name a person, so it stays with the revision,
    which is read by a key.
    """
    first = row["revision"] == 1 and not row["correction"]
    type = "report.accepted" if first else "report.corrected"
    names = (
        *("unit", "period", "revision", "batch", "form"),
        *("correction", "illustrative"),
    )
    data = {name: row[name] for name in names}
    data["received_at"] = written(row["received_at"])
    return event(type, row["unit"], data, now)


def of_missing(one: Return, period: str, now: datetime) -> Message:
    """A report that is owed and had not come when its last day in time was over."""
    data = {
        "unit": one.unit,
        "period": period,
        "obligation": one.obligation,
        "due_on": one.due_on.isoformat(),
        "lacks": [{"measure": m, "category": c} for m, c in one.lacks],
    }
    return event("report.missing", one.unit, data, now)


def of_closing(row: Row, now: datetime) -> Message:
    """A period that was closed for a unit and all below it."""
    data = {name: row[name] for name in ("period", "under", "reason")}
    data["closed_at"] = written(row["at"])
    return event("period.closed", row["under"], data, now)


def of_rule(data: Mapping[str, Any], now: datetime) -> Message:
    """A version of a rule that became the active one; it concerns every unit."""
    return event("rule.activated", None, data, now)


def of_ping(subscription: str, now: datetime) -> Message:
    """A test of one subscription."""
    return event("ping", None, {"subscription": subscription}, now)


def of_heartbeat(now: datetime) -> Message:
    """A sign of life: who hears none for long has a gap, or we have."""
    return event("heartbeat", None, {}, now)


def of_disabled(data: Mapping[str, Any], key: str, now: datetime) -> Message:
    """A subscription that was cut off, to the others of its key and to the root."""
    return event("subscription.disabled", data["under"], data, now, key=key)


def of_dead(data: Mapping[str, Any], unit: str, key: str, now: datetime) -> Message:
    """A delivery that used up its tries, to the subscriptions of its key."""
    return event("delivery.dead", unit, data, now, key=key)


def event(
    type: str,
    unit: str | None,
    data: Mapping[str, Any],
    now: datetime,
    *,
    severity: str | None = None,
    escalation: str | None = None,
    sequence: int | None = None,
    key: str | None = None,
    hidden: bool = False,
) -> Message:
    """A CloudEvents 1.0 body, made once: every attempt sends exactly these bytes."""
    id = new_id("msg")
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": id,
        "source": "/dondoc",
        "type": f"vn.dondoc.{type}",
        "time": written(now),
        "datacontenttype": "application/json",
    }
    if unit is not None:
        event["subject"] = unit
    event["data"] = data
    body = _WRITER.encode(event)
    return Message(id, type, unit, body, severity, escalation, sequence, key, hidden)


_WRITER = msgspec.json.Encoder(enc_hook=str)
