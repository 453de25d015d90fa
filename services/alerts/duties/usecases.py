"""Every act on a matter: who may, when it is possible, what it moves, who hears of it.

A matter is held until the transaction ends, so two people cannot act on one reading of
it; who says by `sequence` which reading that was is refused when it is no longer so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from libs.common import clock, keys, working_days
from libs.common.database import Connection, Database, Row
from libs.common.keys import Principal
from libs.common.problems import Conflict, Fault, Text, forbidden, invalid
from services.alerts import messages, outbox, rulebook, shown, store
from services.alerts.domain import deadlines
from services.alerts.domain.deadlines import Due
from services.alerts.domain.escalation import Change, State, may_hand_in
from services.alerts.domain.rules import Closes, Every, Owes, Rule
from services.alerts.domain.timers import timers_of
from services.alerts.rulebooks import store as rules
from services.alerts.store import Entry
from services.alerts.usecases import no_such

Matter = dict[str, Any]

DAYS_AFTER_RETURN = 3
"""Working days until a returned matter is due again, where no day is given."""


async def acknowledge(
    database: Database,
    principal: Principal,
    id: str,
    *,
    note: str | None,
    sequence: int | None,
) -> shown.Escalation:
    """Note that the unit knows of the matter; the clock runs on."""
    async with database.transaction() as connection:
        now = await clock.business_now(connection)
        row = await _seen_matter(connection, principal, id, sequence)
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
    sequence: int | None,
) -> shown.HandedIn:
    """Take an explanation, plan or report: it stops the clock until it is judged."""
    async with database.transaction() as connection:
        now = await clock.business_now(connection)
        row = await _seen_matter(connection, principal, id, sequence)
        if not may_hand_in(State(row["state"])):
            raise _impossible(row["state"], "hand in", ["open", "returned"])
        if row["owes"] == Owes.NOTHING:
            raise Conflict("nothing_owed", _NOTHING)
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


async def take_back(
    database: Database,
    principal: Principal,
    id: str,
    n: int,
    *,
    reason: str | None,
    sequence: int | None,
) -> shown.Escalation:
    """Withdraw what was handed in and not yet judged; the clock runs on as it did."""
    async with database.transaction() as connection:
        now = await clock.business_now(connection)
        row = await _seen_matter(connection, principal, id, sequence)
        handed_in = await store.explanations(connection, id)
        _the_latest(row, handed_in, n, "withdraw")
        if handed_in[-1]["author"] != principal.key and not principal.may("admin"):
            raise Conflict("not_your_own", _NOT_YOURS)
        before = await store.history(connection, id)
        was_returned = any(entry["change"] == Change.RETURNED for entry in before)
        state = State.RETURNED if was_returned else State.OPEN
        matter: Matter = {**row, "state": state}
        await _arm(connection, matter, _due(row), now)
        detail = {"n": n, "reason": reason}
        return await _moved(
            connection, principal, matter, Change.TAKEN_BACK, detail, now
        )


async def accept(
    database: Database,
    principal: Principal,
    id: str,
    n: int,
    *,
    reason: str | None,
    sequence: int | None,
) -> shown.Escalation:
    """Accept what was handed in: the matter is closed, or owes its next report.

    A standing report that is accepted leaves a matter open which only the data close:
    it is due again after the next month or quarter. Nobody accepts their own.
    """
    async with database.transaction() as connection:
        now = await clock.business_now(connection)
        row = await _judged_matter(connection, principal, id, n, "accept", sequence)
        detail: dict[str, object] = {"n": n, "reason": reason}
        following = await _next_report(connection, row)
        if following is None:
            closed: Matter = {**row, "state": State.CLOSED, "closed_as": "accepted"}
            return await _moved(
                connection, principal, closed, Change.ACCEPTED, detail, now
            )
        matter = _due_again({**row, "state": State.OPEN}, following)
        await _arm(connection, matter, following, now)
        detail["due"] = following.as_json()
        return await _moved(connection, principal, matter, Change.RENEWED, detail, now)


async def _next_report(connection: Connection, row: Row) -> Due | None:
    """When a standing report is due again; None where nothing stands."""
    due = (await rule_of(connection, row)).due
    if not isinstance(due, Every) or row["closes"] != Closes.DATA:
        return None
    is_working = await working_days.calendar(connection)
    return deadlines.next_of(due, row["due_on"], is_working=is_working)


async def rule_of(connection: Connection, row: Row) -> Rule:
    """The version of the rule that a matter was opened, or last judged, by."""
    version = await rules.found(connection, row["rule"], row["rule_version"])
    assert version is not None  # versions are never deleted
    return rulebook.load_text(version["source"])


async def send_back(
    database: Database,
    principal: Principal,
    id: str,
    n: int,
    *,
    reason: str | None,
    due: date | None,
    sequence: int | None,
) -> shown.Escalation:
    """Return what was handed in for more; the clock starts anew."""
    async with database.transaction() as connection:
        now = await clock.business_now(connection)
        today = clock.day_of(now)
        if due is not None and due < today:
            raise invalid([Fault("/due", "out_of_range", _PAST)])
        row = await _judged_matter(connection, principal, id, n, "return", sequence)
        is_working = await working_days.calendar(connection)
        anew = (
            deadlines.on(due, inclusive=True)
            if due is not None
            else deadlines.within(DAYS_AFTER_RETURN, today, is_working=is_working)
        )
        matter = _due_again({**row, "state": State.RETURNED}, anew)
        await _arm(connection, matter, anew, now)
        detail = {"n": n, "reason": reason, "due": anew.as_json()}
        return await _moved(connection, principal, matter, Change.RETURNED, detail, now)


async def withdraw(
    database: Database,
    principal: Principal,
    id: str,
    *,
    reason: str,
    sequence: int | None,
) -> shown.Escalation:
    """Close a matter that should not stand, for a reason that its log keeps."""
    async with database.transaction() as connection:
        now = await clock.business_now(connection)
        row = await _supervised_matter(connection, principal, id, sequence)
        if row["state"] == State.CLOSED:
            raise _impossible(row["state"], "withdraw", _NOT_CLOSED)
        matter: Matter = {**row, "state": State.CLOSED, "closed_as": "withdrawn"}
        detail = {"reason": reason}
        return await _moved(
            connection, principal, matter, Change.WITHDRAWN, detail, now
        )


async def escalate(
    database: Database,
    principal: Principal,
    id: str,
    *,
    to: str,
    reason: str,
    sequence: int | None,
) -> shown.Escalation:
    """Take a matter up to a level above its unit, by hand; the deadline stays."""
    async with database.transaction() as connection:
        now = await clock.business_now(connection)
        row = await _supervised_matter(connection, principal, id, sequence)
        if row["state"] == State.CLOSED:
            raise _impossible(row["state"], "escalate", _NOT_CLOSED)
        above = await store.units_above(connection, row["unit"], clock.day_of(now))
        if to not in above:
            raise invalid([Fault("/to", "not_above", _not_above(row["unit"], above))])
        if to == row["addressed_to"]:
            raise Conflict("already_there", _THERE)
        matter: Matter = {**row, "level": row["level"] + 1, "addressed_to": to}
        detail = {"level": matter["level"], "addressed_to": to, "reason": reason}
        return await _moved(
            connection, principal, matter, Change.ESCALATED, detail, now
        )


# Who may, and when -------------------------------------------------------------------


async def supervised(connection: Connection, principal: Principal) -> frozenset[str]:
    """The units strictly below one of the key's own; all, for an admin."""
    below: set[str] = set()
    for unit in principal.units:
        under = await keys.subtree(connection, [unit])
        below |= under if principal.may("admin") else under - {unit}
    return frozenset(below)


