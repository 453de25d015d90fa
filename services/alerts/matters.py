"""Matters as verdicts move them: opened, changed, closed, with log, timers and news."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

from libs.common import clock, working_days
from libs.common.database import Connection, Row
from libs.common.ids import new_id
from libs.common.periods import Period
from libs.common.working_days import IsWorking
from services.alerts import messages, outbox, store
from services.alerts.domain import facts as facts_
from services.alerts.domain.deadlines import Due, due_of
from services.alerts.domain.escalation import (
    ANNOUNCED,
    Change,
    Finding,
    Standing,
    State,
    advance,
)
from services.alerts.domain.rules import Closes, Inhibition, Outcome, Owes, TraceLeaf
from services.alerts.domain.timers import Timer, timers_of
from services.alerts.domain.vocabulary import printed
from services.alerts.domain.watching import WORDS
from services.alerts.domain.wording import mentioned, worded
from services.alerts.duties import store as duties
from services.alerts.engine import Decision
from services.alerts.store import Entry
from services.alerts.subjects import Subject

OURSELVES = "dondoc"
Matter = dict[str, Any]


@dataclass(slots=True)
class Judged:
    """One row under one rule: the verdict, and both sides of every comparison."""

    subject: Subject
    decision: Decision
    trace: tuple[TraceLeaf, ...]
    inhibited_by: str | None = None
    """The matter, or the exemption, that keeps this one from opening."""


@dataclass(frozen=True, slots=True)
class Inhibitor:
    """An open matter, and what its rule keeps from opening."""

    matter: Row
    inhibition: Inhibition

    def keeps(self, one: Judged, code: str) -> bool:
        """Whether it is the same in every respect; what is missing never is."""
        subject, rule = one.subject, one.decision.rule.id
        respects = {
            "unit": subject.unit,
            "period": code,
            "measure": subject.measure,
            "category": subject.category,
        }
        return rule in self.inhibition.rules and all(
            respects[name] is not None and respects[name] == self.matter[name]
            for name in self.inhibition.same
        )


class Found(Protocol):
    """Who wants to know what became of each matter."""

    def moved(self, matter: Matter, change: Change) -> None: ...


@dataclass(slots=True)
class Moves:
    """What moving matters writes, all at once at its end."""

    now: datetime
    is_working: IsWorking
    opened: list[Matter] = field(default_factory=list)
    saved: list[Matter] = field(default_factory=list)
    armed: list[tuple[str, Timer]] = field(default_factory=list)
    told: list[tuple[Matter, Change]] = field(default_factory=list)

    def move(
        self,
        current: Row | None,
        change: Change,
        one: Judged | None,
        finding: Finding,
        code: str | None,
    ) -> Matter:
        """The matter as it will be: a new one, or the current one changed.

        Without a verdict of its own (no case is left) it can only close, or note that.
        """
        if current is None:
            assert one is not None
            matter = _opened(one, finding, code, self.is_working, self.now)
            self.opened.append(matter)
            self.armed += _timers(one, matter, self.is_working, self.now)
        else:
            matter = _changed(current, change, one, finding)
            self.saved.append(matter)
        self.told.append((matter, change))
        return matter

    async def write(self, connection: Connection, actor: str) -> None:
        """Matters, timers, log and news, in the caller's transaction."""
        now = self.now
        await store.open_matters(connection, self.opened)
        await store.arm(connection, self.armed)
        await store.save_matters(connection, self.saved)
        entries = [
            Entry(str(m["id"]), change, now, actor, {"facts": m["facts"]})
            for m, change in self.told
        ]
        await store.log_entries(connection, entries)
        news = [
            messages.of_matter(matter, change, now)
            for matter, change in self.told
            if change in ANNOUNCED
        ]
        await outbox.announce(connection, news)


async def move(
    connection: Connection,
    code: str,
    decided: Sequence[Judged],
    inhibitors: Sequence[Inhibitor],
    found: Found,
    *,
    now: datetime,
    actor: str,
) -> None:
    """Open, change and close the matters of a period as its verdicts say.

    A verdict that another matter inhibits opens nothing, and says by which.
    """
    ids = sorted({one.decision.rule.id for one in decided})
    is_working = await working_days.calendar(connection)
    standing = await store.matters_of(connection, code, ids)
    exempted = await duties.exempted(connection, ids, clock.day_of(now))
    moves = Moves(now, is_working)
    for one in decided:
        subject = one.subject
        rule = one.decision.rule.id
        current = standing.get((rule, subject.unit, subject.measure, subject.category))
        finding = finding_of(one)
        change = advance(standing_of(current), finding)
        if change in (Change.OPENED, Change.REOPENED):
            keeps = (i.matter["id"] for i in inhibitors if i.keeps(one, code))
            one.inhibited_by = exempted.get((rule, subject.unit)) or next(keeps, None)
        if change is not None and one.inhibited_by is None:
            found.moved(moves.move(current, change, one, finding, code), change)
    await moves.write(connection, actor)


