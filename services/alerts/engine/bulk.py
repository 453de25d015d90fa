"""Every rule at once over one row: the native reading as one generated function.

Judging rule by rule costs a dozen calls each; whole tables need it ten times faster.
The function below is written from the typed tree alone (no text of a rule reaches
it but as a quoted constant) and tested to answer exactly as `native` does.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from enum import IntEnum
from typing import Final

import structlog

from services.alerts.domain.expressions import (
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
    Param,
    Ref,
    Term,
    names_in,
)
from services.alerts.domain.rules import Rule, Severity, SeverityRow
from services.alerts.domain.vocabulary import VOCABULARY, Facts, Kind, Names, Value
from services.alerts.engine.native import measure, reading

log = structlog.get_logger()

_TYPES: Final[Mapping[Kind, type]] = {
    Kind.TEXT: str,
    Kind.FLAG: bool,
    Kind.LIST: tuple,
}


class Status(IntEnum):
    """What one rule's condition is for one row; where it is true, how bad that is."""

    OUT = 0
    FALSE = 1
    UNKNOWN = 2
    LOW = 3
    MEDIUM = 4
    HIGH = 5
    CRITICAL = 6

    @property
    def severity(self) -> Severity | None:
        """None where the condition is not true."""
        return Severity[self.name] if self >= Status.LOW else None


Statuses = tuple[Status, ...]
Judge = Callable[[Facts], Statuses]


class Sealing:
    """Keeps what the rules read, each value of its own type, texts composed."""

    def __init__(self, rules: Sequence[Rule], names: Names) -> None:
        known = {**VOCABULARY, **names}
        used = {"period.end"}
        for rule in rules:
            used |= names_in(rule.condition)
            for row in rule.severity:
                if row.condition is not None:
                    used |= names_in(row.condition.condition)
        self.types = {
            name: _TYPES.get(known[name].kind, int) if name in known else int
            for name in sorted(used)
        }

    def seal(
        self, facts: Facts, names: Iterable[str] | None = None
    ) -> dict[str, Value]:
        """What rules may read of a row, or only these names."""
        sealed: dict[str, Value] = {}
        for name in self.types if names is None else names:
            wanted = self.types[name]
            value = facts.get(name)
            if type(value) is not wanted:
                wrong(name, value)
            elif isinstance(value, str):
                sealed[name] = composed(value)
            elif value is not None:
                sealed[name] = value
        return sealed


def wrong(name: str, value: Value | None) -> None:
    """A value of the wrong type is unknown: a text is never less than a number."""
    if value is not None:
        log.error("fact_of_wrong_type", name=name, value=repr(value)[:100])


def composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def judge_of(rules: Sequence[Rule], sealing: Sealing) -> Judge:
    """One function that judges a row by all of these rules."""
    writer = _Writer(sealing)
    source = writer.function(rules)
    scope: dict[str, object] = dict(writer.constants)
    exec(compile(source, "<rules>", "exec"), scope)
    judge: Judge = scope["judge"]  # type: ignore[assignment]
    return judge