async def _judged_matter(
    connection: Connection,
    principal: Principal,
    id: str,
    n: int,
    wanted: str,
    sequence: int | None,
) -> Row:
    """The matter whose latest explanation is `n`, for one who may judge it."""
    row = await _supervised_matter(connection, principal, id, sequence)
    handed_in = await store.explanations(connection, id)
    _the_latest(row, handed_in, n, wanted)
    if handed_in[-1]["author"] == principal.key:
        raise Conflict("own_explanation", _OWN)
    return row


def _the_latest(row: Row, handed_in: Sequence[Row], n: int, wanted: str) -> None:
    if n not in {one["n"] for one in handed_in}:
        raise no_such("explanation", "giải trình", str(n))
    if row["state"] != State.EXPLAINED or n != handed_in[-1]["n"]:
        raise _impossible(row["state"], f"{wanted} explanation {n}", ["explained"])


async def _supervised_matter(
    connection: Connection, principal: Principal, id: str, sequence: int | None
) -> Row:
    row = await _seen_matter(connection, principal, id, sequence)
    if row["unit"] not in await supervised(connection, principal):
        raise forbidden("supervisor")
    return row


async def _seen_matter(
    connection: Connection, principal: Principal, id: str, sequence: int | None
) -> Row:
    row = await store.matter_for_update(connection, id)
    if row is None or not await may_see(connection, principal, row):
        raise no_such("escalation", "vụ việc", id)
    if sequence is not None and sequence != row["sequence"]:
        raise Conflict(
            "changed_meanwhile",
            _MEANWHILE,
            more={"sequence": row["sequence"], "state": row["state"]},
        )
    return row


