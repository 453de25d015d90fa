"""Every rule at once over rows: the native reading as one generated function.

Judging rule by rule costs a dozen calls each; whole tables need it ten times faster.
The function below is written from the typed tree alone (no text of a rule reaches
it but as a quoted constant) and tested to answer exactly as `native` does.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from enum import IntEnum
from functools import lru_cache
from types import CodeType
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
    Known,
    Param,
    Ref,
    Term,
    names_in,
)
from services.alerts.domain.rules import Rule, Severity, SeverityRow
from services.alerts.domain.vocabulary import VOCABULARY, Facts, Kind, Names, Value
from services.alerts.engine.columns import Columns, is_sound
from services.alerts.engine.native import measure

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
Judge = Callable[[Iterable[Iterable[Value | None]]], Iterator[Statuses]]
"""Columns of sealed values, in the order of their names → the statuses of each row."""


class Sealing:
    """Keeps what the rules read, each value of its own type, texts composed."""

    def __init__(self, rules: Sequence[Rule], names: Names) -> None:
        known = {**VOCABULARY, **names}
        used = {"period.end"}.union(*(rule.judges_by for rule in rules))
        self.types = {
            name: _TYPES.get(known[name].kind, int) if name in known else int
            for name in sorted(used)
        }

    def columns(self, rows: Sequence[Facts]) -> tuple[Columns, Columns]:
        """What the rules read of rows, as it is said and as it is sealed: the very same
        where nothing is amiss."""
        said = Columns.of(rows, self.types)
        if all(is_sound(said.said[name], kind) for name, kind in self.types.items()):
            sound = Columns(rows, said.said, sound=True)
            return sound, sound
        sealed = [self.seal(row) for row in rows]
        return said, Columns.of(sealed, self.types)

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
    """One function that judges rows by all of these rules."""
    writer = _Writer(sealing)
    source = writer.function(rules)
    scope: dict[str, object] = dict(writer.constants)
    exec(_compiled(source), scope)
    judge: Judge = scope["judge"]  # type: ignore[assignment]
    return judge


@lru_cache(maxsize=32)
def _compiled(source: str) -> CodeType:
    """Rules are loaded again at every start, and for every backtest of them."""
    return compile(source, "<rules>", "exec")


def _all_known(variables: Iterable[str]) -> str:
    """An expression that is true where each of these is known; empty for none."""
    return " and ".join(f"{name} is not None" for name in dict.fromkeys(variables))


class _Writer:
    """Writes the function: a line for each value, and a block for each scope."""

    def __init__(self, sealing: Sealing) -> None:
        self.constants: dict[str, object] = {status.name: status for status in Status}
        self._values = {name: f"n{n}" for n, name in enumerate(sealing.types)}
        self._lines: list[str] = []
        self._variables: dict[object, str] = {}
        self._joins = 0

    def function(self, rules: Sequence[Rule]) -> str:
        scopes: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for number, rule in enumerate(rules):
            where = self._shared(rule.where.condition) if rule.where else "True"
            status = f"s{number}", self._status(rule, where)
            scopes.setdefault((where, self._in_force(rule)), []).append(status)
        blocks = [
            line
            for (where, in_force), statuses in scopes.items()
            for line in self._block(where, in_force, statuses)
        ]
        judged = "".join(f"s{number}, " for number in range(len(rules)))
        body = [*self._lines, *blocks, f"yield ({judged})"]
        return (
            "def judge(columns):\n"
            f"  for {', '.join(self._values.values())}, in zip(*columns):\n    "
            + "\n    ".join(body)
        )

    def _block(
        self, where: str, in_force: str, statuses: Sequence[tuple[str, str]]
    ) -> Iterator[str]:
        """The rules of one scope: most rows are outside of most."""
        yield f"if {where} is False or not {in_force}:"
        yield "  " + " = ".join(name for name, _ in statuses) + " = OUT"
        yield "else:"
        for name, status in statuses:
            yield f"  {name} = {status}"

    def _status(self, rule: Rule, where: str) -> str:
        """How a rule stands where its scope is not false.

        Two truth values do where all that it asks for is known, as it nearly always is.
        """
        fires = f"({self._severity(rule.severity)} if {where} else UNKNOWN)"
        condition = rule.when.condition
        decided = f"{fires} if {self._plainly(condition)} else FALSE"
        known = _all_known(self._asked(condition))
        if not known:
            return decided
        otherwise = "UNKNOWN"
        if isinstance(condition, (All, Either)):
            when = f"(when := {self._joined(condition)})"
            otherwise = f"FALSE if {when} is False else {fires} if when else UNKNOWN"
        return f"({decided}) if {known} else {otherwise}"

    def _severity(self, rows: Sequence[SeverityRow]) -> str:
        """The first that holds; the last always does."""
        tests = [
            f"{row.severity.name} if {self._expression(row.condition.condition)} else "
            for row in rows
            if row.condition is not None
        ]
        return f"({''.join(tests)}{rows[-1].severity.name})"

    def _in_force(self, rule: Rule) -> str:
        known = self._variables.get(rule.effective)
        if known is not None:
            return known
        start, end = rule.effective.start, rule.effective.end or date.max
        day = self._values["period.end"]
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
        known = _all_known(self._asked(condition))
        holds = self._plainly(condition)
        return f"({holds} if {known} else None)" if known else holds

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

    def _plainly(self, condition: Condition) -> str:
        """The same where all that is asked for is known: True or False."""
        if isinstance(condition, (All, Either)):
            word = " and " if isinstance(condition, All) else " or "
            return f"({word.join(self._plainly(part) for part in condition.parts)})"
        if isinstance(condition, Compare):
            left, right = self._term(condition.left), self._term(condition.right)
            return f"({left} {SIGNS[condition.operator]} {right})"
        value = self._values[condition.ref.name]
        if isinstance(condition, Known):
            return f"({value} is {'not ' if condition.wanted else ''}None)"
        sign = "in" if condition.wanted else "not in"
        if isinstance(condition, Has):
            return f"({condition.text!r} {sign} {value})"
        texts = "".join(f"{text!r}, " for text in condition.texts)
        return f"({value} {sign} ({texts}))"

    def _asked(self, condition: Condition) -> Iterator[str]:
        """The variables that must be known before a condition is true or false."""
        if isinstance(condition, (All, Either)):
            for part in condition.parts:
                yield from self._asked(part)
        elif isinstance(condition, Compare):
            yield from self._needed(condition.left)
            yield from self._needed(condition.right)
        elif not isinstance(condition, Known):
            yield self._values[condition.ref.name]

    def _term(self, term: Term) -> str:
        if isinstance(term, Const):
            return repr(term.value)
        if isinstance(term, Ref):
            return self._values[term.name]
        if isinstance(term, Arithmetic):
            return f"({self._term(term.left)} {term.operator} {self._term(term.right)})"
        if isinstance(term, Param):
            return self._param(term)
        return self._anniversary(term)

    def _needed(self, term: Term) -> list[str]:
        """The variables that must be known before a term can be computed."""
        if isinstance(term, Const):
            return []
        if isinstance(term, Arithmetic):
            return [*self._needed(term.left), *self._needed(term.right)]
        return [self._term(term)]

    def _param(self, param: Param) -> str:
        """The value in force on the period's last day; none before the first."""
        day = self._values["period.end"]
        values = "".join(
            f"{value!r} if {day} >= {first_day} else "
            for first_day, value in reversed(param.values)
        )
        return self._once(param, f"None if {day} is None else {values}None")

    def _anniversary(self, term: Anniversary) -> str:
        """What `native` works out from the row; its names are checked first."""
        known = self._variables.get(term)
        if known is not None:
            return known
        function = f"compute{len(self.constants)}"
        self.constants[function] = measure(term)
        facts = "".join(
            f"{name!r}: {self._values[name]}, " for name in sorted(names_in(term))
        )
        return self._line(term, f"{function}({{{facts}}})")

    def _once(self, source: object, expression: str) -> str:
        """Worked out once for each row, however many rules ask."""
        return self._variables.get(source) or self._line(source, expression)

    def _line(self, source: object, expression: str) -> str:
        variable = f"v{len(self._lines)}"
        self._variables[source] = variable
        self._lines.append(f"{variable} = {expression}")
        return variable