def finding_of(one: Judged) -> Finding:
    """What a verdict says of its row."""
    verdict, rule = one.decision.verdict, one.decision.rule
    fires = {Outcome.FIRED: True, Outcome.SILENT: False}.get(verdict.outcome)
    facts = {**one.subject.figures, **facts_.shown(one.trace)}
    by_data = rule.closes is Closes.DATA or rule.owes is Owes.NOTHING
    return Finding(fires, verdict.severity, facts, by_data)


def standing_of(row: Row | None) -> Standing | None:
    """As much of a stored matter as deciding takes."""
    if row is None:
        return None
    return Standing(
        State(row["state"]), row["closed_as"], row["severity"], row["facts"]
    )


def _opened(
    one: Judged,
    finding: Finding,
    code: str | None,
    is_working: IsWorking,
    now: datetime,
) -> Matter:
    subject, rule = one.subject, one.decision.rule
    due = due_of(
        rule.due,
        period_end=_day(one) if code is None else Period.parse(code).end,
        opened_on=_day(one),
        is_working=is_working,
    )
    matter: Matter = {
        "id": new_id("esc"),
        "unit": subject.unit,
        "period": code,
        "measure": subject.measure,
        "category": subject.category,
        "state": State.OPEN,
        "closed_as": None,
        "opened_at": now,
        "acknowledged_at": None,
        "level": 0,
        "addressed_to": subject.unit,
        "due_on": due and due.on,
        "due_inclusive": due and due.inclusive,
        "ends_at": due and due.ends_at,
        "sequence": 1,
        "members": None,
    }
    return matter | _by_rule(one, finding, matter)


def _day(one: Judged) -> date:
    """The evaluation day, from which working days are counted."""
    at = one.subject.facts["at"]
    assert isinstance(at, int)
    return date.fromordinal(at)


def _timers(
    one: Judged, matter: Matter, is_working: IsWorking, now: datetime
) -> list[tuple[str, Timer]]:
    """The rule's policy as it is today, frozen with the matter."""
    due = None
    if matter["ends_at"] is not None:
        due = Due(matter["due_on"], matter["due_inclusive"], matter["ends_at"])
    steps = one.decision.rule.escalate
    timers = timers_of(due, steps, since=now, is_working=is_working)
    return [(matter["id"], timer) for timer in timers]


def _by_rule(one: Judged, finding: Finding, matter: Matter) -> Matter:
    """What the rule, its version and the figures say of a matter now."""
    decision = one.decision
    verdict, rule = decision.verdict, decision.rule
    members = None if one.subject.members is None else list(one.subject.members)
    return {
        "members": members,
        "rule": rule.id,
        "rule_version": rule.version,
        "severity": verdict.severity,
        "owes": rule.owes,
        "closes": rule.closes,
        "facts": finding.facts,
        "trace": [leaf.as_json() for leaf in one.trace],
        "basis": [
            {"document": s.document, "date": s.date.isoformat(), "at": s.at}
            for s in rule.basis
        ],
        "title": {"vi": rule.title.vi, "en": rule.title.en},
        "message": _message(one, matter),
        "visibility": rule.visibility,
        "decided_by": decision.decided_by,
        "why": decision.why,
        "illustrative": _illustrative(one),
    }


def _message(one: Judged, matter: Matter) -> dict[str, str] | None:
    """The rule's message with what is known of the row."""
    rule, subject = one.decision.rule, one.subject
    if rule.message is None:
        return None
    names = WORDS[rule.watches]
    values = {
        name: printed(subject.facts.get(name), names[name].kind)
        for name in mentioned(rule.message) & names.keys()
    }
    beside = {
        "unit.name": _name(subject),
        "period": matter["period"],
        "due": matter["due_on"] and f"{matter['due_on']:%d/%m/%Y}",
        "members": _count(subject.figures.get("members")),
    }
    return worded(rule.message, values | beside)


def _name(subject: Subject) -> str:
    """What a message calls the unit: persons by their code, for messages go out."""
    person = subject.facts.get("unit.kind") == "officer"
    return subject.unit if person else subject.unit_name


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _illustrative(one: Judged) -> bool:
    """Whether any row that the rule read is made up."""
    names = {name for leaf in one.trace for name in (leaf.name, leaf.right or "")}
    read_last_year = any(name.startswith(("last_year.", "change.")) for name in names)
    read_previous = any(name.startswith(("previous.", "month.")) for name in names)
    subject = one.subject
    return (
        subject.illustrative
        or (read_last_year and subject.last_illustrative)
        or (read_previous and subject.previous_illustrative)
    )


def _changed(
    current: Row, change: Change, one: Judged | None, finding: Finding
) -> Matter:
    matter: Matter = dict(current)
    if change in (Change.UPDATED, Change.REOPENED):
        assert one is not None
        matter |= _by_rule(one, finding, matter)
    if change is Change.FACTS_CHANGED:
        matter["facts"] = finding.facts
    if change is Change.REOPENED:
        matter |= {"state": State.OPEN, "closed_as": None}
    if change is Change.CLOSED:
        matter |= {"state": State.CLOSED, "closed_as": "data", "facts": finding.facts}
    if change in ANNOUNCED:
        matter["sequence"] += 1
    return matter
