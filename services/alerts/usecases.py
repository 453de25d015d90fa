"""What alerts does for people: takes what they hand in, tells news."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from libs.common import clock, keys, working_days
from libs.common.database import Connection, Database, Row
from libs.common.keys import Principal
from libs.common.problems import Conflict, Fault, NotFound, Text, forbidden, invalid
from services.alerts import messages, outbox, shown, store
from services.alerts.domain import deadlines
from services.alerts.domain.escalation import Change, State, may_hand_in
from services.alerts.domain.rules import Owes
from services.alerts.domain.timers import DEADLINE, timers_of
from services.alerts.outbox import Message
from services.alerts.store import Entry

Matter = dict[str, Any]

OURSELVES = "dondoc"

DAYS_AFTER_RETURN = 3
"""Working days until a returned matter is due again, where no day is given."""


async def tell_of_reports(
    connection: Connection, batch: str, period: str, now: datetime
) -> None:
    """Say of each revision that a batch brought, and of each period that it closed."""
    reports = await store.reports_of_batch(connection, batch, period)
    closings = await store.closings_of_batch(connection, batch, period)
    news = [messages.of_report(row, now) for row in reports]
    news += [messages.of_closing(row, now) for row in closings if row["closed"]]
    await outbox.announce(connection, news)


MOST_TIMERS = 500
"""Timers in one transaction; more wait for the next, a moment later."""


async def fire_timers(database: Database) -> bool:
    """Let what has come due happen, each at its own moment; True when anything did."""
    async with database.transaction() as connection:
        now = await clock.business_now(connection)
        rows = await store.due_timers(connection, now, MOST_TIMERS)
        matters: dict[str, Matter] = {}
        entries: list[Entry] = []
        news: list[Message] = []
        for row in rows:
            matter = matters.setdefault(row["id"], _matter_of(row))
            change = await _timed(connection, matter, row)
            matter["sequence"] += 1
            detail = {"level": matter["level"], "addressed_to": matter["addressed_to"]}
            entries.append(Entry(row["id"], change, row["due_at"], OURSELVES, detail))
            news.append(messages.of_matter(matter, change, row["due_at"]))
        await store.fired(connection, [(row["id"], row["n"]) for row in rows])
        await store.save_matters(connection, list(matters.values()))
        await store.log_entries(connection, entries)
        await outbox.announce(connection, news)
    return bool(rows)


def _matter_of(row: Row) -> Matter:
    return {name: row[name] for name in store.MATTER}


async def _timed(connection: Connection, matter: Matter, row: Row) -> Change:
    """Move a matter as one timer says; escalating never moves the deadline."""
    if row["n"] == DEADLINE:
        return Change.OVERDUE
    day = clock.day_of(row["due_at"])
    matter["level"] += 1
    matter["addressed_to"] = await store.unit_above(
        connection, matter["unit"], row["levels"], day
    )
    return Change.ESCALATED


async def acknowledge(
    database: Database, principal: Principal, id: str, note: str | None
) -> shown.Escalation:
    """Note that the unit knows of the matter; the clock runs on."""
    async with database.transaction() as connection:
        now = await clock.business_now(connection)
        row = await _seen_matter(connection, principal, id)
        if row["state"] == State.CLOSED:
            raise _impossible(row["state"], "acknowledge", [])
        if row["acknowledged_at"] is not None:
            return shown.escalation(row, now)
        matter: Matter = {**row, "acknowledged_at": now}
        detail = {"note": note} if note else {}
        return await _moved(
            connection, principal, matter, Change.ACKNOWLEDGED, detail, now
        )


async def hand_in(
    database: Database,
    principal: Principal,
    id: str,
    *,
    causes: Sequence[str],
    text: str,
    remedies: Sequence[Mapping[str, object]],
    attachments: Sequence[str],
) -> shown.HandedIn:
    """Take an explanation, plan or report: it stops the clock until it is judged."""
    async with database.transaction() as connection:
        now = await clock.business_now(connection)
        row = await _seen_matter(connection, principal, id)
        if not may_hand_in(State(row["state"])):
            raise _impossible(row["state"], "hand in", ["open", "returned"])
        if row["owes"] == Owes.NOTHING:
            raise Conflict(
                "nothing_owed",
                Text(
                    "Vụ việc này không yêu cầu giải trình.",
                    "This matter owes nothing; it closes with its figures.",
                ),
            )
        n = await store.keep_explanation(
            connection,
            id,
            causes=causes,
            text=text,
            remedies=remedies,
            attachments=attachments,
            author=principal.key,
            now=now,
        )
        matter: Matter = {**row, "state": State.EXPLAINED}
        detail: dict[str, object] = {"n": n}
        moved = await _moved(
            connection, principal, matter, Change.EXPLAINED, detail, now
        )
        return shown.HandedIn(**moved, n=n)


async def accept(
    database: Database, principal: Principal, id: str, n: int, reason: str | None
) -> shown.Escalation:
    """Close a matter with what was handed in; nobody accepts their own."""
    async with database.transaction() as connection:
        now = await clock.business_now(connection)
        row = await _judged_matter(connection, principal, id, n, "accept")
        matter: Matter = {**row, "state": State.CLOSED, "closed_as": "accepted"}
        detail = {"n": n, "reason": reason}
        return await _moved(connection, principal, matter, Change.ACCEPTED, detail, now)


async def send_back(
    database: Database,
    principal: Principal,
    id: str,
    n: int,
    *,
    reason: str | None,
    due: date | None,
) -> shown.Escalation:
    """Return what was handed in for more; the clock starts anew."""
    async with database.transaction() as connection:
        now = await clock.business_now(connection)
        today = clock.day_of(now)
        if due is not None and due < today:
            raise invalid([Fault("/due", "out_of_range", _PAST)])
        row = await _judged_matter(connection, principal, id, n, "return")
        is_working = await working_days.calendar(connection)
        anew = (
            deadlines.on(due, inclusive=True)
            if due is not None
            else deadlines.within(DAYS_AFTER_RETURN, today, is_working=is_working)
        )
        matter: Matter = {
            **row,
            "state": State.RETURNED,
            "due_on": anew.on,
            "due_inclusive": anew.inclusive,
            "ends_at": anew.ends_at,
        }
        steps = await store.steps_of(connection, id)
        timers = timers_of(anew, steps, since=now, is_working=is_working)
        await store.arm(connection, [(id, timer) for timer in timers])
        detail = {"n": n, "reason": reason, "due": anew.as_json()}
        return await _moved(connection, principal, matter, Change.RETURNED, detail, now)


async def _judged_matter(
    connection: Connection, principal: Principal, id: str, n: int, wanted: str
) -> Row:
    """The matter whose latest explanation is `n`, for one who may judge it."""
    row = await _seen_matter(connection, principal, id)
    if row["unit"] not in await supervised(connection, principal):
        raise forbidden("supervisor")
    handed_in = await store.explanations(connection, id)
    if n not in {one["n"] for one in handed_in}:
        raise no_such("explanation", "giải trình", str(n))
    if row["state"] != State.EXPLAINED or n != handed_in[-1]["n"]:
        raise _impossible(row["state"], f"{wanted} explanation {n}", ["explained"])
    if handed_in[-1]["author"] == principal.key:
        raise Conflict(
            "own_explanation",
            Text(
                "Không ai tự duyệt giải trình của chính mình.",
                "Nobody judges an explanation of their own; another key must.",
            ),
        )
    return row


async def supervised(connection: Connection, principal: Principal) -> frozenset[str]:
    """The units strictly below one of the key's own; all, for an admin."""
    below: set[str] = set()
    for unit in principal.units:
        under = await keys.subtree(connection, [unit])
        below |= under if principal.may("admin") else under - {unit}
    return frozenset(below)