class _Writer:
    """Writes the function, a line for each value and each distinct condition."""

    def __init__(self, sealing: Sealing) -> None:
        self.constants: dict[str, object] = {
            "wrong": wrong,
            "composed": composed,
            **{status.name: status for status in Status},
        }
        self._types = sealing.types
        self._lines: list[str] = []
        self._variables: dict[object, str] = {}
        self._joins = 0

    def function(self, rules: Sequence[Rule]) -> str:
        statuses = [self._rule(rule) for rule in rules]
        body = [*self._lines, f"return ({', '.join(statuses)}{',' * bool(statuses)})"]
        return "def judge(facts):\n    get = facts.get\n    " + "\n    ".join(body)

    def _rule(self, rule: Rule) -> str:
        in_force = self._in_force(rule)
        where = self._shared(rule.where.condition) if rule.where else "True"
        when = self._expression(rule.when.condition)
        return (
            f"OUT if {where} is False or not {in_force} else"
            f" FALSE if (when := {when}) is False else"
            f" {self._severity(rule.severity)} if when and {where} else UNKNOWN"
        )

    def _severity(self, rows: Sequence[SeverityRow]) -> str:
        """The first that holds; the last always does."""
        tests = [
            f"{row.severity.name} if {self._expression(row.condition.condition)} else "
            for row in rows
            if row.condition is not None
        ]
        return f"({''.join(tests)}{rows[-1].severity.name})"

    def _in_force(self, rule: Rule) -> str:
        start, end = rule.effective.start, rule.effective.end or date.max
        day = self._value("period.end")
        known = self._variables.get(rule.effective)
        if known is not None:
            return known
        span = f"{start.toordinal()} <= {day} < {end.toordinal()}"
        return self._line(rule.effective, f"{day} is None or {span}")

    def _shared(self, condition: Condition) -> str:
        """Many rules have the same scope: it is judged once."""
        known = self._variables.get(condition)
        return known or self._line(condition, self._expression(condition))

    def _expression(self, condition: Condition) -> str:
        """A Python expression that is True, False or None."""
        if isinstance(condition, (All, Either)):
            return self._joined(condition)
        if isinstance(condition, Compare):
            return self._compare(condition)
        if isinstance(condition, Known):
            sign = "is not" if condition.wanted else "is"
            return f"({self._value(condition.ref.name)} {sign} None)"
        return self._computed(condition, reading(condition))

    def _joined(self, condition: All | Either) -> str:
        decisive = str(isinstance(condition, Either))
        otherwise = str(isinstance(condition, All))
        parts = [self._expression(part) for part in condition.parts]
        self._joins += 1
        held = [f"t{self._joins}_{number}" for number in range(len(parts))]
        tests = [
            f"{decisive} if ({name} := {part}) is {decisive} else"
            for name, part in zip(held, parts, strict=True)
        ]
        unknown = " or ".join(f"{name} is None" for name in held)
        return f"({' '.join(tests)} None if {unknown} else {otherwise})"

    def _compare(self, leaf: Compare) -> str:
        left, right = self._term(leaf.left), self._term(leaf.right)
        needed = dict.fromkeys((*self._needed(leaf.left), *self._needed(leaf.right)))
        missing = " or ".join(f"{name} is None" for name in needed)
        return f"(None if {missing} else {left} {SIGNS[leaf.operator]} {right})"

    def _term(self, term: Term) -> str:
        if isinstance(term, Const):
            return repr(term.value)
        if isinstance(term, Ref):
            return self._value(term.name)
        if isinstance(term, Arithmetic):
            return f"({self._term(term.left)} {term.operator} {self._term(term.right)})"
        return self._computed(term, measure(term))

    def _needed(self, term: Term) -> list[str]:
        """The variables that must be known before a term can be computed."""
        if isinstance(term, Const):
            return []
        if isinstance(term, Arithmetic):
            return [*self._needed(term.left), *self._needed(term.right)]
        return [self._term(term)]

    def _value(self, name: str) -> str:
        """The variable of a name, read and checked once for each row."""
        known = self._variables.get(name)
        if known is not None:
            return known
        variable = self._line(name, f"get({name!r})")
        wanted = self._types[name].__name__
        check = f"if type({variable}) is not {wanted}:"
        self._lines.append(f"{check} {variable} = wrong({name!r}, {variable})")
        if wanted == "str":
            self._lines.append(f"else: {variable} = composed({variable})")
        return variable

    def _computed(
        self,
        source: Has | In | Param | Anniversary,
        compute: Callable[[Facts], Value | None],
    ) -> str:
        """What `native` works out from the row; its names are checked first."""
        known = self._variables.get(source)
        if known is not None:
            return known
        needed = sorted(names_in(source))
        values = [self._value(name) for name in needed]
        function = f"compute{len(self.constants)}"
        self.constants[function] = compute
        facts = ", ".join(
            f"{name!r}: {value}" for name, value in zip(needed, values, strict=True)
        )
        return self._line(source, f"{function}({{{facts}}})")

    def _line(self, source: object, expression: str) -> str:
        variable = f"v{len(self._lines)}"
        self._variables[source] = variable
        self._lines.append(f"{variable} = {expression}")
        return variable
