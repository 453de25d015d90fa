"""Judges rules in Python: exactly, with unknown as a third answer, and with reasons."""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Final

from services.alerts.domain.expressions import (
    ARITHMETIC,
    SIGNS,
    All,
    Anniversary,
    Arithmetic,
    Compare,
    Condition,
    Const,
    Either,
    Has,
    In,
    Known,
    Leaf,
    Operator,
    Param,
    Ref,
    Term,
    age_day,
    kind_of,
    leaves,
    names_in,
    written,
)
from services.alerts.domain.rules import (
    Outcome,
    Rule,
    Severity,
    TraceLeaf,
    Verdict,
    outcome,
)
from services.alerts.domain.vocabulary import Facts, Kind, Printed, Value, printed

Reading = Callable[[Facts], bool | None]
"""A condition compiled: true, false, or None when something needed is unknown."""

Measure = Callable[[Facts], Value | None]
"""A term compiled: its value, or None when something needed is unknown."""

_OPERATORS: Final[Mapping[Operator, Callable[[Value, Value], bool]]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
}
_SILENT: Final = Verdict(Outcome.SILENT)


class CompiledRule:
    """One rule, compiled once. A verdict of None means: out of the rule's scope."""

    __slots__ = (
        "_effective",
        "_missing",
        "_rows",
        "_trace",
        "_when",
        "_where",
        "names",
        "rule",
    )

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        start, end = rule.effective.start, rule.effective.end
        last = end or date.max
        self._effective = range(start.toordinal(), last.toordinal())
        self._where = reading(rule.where.condition) if rule.where else _always
        self._when = reading(rule.when.condition)
        self._missing = lacking(rule.condition)
        self._trace = tuple(_traced(leaf) for leaf in leaves(rule.condition))
        self.names = rule.judges_by | {"period.end"}
        """What it reads of a row."""
        self._rows: tuple[tuple[Reading, Severity], ...] = tuple(
            (
                reading(row.condition.condition) if row.condition else _always,
                row.severity,
            )
            for row in rule.severity
        )

    def in_force(self, facts: Facts) -> bool:
        """Whether the rule holds for this period; a fact that does not say is taken
        to be of a period for which the caller has chosen its rules."""
        end = facts.get("period.end")
        return end is None or end in self._effective

    def judge(self, facts: Facts) -> Verdict | None:
        """How the row stands, without the trace: the quick way, for whole tables."""
        scope = self._where(facts)
        if scope is False or not self.in_force(facts):
            return None
        judged = self._when(facts)
        if judged is False:
            return _SILENT
        return self._stands(facts, judged if scope else None)

    def explain(self, facts: Facts) -> Verdict | None:
        """The same verdict with every comparison that went into it."""
        verdict = self.judge(facts)
        if verdict is None:
            return None
        trace = tuple(write(facts) for write in self._trace)
        return Verdict(verdict.outcome, verdict.missing, verdict.severity, trace)

    def unknown(self, facts: Facts) -> Verdict:
        """How a row stands of which it is known already that it cannot be judged."""
        return self._stands(facts, None)

    def _stands(self, facts: Facts, judged: bool | None) -> Verdict:
        missing = () if judged else tuple(dict.fromkeys(self._missing(facts)))
        stands = outcome(judged, self.rule.unknown)
        severity = self._severity(facts) if stands is Outcome.FIRED else None
        return Verdict(stands, missing, severity)

    def _severity(self, facts: Facts) -> Severity:
        """How bad it is where the rule fires."""
        for holds, severity in self._rows:
            if holds(facts):
                return severity
        return self._rows[-1][1]


def reading(condition: Condition) -> Reading:
    """Compile a condition."""
    if isinstance(condition, All):
        return _all([reading(part) for part in condition.parts])
    if isinstance(condition, Either):
        return _either([reading(part) for part in condition.parts])
    if isinstance(condition, Compare):
        return _compare(condition)
    if isinstance(condition, Known):
        return _known(condition.ref.name, condition.wanted)
    if isinstance(condition, Has):
        return _has(condition.ref.name, condition.text, condition.wanted)
    return _in(condition.ref.name, frozenset(condition.texts), condition.wanted)


def measure(term: Term) -> Measure:
    """Compile a term."""
    if isinstance(term, Ref):
        return _ref(term.name)
    if isinstance(term, Const):
        return _const(term.value)
    if isinstance(term, Param):
        return _param(term)
    if isinstance(term, Anniversary):
        return _anniversary(term)
    return _arithmetic(term)


def _always(_facts: Facts) -> bool:
    return True


def _all(parts: Iterable[Reading]) -> Reading:
    fixed = tuple(parts)

    def judge(facts: Facts) -> bool | None:
        together: bool | None = True
        for part in fixed:
            verdict = part(facts)
            if verdict is False:
                return False
            if verdict is None:
                together = None
        return together

    return judge


def _either(parts: Iterable[Reading]) -> Reading:
    fixed = tuple(parts)

    def judge(facts: Facts) -> bool | None:
        together: bool | None = False
        for part in fixed:
            verdict = part(facts)
            if verdict:
                return True
            if verdict is None:
                together = None
        return together

    return judge


