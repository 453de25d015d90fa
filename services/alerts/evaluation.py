"""Judging a period: verdicts for its rows, and what they open, change and close."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from libs.common import clock, working_days
from libs.common.database import Connection, Row
from libs.common.ids import new_id
from libs.common.periods import Period
from libs.common.working_days import IsWorking
from services.alerts import messages, outbox, rulebook, store
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
from services.alerts.domain.rules import Closes, Outcome, Owes, TraceLeaf
from services.alerts.domain.timers import Timer, timers_of
from services.alerts.domain.vocabulary import Facts
from services.alerts.engine import Decision, Engine
from services.alerts.shown import Fired, Held
from services.alerts.store import Entry

OURSELVES = "dondoc"
Matter = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Judge:
    """What a period is judged with: the engine that holds the rules."""

    engine: Engine


@dataclass(frozen=True, slots=True)
class Judged:
    """One row under one rule: the verdict, and both sides of every comparison."""

    row: Row
    decision: Decision
    trace: tuple[TraceLeaf, ...]


@dataclass(slots=True)
class Evaluation:
    """What judging a period by its rules came to."""

    at: date
    fired: list[Fired] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    opened: list[Matter] = field(default_factory=list)
    updated: list[Matter] = field(default_factory=list)
    closed: list[Matter] = field(default_factory=list)

    def moved(self, matter: Matter, change: Change) -> None:
        """Note what became of a matter."""
        kept = {
            Change.OPENED: self.opened,
            Change.REOPENED: self.opened,
            Change.CLOSED: self.closed,
        }
        kept.get(change, self.updated).append(matter)


async def ready_rules(connection: Connection, engine: Engine) -> None:
    """Load the active rules into the engine where it has others."""
    rows = await store.active_rules(connection)
    wanted = [(row["id"], row["version"]) for row in rows]
    if wanted != [(rule.id, rule.version) for rule in engine.rules]:
        await engine.start([rulebook.load_text(row["source"]) for row in rows])


async def evaluate(
    connection: Connection,
    judge: Judge,
    code: str,
    *,
    now: datetime,
    at: date | None = None,
    rules: Sequence[str] | None = None,
    units: Sequence[str] | None = None,
    actor: str = OURSELVES,
) -> Evaluation:
    """Judge a period's rows by the active rules and move their matters accordingly.

    Everything happens in the caller's transaction: verdicts, matters, their logs,
    the messages and their deliveries stand together or not at all. `units` and
    `rules` narrow what is judged.
    """
    await store.one_evaluation(connection, code)
    await ready_rules(connection, judge.engine)
    period = Period.parse(code)
    at = at or clock.day_of(now)
    wanted = {r.id for r in judge.engine.rules if rules is None or r.id in rules}
    rows = await store.scorecard_rows(connection, code, period.end, units)
    facts = [facts_.facts_of(row, period, at) for row in rows]
    judged = await judge.engine.decide(facts)
    decided = [
        Judged(row, decision, _trace(judge.engine, known, decision))
        for row, known, decisions in zip(rows, facts, judged, strict=True)
        for decision in decisions
        if decision.rule.id in wanted
    ]
    found = Evaluation(at)
    for one in decided:
        _note(one, found)
    await store.replace_decisions(
        connection,
        code,
        sorted(wanted),
        units,
        [_as_kept(one, code, at) for one in decided],
    )
    await _move_matters(connection, code, decided, found, now=now, at=at, actor=actor)
    return found


async def foretell(
    connection: Connection, judge: Judge, code: str, **how: Any
) -> Evaluation:
    """The same, with nothing left behind: what evaluating now would come to."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        return await evaluate(connection, judge, code, **how)
    finally:
        await transaction.rollback()


def _trace(engine: Engine, facts: Facts, decision: Decision) -> tuple[TraceLeaf, ...]:
    """Both sides of every comparison; a silent row is explained like the others."""
    if decision.verdict.trace:
        return decision.verdict.trace
    explained = engine.explain(decision.rule.id, facts)
    return explained.trace if explained else ()


def _as_kept(one: Judged, code: str, at: date) -> tuple[object, ...]:
    """One verdict as a row of `alerts.decision`."""
    row, decision = one.row, one.decision
    verdict, rule = decision.verdict, decision.rule
    return (
        code,
        rule.id,
        row["unit"],
        row["measure"],
        row["category"],
        rule.version,
        verdict.outcome,
        list(verdict.missing),
        verdict.severity,
        at,
        decision.decided_by,
        decision.why,
        [leaf.as_json() for leaf in one.trace],
    )


