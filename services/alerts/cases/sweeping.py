"""Sweeps: which cases each rule fires on, and what becomes of the matters of units.

SQL finds the members. The worst of each unit is then judged like any other row, by
durable and native, and speaks for the matter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import date, datetime

import structlog

from libs.common import clock, working_days
from libs.common.database import Connection, Row
from services.alerts.cases import store
from services.alerts.domain import facts as facts_
from services.alerts.domain.case_facts import facts_of
from services.alerts.domain.escalation import Change, Finding, advance
from services.alerts.domain.rules import Closes, Outcome, Owes, Rule
from services.alerts.domain.vocabulary import Facts
from services.alerts.domain.watching import Watch
from services.alerts.duties import store as duties
from services.alerts.engine import Decision
from services.alerts.evaluation import Judge, ready_rules
from services.alerts.matters import OURSELVES, Judged, Matter, Moves, standing_of
from services.alerts.rulebooks import shadowing
from services.alerts.subjects import Subject

log = structlog.get_logger()

MOST_NAMED = 20
"""Cases that a matter names; the others are counted, and listed on request."""


@dataclass(slots=True)
class Swept:
    """What a sweep came to; `held` counts cases that a rule could not judge."""

    opened: list[Matter] = field(default_factory=list)
    updated: list[Matter] = field(default_factory=list)
    closed: list[Matter] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)

    def moved(self, matter: Matter, change: Change) -> None:
        """Note what became of a matter."""
        kept = {Change.OPENED: self.opened, Change.CLOSED: self.closed}
        kept.get(change, self.updated).append(matter)


async def sweep(
    connection: Connection,
    judge: Judge,
    *,
    now: datetime,
    units: Sequence[str] | None = None,
) -> Swept:
    """Judge every case, or those of some units, and move the matters of their units.

    Everything happens in the caller's transaction.
    """
    swept = Swept()
    day = clock.day_of(now)
    await store.one_sweep(connection)
    await ready_rules(connection, judge)
    engine = judge.engines[Watch.CASE]
    await shadowing.judge_cases(connection, day, units)
    rules = [rule for rule in engine.rules if rule.effective.covers(day)]
    if not rules:
        return swept
    moves = Moves(now, await working_days.calendar(connection))
    exempted = await duties.exempted(connection, [rule.id for rule in rules], day)
    # Of whole tables each rule by itself: the next is asked while one is judged.
    together = [[rule] for rule in rules] if units is None else [rules]
    async with aclosing(one_after_another(connection, together, day, units)) as found:
        async for some in found:
            spoken = await _spoken(judge, some, day, swept)
            for rule, current in some.current:
                ours = spoken[rule.id]
                wanted = {unit for unit in ours if (rule.id, unit) not in exempted}
                for unit in sorted(current.keys() | wanted):
                    _move(rule, current.get(unit), ours.get(unit), moves, swept)
    await moves.write(connection, OURSELVES)
    return swept


@dataclass(frozen=True, slots=True)
class Found:
    """What some rules fire on, by unit; the worst cases, and the matters there are."""

    rows: Sequence[tuple[Rule, Row]]
    cases: Mapping[int, Row]
    current: Sequence[tuple[Rule, Mapping[str, Row]]]


async def one_after_another(
    connection: Connection,
    together: Sequence[Sequence[Rule]],
    day: date,
    units: Sequence[str] | None,
) -> AsyncGenerator[Found]:
    """Some rules after the others. The database looks for the cases of the next while
    the caller goes on with these, and so must not ask it anything."""

    async def fired(rules: Sequence[Rule]) -> list[tuple[Rule, Row]]:
        return [
            (rule, row)
            for rule in rules
            for row in await store.fired(connection, rule, day, units, MOST_NAMED)
        ]

    ahead = asyncio.create_task(fired(together[0]))
    try:
        for n, rules in enumerate(together, start=1):
            rows = await ahead
            worst = sorted({row["id"][0] for _, row in rows if row["id"]})
            cases = await store.speakers(connection, day, worst)
            current = [
                (rule, await store.open_matters(connection, rule.id, units))
                for rule in rules
            ]
            if n < len(together):
                ahead = asyncio.create_task(fired(together[n]))
            yield Found(rows, cases, current)
    finally:
        ahead.cancel()
        await asyncio.gather(ahead, return_exceptions=True)


async def _spoken(
    judge: Judge, found: Found, day: date, swept: Swept
) -> Mapping[str, dict[str, Judged]]:
    """The worst case of each rule and unit, judged by both readings."""
    facts = {id: facts_of(case, day) for id, case in found.cases.items()}
    decided = dict(
        zip(
            facts,
            await judge.engines[Watch.CASE].decide(list(facts.values())),
            strict=True,
        )
    )
    spoken: dict[str, dict[str, Judged]] = {rule.id: {} for rule, _ in found.current}
    for rule, row in found.rows:
        if row["held"]:
            swept.held[rule.id] = swept.held.get(rule.id, 0) + row["held"]
        for worst in (row["id"] or ())[:1]:
            for decision in decided[worst]:
                if decision.rule.id == rule.id:
                    one = _judged(row, found.cases[worst], facts[worst], decision)
                    spoken[rule.id][row["unit"]] = one
    return spoken


def _judged(row: Row, case: Row, known: Facts, decision: Decision) -> Judged:
    verdict = decision.verdict
    if verdict.outcome is not Outcome.FIRED:
        log.error("readings_disagree", rule=decision.rule.id, case=case["id"], sql=True)
    subject = Subject(
        row["unit"],
        case["unit_name"] or row["unit"],
        None,
        None,
        known,
        {"members": row["total"]},
        members=_named(row),
    )
    return Judged(subject, decision, verdict.trace)


def _named(row: Row) -> list[Mapping[str, object]]:
    """The first of a unit's cases, by their names."""
    first = zip(*(row[name] for name in _NAMES), strict=True)
    return [
        {
            "case": f"cas_{id:013d}",
            "case_no": case_no,
            "year": year,
            # As plain text, for whoever collects garbage then passes all of these by.
            "severity": store.severity_of(order).value,
        }
        for id, case_no, year, order in first
    ]


_NAMES = ("id", "case_no", "year", "severity")


def _move(
    rule: Rule, current: Row | None, one: Judged | None, moves: Moves, swept: Swept
) -> None:
    by_data = rule.closes is Closes.DATA or rule.owes is Owes.NOTHING
    if one is None:
        assert current is not None
        facts = {**current["facts"], "members": 0}
        finding = Finding(False, None, facts, by_data)
    else:
        facts = {**one.subject.figures, **facts_.shown(one.trace)}
        fires = one.decision.verdict.outcome is Outcome.FIRED
        finding = Finding(fires, one.decision.verdict.severity, facts, by_data)
    change = advance(standing_of(current), finding)
    if change is None and current is not None and one is not None:
        change = _others(current, one)
    if change is not None:
        swept.moved(moves.move(current, change, one, finding, None), change)


def _others(current: Row, one: Judged) -> Change | None:
    """Other members of the same number, and as bad, are news for the log as well."""
    return None if current["members"] == one.subject.members else Change.UPDATED
