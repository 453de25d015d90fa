"""Runs a test file: rows made of what is given, verdicts, and what time brings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from libs.common.periods import Period
from libs.common.working_days import after, working_days
from services.alerts.desk.steps import (
    Expected,
    ExpectedEvent,
    Given,
    Key,
    Suite,
    Then,
)
from services.alerts.domain.deadlines import due_of, midnight
from services.alerts.domain.rules import Outcome, Rule, Verdict
from services.alerts.domain.timers import DEADLINE, timers_of
from services.alerts.domain.vocabulary import Facts, Value, printed
from services.alerts.domain.watching import EVERY_WORD, Watch
from services.alerts.engine.native import CompiledRule
from services.alerts.rule_examples import completed

IS_WORKING = working_days()

PROVINCE, NATIONAL = "province", "national"


@dataclass(frozen=True, slots=True)
class Failure:
    """What did not come out: where the file says it, and what came instead."""

    line: int
    test: str
    says: str

    def __str__(self) -> str:
        return f"{self.line}: {self.test}: {self.says}"


@dataclass(frozen=True, slots=True)
class _Judged:
    key: Key
    rule: Rule
    facts: Facts
    verdict: Verdict
    due: date | None
    members: int | None = None
    """Of a unit's cases: on how many the rule fires."""


@dataclass(frozen=True, slots=True)
class _Event:
    type: str
    unit: str
    rule: str
    to: str | None
    at: datetime


def run(suite: Suite, rules: Sequence[Rule]) -> list[Failure]:
    """Everything that does not come out as a test file says; nothing when all does."""
    failures: list[Failure] = []
    events: list[_Event] = []
    now, name = midnight(date.min), ""
    for step in suite.steps:
        if isinstance(step, Given):
            judged = list(_judged(step, suite.kinds, rules))
            failures += _compared(step, judged, rules)
            events, now = list(_ahead(judged, step.at)), midnight(step.at)
            name = step.name
            failures += _heard(step, [e for e in events if e.at <= now], name)
        else:
            before, now = now, _later(now, step)
            come = [e for e in events if before < e.at <= now]
            failures += _heard(step, come, f"{name}, then")
    return failures


# What is given -----------------------------------------------------------------------


def _judged(
    step: Given, kinds: Mapping[str, str], rules: Sequence[Rule]
) -> Iterator[_Judged]:
    """Every verdict of the working year of the day, and of rows given by facts; of
    cases, one for each unit."""
    rows = dict(_rows(step, kinds))
    for rule in rules:
        compiled = CompiledRule(rule)
        if rule.watches is Watch.CASE:
            yield from _by_unit(step, kinds, compiled)
            continue
        for key, facts in rows.items():
            if rule.watches is not _watched(key):
                continue
            verdict = compiled.explain(facts)
            if verdict is not None:
                due = _due(rule, key, step.at)
                yield _Judged(key, rule, facts, verdict, due)


def _by_unit(
    step: Given, kinds: Mapping[str, str], compiled: CompiledRule
) -> Iterator[_Judged]:
    """The worst case on which a rule fires speaks for its unit, the oldest of several;
    where it fires on none, those that it cannot judge hold it."""
    rule = compiled.rule
    for unit, cases in step.cases.items():
        key = Key(unit, None, None)
        known = [_known(step, key, kinds, words) for words in cases]
        verdicts = [(facts, compiled.explain(facts)) for facts in known]
        judged = [(facts, verdict) for facts, verdict in verdicts if verdict]
        if not judged:
            continue
        fired = [one for one in judged if one[1].outcome is Outcome.FIRED]
        held = [one for one in judged if one[1].outcome is Outcome.HELD]
        facts, verdict = min(fired, key=_place, default=(held or judged)[0])
        if held and not fired:
            missing = sorted({name for _, one in held for name in one.missing})
            verdict = replace(verdict, missing=tuple(missing))
        yield _Judged(key, rule, facts, verdict, _due(rule, key, step.at), len(fired))


