"""When a matter opens, changes and closes. No clock, no database, no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """`open ─hand in→ explained ─accept→ closed | ─return→ returned`."""

    OPEN = "open"
    EXPLAINED = "explained"
    RETURNED = "returned"
    CLOSED = "closed"


class Change(StrEnum):
    """What happened to a matter, in the past tense, as its log has it."""

    OPENED = "opened"
    REOPENED = "reopened"
    UPDATED = "updated"
    FACTS_CHANGED = "facts_changed"
    CLOSED = "closed"
    ACKNOWLEDGED = "acknowledged"
    EXPLAINED = "explained"
    ACCEPTED = "accepted"
    RETURNED = "returned"
    OVERDUE = "overdue"
    ESCALATED = "escalated"
    TAKEN_BACK = "taken_back"
    RENEWED = "renewed"
    WITHDRAWN = "withdrawn"
    EXEMPTED = "exempted"
    SUPERSEDED = "superseded"
    INHERITED = "inherited"


OF_THE_DAY = frozenset({"at", "days_left", "obligation.wdays_late"})
"""Names whose values go with the day; they alone change no matter."""

ANNOUNCED: Mapping[Change, str] = {
    Change.OPENED: "escalation.opened",
    Change.REOPENED: "escalation.opened",
    Change.CLOSED: "escalation.closed",
    Change.ACKNOWLEDGED: "escalation.acknowledged",
    Change.EXPLAINED: "escalation.explained",
    Change.ACCEPTED: "escalation.closed",
    Change.RETURNED: "escalation.returned",
    Change.OVERDUE: "escalation.overdue",
    Change.ESCALATED: "escalation.escalated",
    # What stands again, or is owed anew, is open as it was at first.
    Change.TAKEN_BACK: "escalation.opened",
    Change.RENEWED: "escalation.opened",
    Change.WITHDRAWN: "escalation.closed",
    Change.EXEMPTED: "escalation.closed",
    Change.SUPERSEDED: "escalation.closed",
    # Another unit hears of it from now on, at the same level.
    Change.INHERITED: "escalation.escalated",
}
"""The changes that subscribers hear of; the others stand in the log."""


@dataclass(frozen=True, slots=True)
class Standing:
    """As much of a matter as deciding takes."""

    state: State
    closed_as: str | None
    severity: str
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says of the row now; `fires` None means it cannot be judged."""

    fires: bool | None
    severity: str | None
    facts: Mapping[str, object]
    closes_by_data: bool


def advance(current: Standing | None, now: Finding) -> Change | None:
    """What the finding changes; None when everything stays as it is.

    A missing figure neither opens nor closes anything. A duty that someone must
    accept outlives the figures that caused it: their change is only noted.
    """
    if now.fires is None:
        return None
    if current is None:
        return Change.OPENED if now.fires else None
    if current.state is State.CLOSED:
        # Nobody settled what closed by its data, or because its rule had ended.
        unsettled = current.closed_as in ("data", "superseded")
        return Change.REOPENED if now.fires and unsettled else None
    same = _lasting(now.facts) == _lasting(current.facts)
    if now.fires:
        alike = same and now.severity == current.severity
        return None if alike else Change.UPDATED
    if now.closes_by_data:
        return Change.CLOSED
    return None if same else Change.FACTS_CHANGED


def _lasting(facts: Mapping[str, object]) -> dict[str, object]:
    """Facts but for those that every new day changes."""
    return {n: v for n, v in facts.items() if n not in OF_THE_DAY}


def overdue(state: State, ends_at: datetime | None, now: datetime) -> bool:
    """Whether the deadline has passed with nothing handed in.

    `explained` stops the clock; acknowledging never does.
    """
    return (
        state in (State.OPEN, State.RETURNED) and ends_at is not None and now >= ends_at
    )


def may_hand_in(state: State) -> bool:
    """Whether an explanation, plan or report can be handed in now."""
    return state in (State.OPEN, State.RETURNED)
