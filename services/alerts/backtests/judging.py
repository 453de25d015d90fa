"""What rules would have said of one past period.

Rows of scorecards are judged by SQL, and by native on a sample beside it. Reports owed
are judged by native. Rules of cases look at the cases as they stand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import structlog

from libs.common.database import Connection
from libs.common.periods import Period
from services.alerts import subjects
from services.alerts.backtests import store
from services.alerts.cases import store as cases
from services.alerts.domain.deadlines import midnight
from services.alerts.domain.rules import Outcome, Rule
from services.alerts.domain.watching import Watch
from services.alerts.engine.native import CompiledRule
from services.alerts.subjects import Subject

log = structlog.get_logger()

LAST_DAY = timedelta(days=10)
"""How long after a period's end it is judged: its reports have come by then."""

SAMPLE = 12
"""Units of a month whose rows native judges as well."""

_OUTCOMES = {
    store.FIRED: Outcome.FIRED,
    store.HELD: Outcome.HELD,
    store.SILENT: Outcome.SILENT,
}

_COUNTED = ("fired", "held", "silent", "missing")

Row = tuple[str, str, str]
"""unit, measure, category; the last two are empty for reports and cases."""


@dataclass(slots=True)
class Found:
    """What one rule says of one period. Of cases, `held` and `silent` count cases.

    `missing` counts what is held by each name that it lacks: one row may lack several.
    """

    fired: list[Row] = field(default_factory=list)
    held: int = 0
    silent: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    cases: int | None = None
    checked: int = 0
    disagreed: int = 0


def day_of(period: Period) -> date:
    """The day on which a past period is judged."""
    return period.end + LAST_DAY


def moment_of(period: Period) -> datetime:
    """The moment up to which a period's figures count as known then: that day's end."""
    return midnight(day_of(period) + timedelta(days=1))


async def judged(
    connection: Connection, rules: Sequence[Rule], period: Period
) -> list[Found]:
    """What each rule would have said of a period, in their order."""
    found: dict[int, Found] = {}
    by_sql = [
        n
        for n, rule in enumerate(rules)
        if rule.watches is Watch.SCORECARD and store.readable(rule)
    ]
    if by_sql:
        counted = await _by_sql(connection, [rules[n] for n in by_sql], period)
        found |= dict(zip(by_sql, counted, strict=True))
    for watch in Watch:
        others = [
            n for n, r in enumerate(rules) if r.watches is watch and n not in found
        ]
        if others:
            each = await _others(connection, watch, [rules[n] for n in others], period)
            found |= dict(zip(others, each, strict=True))
    return [found[n] for n in range(len(rules))]


async def _others(
    connection: Connection, watch: Watch, rules: Sequence[Rule], period: Period
) -> list[Found]:
    at = day_of(period)
    if watch is Watch.CASE:
        return [await _of_cases(connection, rule, period) for rule in rules]
    if watch is Watch.MISSING_REPORT:
        now = moment_of(period)
        rows = await subjects.owed_reports(connection, period, at, None, now)
    else:
        rows = await subjects.scorecards(connection, period, at, None, rules)
    return [_natively(rule, rows) for rule in rules]


def _natively(rule: Rule, rows: Sequence[Subject]) -> Found:
    compiled, found = CompiledRule(rule), Found()
    for row in rows:
        verdict = compiled.judge(row.facts)
        if verdict is None:
            continue
        if verdict.outcome is Outcome.FIRED:
            found.fired.append((row.unit, row.measure or "", row.category or ""))
        elif verdict.outcome is Outcome.HELD:
            found.held += 1
            found.missing.update(verdict.missing)
        else:
            found.silent += 1
    return found


async def _of_cases(connection: Connection, rule: Rule, period: Period) -> Found:
    """As of the month's end, over the cases that were there by then."""
    found = Found(cases=0)
    if not rule.effective.covers(period.end):
        return found
    for row in await cases.counted(connection, rule, period.end):
        if row["fired"]:
            found.fired.append((row["unit"], "", ""))
            found.cases = (found.cases or 0) + row["fired"]
        found.held += row["held"]
        found.silent += row["silent"]
        found.missing.update({n: int(many) for n, many in row["missing"].items()})
    return found


async def _by_sql(
    connection: Connection, rules: Sequence[Rule], period: Period
) -> list[Found]:
    counted = await store.counted(connection, rules, period, day_of(period))
    found = []
    for n in range(len(rules)):
        fired, held, silent, missing = (counted[f"{kind}{n}"] for kind in _COUNTED)
        assert isinstance(fired, list)
        assert isinstance(held, int)
        assert isinstance(silent, int)
        assert isinstance(missing, dict)
        rows = [_row(text) for text in fired]
        found.append(Found(rows, held, silent, Counter(missing)))
    await _check(connection, rules, period, found)
    return found


def _row(text: str) -> Row:
    unit, measure, category = text.split("\t")
    return unit, measure, category


async def _check(
    connection: Connection, rules: Sequence[Rule], period: Period, found: list[Found]
) -> None:
    """Let native judge the rows of some units; those that fired come first."""
    fired = dict.fromkeys(unit for one in found for unit, _, _ in one.fired)
    units = list(fired)[:SAMPLE]
    if len(units) < SAMPLE:
        units += await store.some_units(connection, period, SAMPLE - len(units))
    at = day_of(period)
    rows = await subjects.scorecards(connection, period, at, units)
    said = {
        (row["unit"], row["measure"], row["category"]): row
        for row in await store.outcomes(connection, rules, period, at, units)
    }
    for n, (rule, names) in enumerate(zip(rules, store.missable(rules), strict=True)):
        compiled = CompiledRule(rule)
        for row in rows:
            verdict = compiled.judge(row.facts)
            answer = said.get((row.unit, row.measure or "", row.category or ""))
            code = 0 if answer is None else answer[f"r{n}"] or 0
            lacks = {names[m] for m in answer[f"m{n}"] or ()} if answer else set()
            held = verdict is not None and verdict.outcome is Outcome.HELD
            found[n].checked += 1
            if (verdict and verdict.outcome) is not _OUTCOMES.get(code) or (
                held and verdict is not None and lacks != set(verdict.missing)
            ):
                found[n].disagreed += 1
                log.error(
                    "readings_disagree",
                    rule=rule.id,
                    version=rule.version,
                    unit=row.unit,
                    period=period.code,
                    sql=code,
                )