def _place(one: tuple[Facts, Verdict]) -> tuple[int, int]:
    facts, verdict = one
    decided = facts.get("case.decided_on")
    return (
        -verdict.severity.order if verdict.severity else 1,
        decided if isinstance(decided, int) else date.max.toordinal(),
    )


def _watched(key: Key) -> Watch:
    return Watch.SCORECARD if key.measure else Watch.MISSING_REPORT


def _due(rule: Rule, key: Key, at: date) -> date | None:
    end = key.period.end if key.period else at
    due = due_of(rule.due, period_end=end, opened_on=at, is_working=IS_WORKING)
    return due.on if due else None


def _rows(step: Given, kinds: Mapping[str, str]) -> Iterator[tuple[Key, Facts]]:
    """The rows of the working year in which the day lies, up to it."""
    year = Period.ending(step.at).working_year
    keys = dict.fromkeys([*step.rates, *step.facts])
    for key in keys:
        period = key.period
        if period is not None and period.working_year != year and key in step.rates:
            continue
        if period is not None and (
            period.end > step.at or step.rates.get(key, 0) is None
        ):
            continue
        yield key, _known(step, key, kinds, step.facts.get(key, {}))


def _known(
    step: Given, key: Key, kinds: Mapping[str, str], given: Mapping[str, Value | None]
) -> Facts:
    facts: dict[str, Value | None] = {
        "unit.code": key.unit,
        "unit.kind": kinds.get(key.unit, PROVINCE),
        "at": step.at.toordinal(),
    }
    if key.period is not None and key.measure is not None:
        facts |= _scored(step, key, key.period, key.measure, kinds)
    return completed(facts | dict(given), key.period)


def _scored(
    step: Given, key: Key, period: Period, measure: str, kinds: Mapping[str, str]
) -> Mapping[str, Value | None]:
    """What rates alone say of a row: those of a year and of a month before, the
    country's, and the target."""
    before = period.month_before()
    country = next((u for u, kind in kinds.items() if kind == NATIONAL), None)
    target = step.targets.get((key.unit, measure, period.working_year))
    return {
        "measure": measure,
        "category": "all",
        "rate": step.rates.get(key),
        "last_year.rate": step.rates.get(Key(key.unit, measure, period.year_earlier())),
        "previous.rate": step.rates.get(Key(key.unit, measure, before))
        if before
        else None,
        "national.rate": step.rates.get(Key(country, measure, period))
        if country
        else None,
        "target.rate": target,
        "target.operator": None if target is None else "at_least",
        "illustrative": False,
    }


# What must come out ------------------------------------------------------------------


def _compared(
    step: Given, judged: Sequence[_Judged], rules: Sequence[Rule]
) -> Iterator[Failure]:
    listed: set[tuple[str, Key]] = set()
    for one in step.expect:
        found = [j for j in judged if _meant(one, j)]
        if not found:
            says = f"{_named(one)} was not judged: {_why_not(one, step.at, rules)}"
            yield Failure(one.line, step.name, says)
        if len(found) > 1:
            measures = ", ".join(sorted(j.key.measure or "" for j in found))
            says = f"{_named(one)} is several rows; say which measure: {measures}"
            yield Failure(one.line, step.name, says)
            continue
        for j in found:
            listed.add((j.rule.id, j.key))
            for says in _faults(one, j):
                yield Failure(one.line, step.name, f"{_named(one)}: {says}")
    if step.allow_others:
        return
    for j in judged:
        silent = j.verdict.outcome is Outcome.SILENT
        if not silent and (j.rule.id, j.key) not in listed:
            says = f"{j.rule.id} {_row(j.key)} is {_came(j)}, and no line says so"
            yield Failure(step.line, step.name, says)


def _meant(one: Expected, j: _Judged) -> bool:
    return (
        j.rule.id == one.rule
        and j.key.unit == one.unit
        and j.key.period == one.period
        and one.measure in (None, j.key.measure)
    )


def _named(one: Expected) -> str:
    parts = (one.rule, one.unit, one.measure, one.period and one.period.code)
    return " ".join(part for part in parts if part)


def _row(key: Key) -> str:
    parts = (key.unit, key.measure, key.period and key.period.code)
    return "/".join(part for part in parts if part)