async def may_see(connection: Connection, principal: Principal, row: Row) -> bool:
    """Whether a key sees a matter: some are not shown to the unit itself."""
    unit: str = row["unit"]
    if not principal.sees(unit):
        return False
    if row["visibility"] == "unit" or keys.ROOT in principal.units:
        return True
    return unit in await supervised(connection, principal)


# What an act moves -------------------------------------------------------------------


def _due_again(matter: Matter, due: Due) -> Matter:
    return matter | {
        "due_on": due.on,
        "due_inclusive": due.inclusive,
        "ends_at": due.ends_at,
    }


def _due(row: Row) -> Due | None:
    if row["ends_at"] is None:
        return None
    return Due(row["due_on"], row["due_inclusive"], row["ends_at"])


async def _arm(
    connection: Connection, matter: Matter, due: Due | None, now: datetime
) -> None:
    """Set the deadline and the steps of the matter's own policy, from now on."""
    is_working = await working_days.calendar(connection)
    steps = await store.steps_of(connection, matter["id"])
    timers = timers_of(due, steps, since=now, is_working=is_working)
    await store.arm(connection, [(matter["id"], timer) for timer in timers])


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


# What is said ------------------------------------------------------------------------

_NOT_CLOSED = ("open", "explained", "returned")


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


def _not_above(unit: str, above: Sequence[str]) -> Text:
    listed = ", ".join(above)
    return Text(
        f"Không phải cấp trên của «{unit}»; chọn một trong: {listed}.",
        f"That is not above {unit!r}; choose one of: {listed}.",
    )


_PAST = Text("Hạn mới đã qua.", "The new deadline has passed already.")
_OWN = Text(
    "Không ai tự duyệt giải trình của chính mình.",
    "Nobody judges an explanation of their own; another key must.",
)
_NOTHING = Text(
    "Vụ việc này không yêu cầu giải trình.",
    "This matter owes nothing; it closes with its figures.",
)
_NOT_YOURS = Text(
    "Chỉ khóa đã nộp mới rút lại được.",
    "Only the key that handed it in can take it back.",
)
_THERE = Text(
    "Vụ việc đã được chuyển tới cấp này.", "The matter is with that level already."
)
_MEANWHILE = Text(
    "Vụ việc đã thay đổi từ khi bạn đọc; hãy đọc lại rồi quyết định.",
    "The matter has changed since you read it; read it again, then decide.",
)