def _note(one: Judged, found: Evaluation) -> None:
    """Name a fired or held row in what the evaluation answers."""
    row, rule, verdict = one.row, one.decision.rule.id, one.decision.verdict
    unit, measure, category = row["unit"], row["measure"], row["category"]
    if verdict.outcome is Outcome.FIRED:
        assert verdict.severity is not None
        found.fired.append(
            Fired(
                rule=rule,
                unit=unit,
                measure=measure,
                category=category,
                severity=verdict.severity,
            )
        )
    elif verdict.outcome is Outcome.HELD:
        found.held.append(
            Held(
                rule=rule,
                unit=unit,
                measure=measure,
                category=category,
                missing=list(verdict.missing),
            )
        )


async def _move_matters(
    connection: Connection,
    code: str,
    decided: Sequence[Judged],
    found: Evaluation,
    *,
    now: datetime,
    at: date,
    actor: str,
) -> None:
    ids = sorted({one.decision.rule.id for one in decided})
    is_working = await working_days.calendar(connection)
    standing = await store.matters_of(connection, code, ids)
    opened: list[Matter] = []
    saved: list[Matter] = []
    armed: list[tuple[str, Timer]] = []
    told: list[tuple[Matter, Change]] = []
    for one in decided:
        row = one.row
        key = (one.decision.rule.id, row["unit"], row["measure"], row["category"])
        current = standing.get(key)
        finding = _finding(one)
        change = advance(_standing(current), finding)
        if change is None:
            continue
        if current is None:
            matter = _opened(one, finding, code, is_working, now, at)
            opened.append(matter)
            armed += _timers(one, matter, is_working, now)
        else:
            matter = _changed(current, change, one, finding)
            saved.append(matter)
        told.append((matter, change))
        found.moved(matter, change)
    news = [
        messages.of_matter(m, change, now) for m, change in told if change in ANNOUNCED
    ]
    await store.open_matters(connection, opened)
    await store.arm(connection, armed)
    await store.save_matters(connection, saved)
    await store.log_entries(
        connection,
        [
            Entry(str(m["id"]), change, now, actor, {"facts": m["facts"]})
            for m, change in told
        ],
    )
    await outbox.announce(connection, news)


def _finding(one: Judged) -> Finding:
    verdict, rule = one.decision.verdict, one.decision.rule
    fires = {Outcome.FIRED: True, Outcome.SILENT: False}.get(verdict.outcome)
    rate = one.row["rate"]
    facts: dict[str, object] = {
        "rate": None if rate is None else str(rate),
        "done": one.row["done"],
        "enforceable": one.row["enforceable"],
        **facts_.shown(one.trace),
    }
    by_data = rule.closes is Closes.DATA or rule.owes is Owes.NOTHING
    return Finding(fires, verdict.severity, facts, by_data)


def _standing(row: Row | None) -> Standing | None:
    if row is None:
        return None
    return Standing(
        State(row["state"]), row["closed_as"], row["severity"], row["facts"]
    )


def _opened(
    one: Judged,
    finding: Finding,
    code: str,
    is_working: IsWorking,
    now: datetime,
    at: date,
) -> Matter:
    row, rule = one.row, one.decision.rule
    due = due_of(
        rule.due,
        period_end=Period.parse(code).end,
        opened_on=at,
        is_working=is_working,
    )
    return {
        "id": new_id("esc"),
        "unit": row["unit"],
        "period": code,
        "measure": row["measure"],
        "category": row["category"],
        "state": State.OPEN,
        "closed_as": None,
        "opened_at": now,
        "acknowledged_at": None,
        "level": 0,
        "addressed_to": row["unit"],
        "due_on": due and due.on,
        "due_inclusive": due and due.inclusive,
        "ends_at": due and due.ends_at,
        "sequence": 1,
        **_by_rule(one, finding),
    }


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


def _by_rule(one: Judged, finding: Finding) -> Matter:
    """What the rule, its version and the figures say of a matter now."""
    decision = one.decision
    verdict, rule = decision.verdict, decision.rule
    return {
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
        "decided_by": decision.decided_by,
        "why": decision.why,
        "illustrative": _illustrative(one),
    }


def _illustrative(one: Judged) -> bool:
    """Whether any row that the rule read is made up."""
    names = {name for leaf in one.trace for name in (leaf.name, leaf.right or "")}
    read_last_year = any(name.startswith(("last_year.", "change.")) for name in names)
    made_up: bool = one.row["illustrative"]
    return made_up or (read_last_year and one.row["last_illustrative"])


def _changed(current: Row, change: Change, one: Judged, finding: Finding) -> Matter:
    matter: Matter = dict(current)
    if change in (Change.UPDATED, Change.REOPENED):
        matter |= _by_rule(one, finding)
    if change is Change.FACTS_CHANGED:
        matter["facts"] = finding.facts
    if change is Change.REOPENED:
        matter |= {"state": State.OPEN, "closed_as": None}
    if change is Change.CLOSED:
        matter |= {"state": State.CLOSED, "closed_as": "data", "facts": finding.facts}
    if change in ANNOUNCED:
        matter["sequence"] += 1
    return matter
