"""What alerts does: judges a period, keeps its matters, takes what is handed in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from libs.common import clock
from libs.common.clock import written
from libs.common.database import Connection, Database, Row
from libs.common.ids import new_id
from libs.common.keys import Principal
from libs.common.periods import Period
from libs.common.problems import Conflict, NotFound, Text
from services.alerts import outbox, rulebook, store
from services.alerts.domain import facts as facts_
from services.alerts.domain.deadlines import due_of
from services.alerts.domain.escalation import (
    ANNOUNCED,
    Change,
    Finding,
    Standing,
    State,
    advance,
    may_hand_in,
    overdue,
)
from services.alerts.domain.rules import Closes, Outcome, Owes, Rule, TraceLeaf
from services.alerts.engine import Decision, Engine
from services.alerts.outbox import Message
from services.alerts.store import Entry

OURSELVES = "dondoc"
IsWorking = Callable[[date], bool]
Matter = dict[str, object]


class Judge(Protocol):
    """What evaluating asks of the engine."""

    @property
    def engine(self) -> Engine: ...

    @property
    def is_working(self) -> IsWorking: ...


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
    fired: list[dict[str, object]] = field(default_factory=list)
    held: list[dict[str, object]] = field(default_factory=list)
    opened: int = 0
    updated: int = 0
    closed: int = 0


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
    judged = await judge.engine.decide(
        [facts_.facts_of(row, period, at) for row in rows]
    )
    decided = [
        Judged(row, decision, _trace(judge.engine, row, decision, period, at))
        for row, decisions in zip(rows, judged, strict=True)
        for decision in decisions
        if decision.rule.id in wanted
    ]
    found = Evaluation(at)
    await store.replace_decisions(
        connection,
        code,
        sorted(wanted),
        units,
        [_decision(one, code, found) for one in decided],
    )
    await _move_matters(
        connection, judge, code, decided, found, now=now, at=at, actor=actor
    )
    return found


def _trace(
    engine: Engine, row: Row, decision: Decision, period: Period, at: date
) -> tuple[TraceLeaf, ...]:
    """Both sides of every comparison; a silent row is explained like the others."""
    if decision.verdict.trace:
        return decision.verdict.trace
    facts = facts_.facts_of(row, period, at)
    explained = engine.explain(decision.rule.id, facts)
    return explained.trace if explained else ()


def _decision(one: Judged, code: str, found: Evaluation) -> tuple[object, ...]:
    """One verdict as it is kept, noted in what the evaluation answers."""
    row, decision = one.row, one.decision
    verdict, rule = decision.verdict, decision.rule
    about = {
        "rule": rule.id,
        "unit": row["unit"],
        "measure": row["measure"],
        "category": row["category"],
    }
    if verdict.outcome is Outcome.FIRED:
        found.fired.append({**about, "severity": verdict.severity})
    elif verdict.outcome is Outcome.HELD:
        found.held.append({**about, "missing": list(verdict.missing)})
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
        found.at,
        decision.decided_by,
        decision.why,
        [leaf.as_json() for leaf in one.trace],
    )


async def _move_matters(
    connection: Connection,
    judge: Judge,
    code: str,
    decided: Sequence[Judged],
    found: Evaluation,
    *,
    now: datetime,
    at: date,
    actor: str,
) -> None:
    ids = sorted({one.decision.rule.id for one in decided})
    standing = await store.matters_of(connection, code, ids)
    opened: list[Matter] = []
    saved: list[Matter] = []
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
            matter = _opened(one, finding, code, judge.is_working, now, at)
            opened.append(matter)
        else:
            matter = _changed(current, change, one, finding)
            saved.append(matter)
        told.append((matter, change))
        found.opened += change in (Change.OPENED, Change.REOPENED)
        found.closed += change is Change.CLOSED
        found.updated += change in (Change.UPDATED, Change.FACTS_CHANGED)
    messages = [_message(m, change, now) for m, change in told if change in ANNOUNCED]
    await store.open_matters(connection, opened)
    await store.save_matters(connection, saved)
    await store.log_entries(
        connection,
        [
            Entry(str(m["id"]), change, now, actor, {"facts": m["facts"]})
            for m, change in told
        ],
    )
    await outbox.announce(connection, messages)


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
    read_last_year = any(name.startswith("last_year.") for name in names)
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
        matter["sequence"] = int(str(matter["sequence"])) + 1
    return matter


# What subscribers hear ---------------------------------------------------------------


def _message(matter: Mapping[str, object], change: Change, now: datetime) -> Message:
    return message_of(
        ANNOUNCED[change],
        str(matter["unit"]),
        escalation(matter, now),
        now,
        severity=str(matter["severity"]),
        escalation=str(matter["id"]),
        sequence=int(str(matter["sequence"])),
    )


def message_of(
    type: str,
    unit: str | None,
    data: Mapping[str, object],
    now: datetime,
    *,
    severity: str | None = None,
    escalation: str | None = None,
    sequence: int | None = None,
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
    body = json.dumps(event, ensure_ascii=False, default=str).encode()
    return Message(id, type, unit, body, severity, escalation, sequence)


def escalation(matter: Mapping[str, object] | Row, now: datetime) -> dict[str, object]:
    """An escalation as the API gives it and as subscribers get it."""
    ends_at = matter["ends_at"]
    assert ends_at is None or isinstance(ends_at, datetime)
    state = State(str(matter["state"]))
    shown: dict[str, object] = {
        "id": matter["id"],
        "rule": {"id": matter["rule"], "version": matter["rule_version"]},
        "title": matter["title"],
        "unit": matter["unit"],
        "period": matter["period"],
        "measure": matter["measure"],
        "category": matter["category"],
        "state": state,
        "severity": matter["severity"],
        "opened_at": _moment(matter["opened_at"]),
        "overdue": overdue(state, ends_at, now),
        "level": matter["level"],
        "addressed_to": matter["addressed_to"],
        "owes": matter["owes"],
        "due": _due(matter, ends_at),
        "facts": matter["facts"],
        "trace": matter["trace"],
        "basis": matter["basis"],
        "decided_by": matter["decided_by"],
        "illustrative": matter["illustrative"],
        "sequence": matter["sequence"],
    }
    if matter["why"] is not None:
        shown["why"] = matter["why"]
    if matter["closed_as"] is not None:
        shown["closed_as"] = matter["closed_as"]
    if matter["acknowledged_at"] is not None:
        shown["acknowledged_at"] = _moment(matter["acknowledged_at"])
    return shown


def _due(
    matter: Mapping[str, object] | Row, ends_at: datetime | None
) -> dict[str, object] | None:
    if ends_at is None:
        return None
    return {
        "on": str(matter["due_on"]),
        "inclusive": matter["due_inclusive"],
        "ends_at": written(ends_at),
    }


def _moment(value: object) -> str | None:
    assert value is None or isinstance(value, datetime)
    return written(value)


async def tell_of_reports(
    connection: Connection, batch: str, period: str, now: datetime
) -> None:
    """Say of each revision that a batch brought: accepted, or corrected."""
    rows = await store.reports_of_batch(connection, batch, period)
    await outbox.announce(
        connection,
        [
            message_of(
                "report.accepted" if row["revision"] == 1 else "report.corrected",
                row["unit"],
                {
                    **{n: row[n] for n in ("unit", "period", "revision", "batch")},
                    **{n: row[n] for n in ("form", "reason", "illustrative")},
                    "received_at": written(row["received_at"]),
                },
                now,
            )
            for row in rows
        ],
    )


# What people do ----------------------------------------------------------------------


async def acknowledge(
    database: Database, principal: Principal, id: str, note: str | None
) -> dict[str, object]:
    """Note that the unit knows of the matter; the clock runs on."""
    async with database.transaction() as connection:
        now = await clock.business_now(connection)
        row = await _seen_matter(connection, principal, id)
        if row["state"] == State.CLOSED:
            raise _impossible(row["state"], "acknowledge", [])
        if row["acknowledged_at"] is not None:
            return escalation(row, now)
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
) -> dict[str, object]:
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
        shown = await _moved(
            connection, principal, matter, Change.EXPLAINED, detail, now
        )
        return {**shown, "n": n}


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
) -> dict[str, object]:
    """Save a matter, log who moved it, and tell subscribers; answers the resource."""
    matter["sequence"] = int(str(matter["sequence"])) + 1
    await store.save_matters(connection, [matter])
    entry = Entry(str(matter["id"]), change, now, principal.key, detail)
    await store.log_entries(connection, [entry])
    await outbox.announce(connection, [_message(matter, change, now)])
    return escalation(matter, now)


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


async def publish_shipped(
    connection: Connection, shipped: Sequence[tuple[Rule, str]], now: datetime
) -> None:
    """Make the rules that ship with this version active."""
    for rule, source in shipped:
        kept = await store.activate_shipped(
            connection, rule.id, rule.version, source, now
        )
        if kept != source:
            raise SystemExit(
                f"rule {rule.id}: version {rule.version} is in the database with"
                " another text; versions are immutable, so give the file a new one."
            )
