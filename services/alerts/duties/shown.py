"""Exemptions, members and summaries as the API gives them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, NotRequired

from typing_extensions import TypedDict

from libs.common import clock
from libs.common.clock import written
from libs.common.database import Row
from services.alerts.domain.rules import Severity
from services.alerts.shown import Member


class Exemption(TypedDict):
    """A unit that owes nothing under a rule until the end of a day."""

    id: str
    unit: str
    rule: str
    until: date
    document: dict[str, Any]
    reason: str
    approved_by: str
    made_at: str | None
    holds: bool
    ended_at: NotRequired[str | None]
    end_reason: NotRequired[str]
    closed: NotRequired[list[str]]


class Answered(TypedDict):
    """What a unit owed for a period, and how it answered."""

    unit: str
    owed: int
    answered: int
    late: int
    returned: int
    accepted: int
    outstanding: int
    overdue: int


def exemption(row: Row | dict[str, Any], now: datetime) -> Exemption:
    """An exemption, and whether it holds now."""
    ended = row["ended_at"]
    shown = Exemption(
        id=row["id"],
        unit=row["unit"],
        rule=row["rule"],
        until=row["until"],
        document=row["document"],
        reason=row["reason"],
        approved_by=row["author"],
        made_at=written(row["made_at"]),
        holds=ended is None and clock.day_of(now) <= row["until"],
    )
    if ended is not None:
        shown["ended_at"] = written(ended)
        shown["end_reason"] = row["end_reason"]
    return shown


def answered(row: Row) -> Answered:
    """One unit's line of the summary."""
    return Answered(
        unit=row["unit"],
        owed=row["owed"],
        answered=row["answered"],
        late=row["late"],
        returned=row["returned"],
        accepted=row["accepted"],
        outstanding=row["outstanding"],
        overdue=row["overdue"],
    )


def member(row: Row) -> Member:
    """A case of a matter."""
    return Member(
        case=f"cas_{row['id']:013d}",
        case_no=row["case_no"],
        year=row["year"],
        severity=list(Severity)[row["severity"]],
    )
