"""Judging a period: verdicts for its rows, and what they open, change and close."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import structlog

from libs.common import clock
from libs.common.database import Connection
from libs.common.periods import Period
from services.alerts import matters, store, subjects
from services.alerts.domain.escalation import Change
from services.alerts.domain.rules import Outcome, Rule, TraceLeaf
from services.alerts.domain.vocabulary import Facts
from services.alerts.domain.watching import WORDS, Watch
from services.alerts.engine import Counters, Decision, Engine, Health, Mode
from services.alerts.matters import Inhibitor, Judged, Matter
from services.alerts.rulebook import RuleErrors
from services.alerts.rulebooks import shadowing
from services.alerts.rulebooks.texts import kept
from services.alerts.shown import Fired, Held, Inhibited, RuleRow
from services.alerts.subjects import Subject

log = structlog.get_logger()

OF_A_PERIOD = (Watch.MISSING_REPORT, Watch.SCORECARD)
"""What evaluating a period judges, in this order: a report that has not come may
inhibit rules of rates."""


class Judge:
    """What is judged with: an engine for each watch, whose rules never meet others."""

    def __init__(self, mode: Mode) -> None:
        self.engines: Mapping[Watch, Engine] = {
            watch: Engine(mode, names=names) for watch, names in WORDS.items()
        }
        self.taken: set[tuple[str, int]] = set()
        """Rules and their versions that it was told to judge by."""
        self.set_aside: list[str] = []
        """Those of them whose text no longer reads, as after an upgrade."""

    @property
    def rules(self) -> list[Rule]:
        """Every rule that is loaded."""
        return [rule for engine in self.engines.values() for rule in engine.rules]

    def health(self) -> Health:
        """The first engine that is not well, else that all are."""
        if self.set_aside:
            text = f"no longer read, and not judged by: {', '.join(self.set_aside)}"
            return Health("warn", text)
        found = [engine.health() for engine in self.engines.values()]
        return next((one for one in found if one.state != "ok"), found[0])

    def counters(self) -> Counters:
        """What all engines have counted together."""
        whole = Counters()
        for engine in self.engines.values():
            whole.add(engine.counters)
        return whole

    async def stop(self) -> None:
        """End every worker."""
        for engine in self.engines.values():
            await engine.stop()


@dataclass(slots=True)
class Evaluation:
    """What judging a period by its rules came to."""

    at: date
    fired: list[Fired] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    inhibited: list[Inhibited] = field(default_factory=list)
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

    def judged(self, one: Judged) -> None:
        """Name a row that fired, that is held, or that another matter keeps silent."""
        subject, verdict = one.subject, one.decision.verdict
        row = RuleRow(
            rule=one.decision.rule.id,
            unit=subject.unit,
            measure=subject.measure,
            category=subject.category,
        )
        if one.inhibited_by is not None:
            self.inhibited.append(Inhibited(**row, by=one.inhibited_by))
        elif verdict.outcome is Outcome.FIRED:
            assert verdict.severity is not None
            self.fired.append(Fired(**row, severity=verdict.severity))
        elif verdict.outcome is Outcome.HELD:
            self.held.append(Held(**row, missing=list(verdict.missing)))


async def ready_rules(connection: Connection, judge: Judge) -> None:
    """Load the active rules into the engines where they have others."""
    rows = await store.active_rules(connection)
    wanted = {(row["id"], row["version"]) for row in rows}
    if wanted == judge.taken:
        return
    rules: list[Rule] = []
    judge.set_aside = []
    for row in rows:
        try:
            rules.append(kept(row["source"]))
        except RuleErrors as errors:  # one that fails must not stop all others
            judge.set_aside.append(row["id"])
            log.error("rule_set_aside", rule=row["id"], why=str(errors.problems[0]))
    for watch, engine in judge.engines.items():
        # Figures come at any moment; cases and reports that are owed may never.
        take = engine.start if watch is Watch.SCORECARD else engine.take
        await take([rule for rule in rules if rule.watches is watch])
    judge.taken = wanted


async def evaluate(
    connection: Connection,
    judge: Judge,
    code: str,
    *,
    now: datetime,
    at: date | None = None,
    rules: Sequence[str] | None = None,
    units: Sequence[str] | None = None,
    actor: str = matters.OURSELVES,
    watches: Sequence[Watch] = OF_A_PERIOD,
) -> Evaluation:
    """Judge a period's rows by the active rules and move their matters accordingly.

    Everything happens in the caller's transaction: verdicts, matters, their logs,
    the messages and their deliveries stand together or not at all. `units`, `rules`
    and `watches` narrow what is judged.
    """
    await store.one_evaluation(connection, code)
    await ready_rules(connection, judge)
    period = Period.parse(code)
    found = Evaluation(at or clock.day_of(now))
    for watch in watches:
        engine = judge.engines[watch]
        active = [r for r in engine.rules if rules is None or r.id in rules]
        wanted = {rule.id for rule in active}
        shadows = await shadowing.pairs(connection, watch, rules)
        read = [*active, *(r for pair in shadows for r in pair if r is not None)]
        if not read:
            continue
        rows = await _subjects(connection, watch, period, found.at, units, now, read)
        decided = await _decided(engine, rows, wanted)
        inhibitors = await _inhibitors(connection, judge, wanted)
        await matters.move(
            connection,
            code,
            decided,
            inhibitors,
            found,
            now=now,
            actor=actor,
        )
        for one in decided:
            found.judged(one)
        verdicts = [_as_kept(one, code, found.at) for one in decided]
        await store.replace_decisions(connection, code, sorted(wanted), units, verdicts)
        await shadowing.judge(connection, shadows, code, rows, found.at, units)
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


async def _subjects(
    connection: Connection,
    watch: Watch,
    period: Period,
    at: date,
    units: Sequence[str] | None,
    now: datetime,
    rules: Sequence[Rule],
) -> list[Subject]:
    if watch is Watch.SCORECARD:
        return await subjects.scorecards(connection, period, at, units, rules)
    return await subjects.owed_reports(connection, period, at, units, now)


async def _decided(
    engine: Engine, rows: Sequence[Subject], wanted: set[str]
) -> list[Judged]:
    judged = await engine.decide([row.facts for row in rows])
    return [
        Judged(row, decision, _trace(engine, row.facts, decision))
        for row, decisions in zip(rows, judged, strict=True)
        for decision in decisions
        if decision.rule.id in wanted
    ]


async def _inhibitors(
    connection: Connection, judge: Judge, wanted: set[str]
) -> list[Inhibitor]:
    """Open matters whose rule keeps one of these from opening, and how."""
    found = {
        rule.id: rule.inhibits
        for rule in judge.rules
        if any(wanted & set(one.rules) for one in rule.inhibits)
    }
    if not found:
        return []
    return [
        Inhibitor(matter, one)
        for matter in await store.open_matters_of(connection, sorted(found))
        for one in found[matter["rule"]]
    ]


def _trace(engine: Engine, facts: Facts, decision: Decision) -> tuple[TraceLeaf, ...]:
    """Both sides of every comparison; a silent row is explained like the others."""
    if decision.verdict.trace:
        return decision.verdict.trace
    explained = engine.explain(decision.rule.id, facts)
    return explained.trace if explained else ()


def _as_kept(one: Judged, code: str, at: date) -> tuple[object, ...]:
    """One verdict as a row of `alerts.decision`; a report owed has no measure."""
    decision, verdict = one.decision, one.decision.verdict
    return (
        code,
        decision.rule.id,
        one.subject.unit,
        one.subject.measure or "",
        one.subject.category or "",
        decision.rule.version,
        verdict.outcome,
        list(verdict.missing),
        verdict.severity,
        at,
        decision.decided_by,
        decision.why,
        [leaf.as_json() for leaf in one.trace],
        one.inhibited_by,
    )