_PAST = Text("Hạn mới đã qua.", "The new deadline has passed already.")


async def _seen_matter(connection: Connection, principal: Principal, id: str) -> Row:
    row = await store.matter_for_update(connection, id)
    if row is None or not principal.sees(row["unit"]):
        raise no_such("escalation", "vụ việc", id)
    return row


async def _moved(
    connection: Connection,
    principal: Principal,
    matter: Matter,
    change: Change,
    detail: Mapping[str, object],
    now: datetime,
) -> shown.Escalation:
    """Save a matter, log who moved it, and tell subscribers; answers the resource."""
    matter["sequence"] += 1
    await store.save_matters(connection, [matter])
    entry = Entry(str(matter["id"]), change, now, principal.key, detail)
    await store.log_entries(connection, [entry])
    await outbox.announce(connection, [messages.of_matter(matter, change, now)])
    return shown.escalation(matter, now)


def _impossible(state: str, wanted: str, from_states: Sequence[str]) -> Conflict:
    possible = ", ".join(from_states) or "—"
    return Conflict(
        "impossible_transition",
        Text(
            f"Vụ việc đang ở trạng thái «{state}»; chỉ làm được khi: {possible}.",
            f"The matter is {state}; one can {wanted} only while it is: {possible}.",
        ),
        more={"state": state, "possible_in": list(from_states)},
    )


def no_such(kind: str, loai: str, name: str) -> NotFound:
    """404 for something of ours."""
    return NotFound(
        "not_found", Text(f"Không có {loai} «{name}».", f"There is no {kind} {name!r}.")
    )