def _compare(leaf: Compare) -> Reading:
    if isinstance(leaf.left, Ref) and isinstance(leaf.right, Const):
        return _compare_const(leaf.left.name, _OPERATORS[leaf.operator], leaf.right)
    compares = _OPERATORS[leaf.operator]
    left, right = measure(leaf.left), measure(leaf.right)

    def judge(facts: Facts) -> bool | None:
        a = left(facts)
        if a is None:
            return None
        b = right(facts)
        return None if b is None else compares(a, b)

    return judge


def _compare_const(
    name: str, compares: Callable[[Value, Value], bool], const: Const
) -> Reading:
    value = const.value

    def judge(facts: Facts) -> bool | None:
        a = facts.get(name)
        return None if a is None else compares(a, value)

    return judge


def _known(name: str, wanted: bool) -> Reading:
    return lambda facts: (facts.get(name) is not None) is wanted


def _has(name: str, text: str, wanted: bool) -> Reading:
    def judge(facts: Facts) -> bool | None:
        found = facts.get(name)
        return (text in found) is wanted if isinstance(found, tuple) else None

    return judge


def _in(name: str, texts: frozenset[str], wanted: bool) -> Reading:
    def judge(facts: Facts) -> bool | None:
        value = facts.get(name)
        return None if value is None else (value in texts) is wanted

    return judge


def _ref(name: str) -> Measure:
    return lambda facts: facts.get(name)


def _const(value: int | str | bool) -> Measure:
    return lambda _facts: value


def _param(param: Param) -> Measure:
    days = [first_day for first_day, _ in param.values]

    def value(facts: Facts) -> int | str | None:
        end = facts.get("period.end")
        if not isinstance(end, int):
            return None
        at = bisect_right(days, end)
        return param.values[at - 1][1] if at else None

    return value


def _anniversary(term: Anniversary) -> Measure:
    born = measure(term.born)

    def value(facts: Facts) -> int | None:
        day = born(facts)
        if not isinstance(day, int):
            return None
        reached = age_day(date.fromordinal(day), term.count, term.unit)
        return reached.toordinal() if reached else None

    return value


def _arithmetic(term: Arithmetic) -> Measure:
    compute = ARITHMETIC[term.operator]
    left, right = measure(term.left), measure(term.right)

    def value(facts: Facts) -> int | None:
        a, b = left(facts), right(facts)
        known = isinstance(a, int) and isinstance(b, int)
        return compute(a, b) if known else None  # type: ignore[arg-type]

    return value


def lacking(condition: Condition) -> Callable[[Facts], list[str]]:
    """Finds the names without which it cannot be judged, where it cannot."""
    if isinstance(condition, (All, Either)):
        parts = [(reading(part), lacking(part)) for part in condition.parts]
        return lambda facts: [
            name
            for judge, missing in parts
            if judge(facts) is None
            for name in missing(facts)
        ]
    needed = sorted(names_in(condition))
    beyond = out_of_force(condition)
    return lambda facts: [name for name in needed if facts.get(name) is None] or beyond


def out_of_force(leaf: Leaf) -> list[str]:
    """What is unknown though everything named is known: a parameter that has no value
    for this period yet."""
    if not isinstance(leaf, Compare):
        return []
    return [written(side) for side in (leaf.left, leaf.right) if not _plain(side)]


def _plain(term: Term) -> bool:
    return isinstance(term, (Ref, Const))


def _traced(leaf: Leaf) -> Callable[[Facts], TraceLeaf]:
    """Writes down one comparison as it comes out for a row."""
    judge = reading(leaf)
    if isinstance(leaf, Compare):
        return _traced_comparison(leaf, judge)
    name, kind = leaf.ref.name, leaf.ref.kind
    sign, right = _asked(leaf)
    listed = _listed(right)
    return lambda facts: TraceLeaf(
        name=name,
        value=printed(facts.get(name), kind),
        operator=sign,
        right=listed,
        right_value=right,
        verdict=judge(facts),
    )


def _traced_comparison(leaf: Compare, judge: Reading) -> Callable[[Facts], TraceLeaf]:
    name, sign, right = written(leaf.left), SIGNS[leaf.operator], written(leaf.right)
    left_value, right_value = _printed(leaf.left), _printed(leaf.right)
    return lambda facts: TraceLeaf(
        name=name,
        value=left_value(facts),
        operator=sign,
        right=right,
        right_value=right_value(facts),
        verdict=judge(facts),
    )


def _asked(leaf: Known | Has | In) -> tuple[str, Printed]:
    if isinstance(leaf, Known):
        return ("is known" if leaf.wanted else "is unknown"), None
    if isinstance(leaf, Has):
        return ("has" if leaf.wanted else "lacks"), leaf.text
    return ("in" if leaf.wanted else "not in"), list(leaf.texts)


def _listed(right: Printed) -> str | None:
    if isinstance(right, list):
        return "[" + ", ".join(f'"{text}"' for text in right) + "]"
    return None if right is None else f'"{right}"'


def _printed(term: Term) -> Callable[[Facts], Printed]:
    compute, kind = measure(term), kind_of(term)

    def value(facts: Facts) -> Printed:
        found = compute(facts)
        if kind is Kind.DATE and not _is_day(found):
            return None
        return printed(found, kind)

    return value


def _is_day(value: Value | None) -> bool:
    """Arithmetic on dates can leave the calendar."""
    return isinstance(value, int) and 1 <= value <= date.max.toordinal()
