"""Escalations and decisions as the API and subscribers get them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, NotRequired

from typing_extensions import TypedDict

from libs.common.clock import written
from libs.common.database import Row
from services.alerts.domain.escalation import State, overdue
from services.alerts.domain.rules import Visibility


class RuleVersion(TypedDict):
    """Which version of which rule."""

    id: str
    version: int


class Due(TypedDict):
    """A deadline: the day as a letter names it, and the moment it is past."""

    on: str
    inclusive: bool
    ends_at: str | None


class Member(TypedDict):
    """A case that a matter is about."""

    case: str
    case_no: str
    year: int
    severity: str


class Escalation(TypedDict):
    """One standing matter between a unit and the level above it."""

    id: str
    rule: RuleVersion
    title: dict[str, str]
    message: NotRequired[dict[str, str]]
    visibility: NotRequired[str]
    members: NotRequired[list[Member]]
    unit: str
    period: str | None
    measure: str | None
    category: str | None
    state: str
    closed_as: NotRequired[str]
    severity: str
    opened_at: str | None
    acknowledged_at: NotRequired[str | None]
    overdue: bool
    level: int
    addressed_to: str
    owes: str
    due: Due | None
    facts: dict[str, Any]
    trace: list[dict[str, Any]]
    basis: list[dict[str, Any]]
    decided_by: str
    why: NotRequired[str]
    illustrative: bool
    sequence: int


class HandedIn(Escalation):
    """The matter after something was handed in, and its number."""

    n: int


class Explanation(TypedDict):
    """What was handed in."""

    n: int
    causes: list[str]
    text: str
    remedies: list[dict[str, Any]]
    attachments: list[str]
    handed_in_at: str | None


class Entry(TypedDict):
    """One line of a matter's log."""

    n: int
    change: str
    at: str | None
    actor: str
    detail: dict[str, Any]


class EscalationWhole(Escalation):
    """A matter with what was handed in and its history."""

    explanations: list[Explanation]
    history: list[Entry]


class RuleRow(TypedDict):
    """A row under a rule; a report that is owed has neither measure nor category."""

    rule: str
    unit: str
    measure: str | None
    category: str | None


class Fired(RuleRow):
    """A row that a rule fired on."""

    severity: str


class Held(RuleRow):
    """A row that a rule could not judge, and what is missing."""

    missing: list[str]


class Inhibited(RuleRow):
    """A row on which a rule would open a matter, were it not for another."""

    by: str


class EvaluationShown(TypedDict):
    """What judging a period came to."""

    evaluation: str
    at: date
    fired: list[Fired]
    held: list[Held]
    inhibited: list[Inhibited]
    opened: int
    updated: int
    closed: int


class Decision(TypedDict):
    """The last verdict of a rule on a row, with both sides of each comparison."""

    rule: RuleVersion
    unit: str
    period: str
    measure: str | None
    category: str | None
    verdict: str
    missing: list[str]
    severity: str | None
    at: date
    decided_by: str
    why: str | None
    trace: list[dict[str, Any]]
    inhibited_by: NotRequired[str]


class Word(TypedDict):
    """A name that a rule may use, and what the rule must watch to use it."""

    name: str
    kind: str
    vi: str
    en: str
    watches: list[str]


def escalation(matter: Mapping[str, Any] | Row, now: datetime) -> Escalation:
    """A matter; `overdue` is computed at the moment of reading."""
    state = State(matter["state"])
    shown = Escalation(
        id=matter["id"],
        rule=RuleVersion(id=matter["rule"], version=matter["rule_version"]),
        title=matter["title"],
        unit=matter["unit"],
        period=matter["period"],
        measure=matter["measure"],
        category=matter["category"],
        state=state,
        severity=matter["severity"],
        opened_at=written(matter["opened_at"]),
        overdue=overdue(state, matter["ends_at"], now),
        level=matter["level"],
        addressed_to=matter["addressed_to"],
        owes=matter["owes"],
        due=_due(matter),
        facts=matter["facts"],
        trace=matter["trace"],
        basis=matter["basis"],
        decided_by=matter["decided_by"],
        illustrative=matter["illustrative"],
        sequence=matter["sequence"],
    )
    if matter["message"] is not None:
        shown["message"] = matter["message"]
    if matter["members"] is not None:
        shown["members"] = matter["members"]
    if matter["visibility"] != Visibility.UNIT:
        shown["visibility"] = matter["visibility"]
    if matter["why"] is not None:
        shown["why"] = matter["why"]
    if matter["closed_as"] is not None:
        shown["closed_as"] = matter["closed_as"]
    if matter["acknowledged_at"] is not None:
        shown["acknowledged_at"] = written(matter["acknowledged_at"])
    return shown


def foretold(matter: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A matter that would open; a new one has no id yet, one that re-opens has."""
    whole: dict[str, Any] = dict(escalation(matter, now))
    if whole["sequence"] == 1:
        del whole["id"]
    return whole


def _due(matter: Mapping[str, Any] | Row) -> Due | None:
    if matter["ends_at"] is None:
        return None
    return Due(
        on=matter["due_on"].isoformat(),
        inclusive=matter["due_inclusive"],
        ends_at=written(matter["ends_at"]),
    )


def explanation(row: Row) -> Explanation:
    """One explanation, plan or report."""
    return Explanation(
        n=row["n"],
        causes=row["causes"],
        text=row["text"],
        remedies=row["remedies"],
        attachments=row["attachments"],
        handed_in_at=written(row["handed_in_at"]),
    )


def entry(row: Row) -> Entry:
    """One line of a log."""
    return Entry(
        n=row["n"],
        change=row["change"],
        at=written(row["at"]),
        actor=row["actor"],
        detail=row["detail"],
    )


def decision(row: Row) -> Decision:
    """A verdict as it was kept."""
    shown = Decision(
        rule=RuleVersion(id=row["rule"], version=row["rule_version"]),
        unit=row["unit"],
        period=row["period"],
        measure=row["measure"] or None,
        category=row["category"] or None,
        verdict=row["verdict"],
        missing=row["missing"],
        severity=row["severity"],
        at=row["at"],
        decided_by=row["decided_by"],
        why=row["why"],
        trace=row["trace"],
    )
    if row["inhibited_by"] is not None:
        shown["inhibited_by"] = row["inhibited_by"]
    return shown