def _why_not(one: Expected, at: date, rules: Sequence[Rule]) -> str:
    rule = next((rule for rule in rules if rule.id == one.rule), None)
    if rule is None:
        return "no rule of that name is tested"
    day = one.period.end if one.period else at
    if not rule.effective.covers(day):
        return (
            f"{day} is outside the rule's `effective`, from {rule.effective.start}"
            + (f" to {rule.effective.end}" if rule.effective.end else "")
        )
    why = "nothing is given of that row, or it lies outside the rule's scope"
    return f"{why}, after `at` or in another working year" if one.period else why


def _faults(one: Expected, j: _Judged) -> Iterator[str]:
    verdict = j.verdict
    fired, held = (verdict.outcome is o for o in (Outcome.FIRED, Outcome.HELD))
    if one.fires is not None and one.fires is not fired:
        yield f"expected fires: {str(one.fires).lower()}, came {_came(j)}"
    if one.held is not None and (
        not held or (one.held and set(one.held) != set(verdict.missing))
    ):
        wanted = f"held ({', '.join(one.held)})" if one.held else "held"
        yield f"expected {wanted}, came {_came(j)}"
    if one.severity is not None and one.severity is not verdict.severity:
        yield f"expected severity {one.severity}, came {verdict.severity or _came(j)}"
    if one.due is not None and one.due != j.due:
        yield f"expected due {one.due}, came {j.due}"
    if one.members is not None and one.members != j.members:
        yield f"expected {one.members} members, came {j.members}"
    for name, value in one.facts.items():
        came = j.facts.get(name)
        if came != value:
            kind = EVERY_WORD[name].kind
            yield f"expected {name} {printed(value, kind)}, came {printed(came, kind)}"


def _came(j: _Judged) -> str:
    verdict = j.verdict
    if verdict.outcome is Outcome.HELD:
        return f"held ({', '.join(verdict.missing)})"
    return f"fired ({verdict.severity})" if verdict.severity else str(verdict.outcome)


# What time brings --------------------------------------------------------------------


def _later(now: datetime, step: Then) -> datetime:
    """Days on; working days are counted as deadlines count them."""
    if step.working:
        return midnight(after(now.date(), step.ahead, IS_WORKING))
    return now + timedelta(days=step.ahead)


def _ahead(judged: Sequence[_Judged], at: date) -> Iterator[_Event]:
    """What each matter that opens on this day will be heard of, if nobody moves it."""
    since = midnight(at)
    for j in judged:
        if j.verdict.outcome is not Outcome.FIRED:
            continue
        due = due_of(
            j.rule.due,
            period_end=j.key.period.end if j.key.period else at,
            opened_on=at,
            is_working=IS_WORKING,
        )
        steps = j.rule.escalate
        for timer in timers_of(due, steps, since=since, is_working=IS_WORKING):
            type, to = "escalation.overdue", None
            if timer.n != DEADLINE and timer.step is not None:
                type = "escalation.escalated"
                to = ".".join(["parent"] * timer.step.levels)
            yield _Event(type, j.key.unit, j.rule.id, to, timer.due_at)


def _heard(step: Given | Then, come: Sequence[_Event], name: str) -> Iterator[Failure]:
    left = list(come)
    for wanted in step.events:
        found = next((e for e in left if _same(wanted, e)), None)
        if found is None:
            to = f" to {wanted.to}" if wanted.to else ""
            says = f"{wanted.type} of {wanted.unit}{to} did not come"
            yield Failure(step.line, name, says)
        else:
            left.remove(found)
    if isinstance(step, Given) and step.allow_others:
        return
    for event in left:
        to = f" to {event.to}" if event.to else ""
        says = f"{event.type} of {event.unit}{to} came, and no line says so"
        yield Failure(step.line, name, says)


def _same(wanted: ExpectedEvent, event: _Event) -> bool:
    return (
        wanted.type == event.type
        and wanted.unit == event.unit
        and wanted.to in (None, event.to)
        and wanted.rule in (None, event.rule)
    )
