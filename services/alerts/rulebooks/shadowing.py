"""What versions in shadow say of live data, beside the active ones: they open nothing.

Native judges them; that durable agrees is found when a version becomes active.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import structlog

from libs.common.database import Connection
from services.alerts.cases import store as cases
from services.alerts.domain.rules import Outcome, Rule
from services.alerts.domain.watching import Watch
from services.alerts.engine.native import CompiledRule
from services.alerts.rulebook import RuleErrors
from services.alerts.rulebooks import store
from services.alerts.rulebooks.texts import kept
from services.alerts.subjects import Subject

log = structlog.get_logger()

Pair = tuple[Rule, Rule | None]
"""A version in shadow, and the active version of the same rule."""


async def pairs(
    connection: Connection, watch: Watch, rules: Sequence[str] | None = None
) -> list[Pair]:
    """Every version in shadow of a watch, or of these rules, beside what is active."""
    found: list[Pair] = []
    for row in await store.shadows(connection):
        active = row["active"]
        try:
            found.append((kept(row["source"]), kept(active) if active else None))
        except RuleErrors as errors:  # what bothers nobody must not stop what does
            log.error("shadow_set_aside", why=str(errors.problems[0]))
    return [
        pair
        for pair in found
        if pair[0].watches is watch and (rules is None or pair[0].id in rules)
    ]


async def judge(
    connection: Connection,
    shadows: Sequence[Pair],
    period: str,
    rows: Sequence[Subject],
    at: date,
    units: Sequence[str] | None,
) -> None:
    """Keep what versions in shadow say of the rows of a period that were judged."""
    for shadow, active in shadows:
        judged = _judged(shadow, active, period, rows, at)
        await store.replace_shadow(connection, shadow.id, period, units, judged)


def _judged(
    shadow: Rule, active: Rule | None, period: str, rows: Sequence[Subject], at: date
) -> list[tuple[object, ...]]:
    mine = CompiledRule(shadow)
    theirs = CompiledRule(active) if active is not None else None
    found: list[tuple[object, ...]] = []
    for row in rows:
        verdict = mine.judge(row.facts)
        other = theirs.judge(row.facts) if theirs is not None else None
        if verdict is None and other is None:
            continue
        found.append(
            (
                shadow.id,
                period,
                row.unit,
                row.measure or "",
                row.category or "",
                shadow.version,
                verdict.outcome if verdict else OUT,
                verdict.severity if verdict else None,
                list(verdict.missing) if verdict else [],
                active.version if active is not None else None,
                other.outcome if other else None,
                None,
                None,
                at,
            )
        )
    return found


OUT = "out"
"""The verdict of a version in whose scope a row does not lie."""


async def judge_cases(
    connection: Connection, day: date, units: Sequence[str] | None
) -> None:
    """Keep on how many cases of each unit versions in shadow fire."""
    for shadow, active in await pairs(connection, Watch.CASE):
        mine = await _fired(connection, shadow, day, units)
        theirs = await _fired(connection, active, day, units)
        judged: list[tuple[object, ...]] = [
            (
                shadow.id,
                "",
                unit,
                "",
                "",
                shadow.version,
                _verdict(mine.get(unit, 0)),
                None,
                [],
                active.version if active is not None else None,
                _verdict(theirs.get(unit, 0)) if active is not None else None,
                mine.get(unit, 0),
                theirs.get(unit, 0) if active is not None else None,
                day,
            )
            for unit in sorted(mine.keys() | theirs.keys())
        ]
        await store.replace_shadow(connection, shadow.id, "", units, judged)


def _verdict(fired: int) -> Outcome:
    return Outcome.FIRED if fired else Outcome.SILENT


async def _fired(
    connection: Connection, rule: Rule | None, day: date, units: Sequence[str] | None
) -> Mapping[str, int]:
    """Cases of each unit on which a rule fires; none where there is no rule."""
    if rule is None or not rule.effective.covers(day):
        return {}
    rows = await cases.counted(connection, rule, day, units)
    return {row["unit"]: row["fired"] for row in rows if row["fired"]}
