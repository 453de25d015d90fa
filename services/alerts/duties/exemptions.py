"""Exemptions: a unit owes nothing under a rule for a while, by a document."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from libs.common import clock, keys
from libs.common.database import Connection, Database
from libs.common.ids import new_id
from libs.common.keys import Principal
from libs.common.problems import (
    Conflict,
    Fault,
    Text,
    forbidden,
    invalid,
    unknown_unit_in_body,
)
from services.alerts import messages, outbox
from services.alerts import store as matters
from services.alerts.domain.escalation import Change, State
from services.alerts.duties import shown, store
from services.alerts.duties.usecases import supervised
from services.alerts.store import Entry
from services.alerts.usecases import no_such


async def exempt(
    database: Database,
    principal: Principal,
    *,
    unit: str,
    rule: str,
    until: date,
    document: dict[str, Any],
    reason: str,
) -> shown.Exemption:
    """Close what is open under the rule, and let nothing open until the day is over."""
    async with database.transaction() as connection:
        now = await clock.business_now(connection)
        known = await keys.known_units(connection, [unit])
        faults = []
        if not known or not principal.sees(unit):
            faults.append(unknown_unit_in_body("/unit", unit))
        if not await store.is_rule(connection, rule):
            faults.append(Fault("/rule", "unknown_rule", _no_rule(rule)))
        if until < clock.day_of(now):
            faults.append(Fault("/until", "out_of_range", _PAST))
        if faults:
            raise invalid(faults)
        if unit not in await supervised(connection, principal):
            raise forbidden("supervisor")
        row = {
            "id": new_id("exm"),
            "unit": unit,
            "rule": rule,
            "until": until,
            "document": document,
            "reason": reason,
            "author": principal.key,
            "made_at": now,
            "ended_at": None,
        }
        await store.keep_exemption(connection, row)
        closed = await _close(connection, principal, row, now)
    return {**shown.exemption(row, now), "closed": closed}


async def _close(
    connection: Connection, principal: Principal, row: dict[str, Any], now: datetime
) -> list[str]:
    """Close the unit's open matters under the rule; their timers rest with them."""
    closed = []
    for found in await store.open_under(connection, row["rule"], row["unit"]):
        matter: dict[str, Any] = {**found, "state": State.CLOSED}
        matter |= {"closed_as": "exempted", "sequence": found["sequence"] + 1}
        await matters.save_matters(connection, [matter])
        detail = {"exemption": row["id"], "reason": row["reason"]}
        entry = Entry(found["id"], Change.EXEMPTED, now, principal.key, detail)
        await matters.log_entries(connection, [entry])
        news = messages.of_matter(matter, Change.EXEMPTED, now)
        await outbox.announce(connection, [news])
        closed.append(found["id"])
    return closed


async def end(
    database: Database, principal: Principal, id: str, *, reason: str
) -> shown.Exemption:
    """End an exemption before its day."""
    async with database.transaction() as connection:
        now = await clock.business_now(connection)
        row = await store.exemption_for_update(connection, id)
        if row is None or not principal.sees(row["unit"]):
            raise no_such("exemption", "miễn trừ", id)
        if row["unit"] not in await supervised(connection, principal):
            raise forbidden("supervisor")
        if row["ended_at"] is not None or row["until"] < clock.day_of(now):
            raise Conflict("already_over", _OVER)
        await store.end_exemption(
            connection, id, by=principal.key, reason=reason, now=now
        )
        ended = {**row, "ended_at": now, "end_reason": reason}
    return shown.exemption(ended, now)


def _no_rule(rule: str) -> Text:
    return Text(f"Không có quy tắc «{rule}».", f"There is no rule {rule!r}.")


_PAST = Text("Ngày này đã qua.", "That day is over.")
_OVER = Text("Miễn trừ này đã kết thúc.", "This exemption is over already.")
