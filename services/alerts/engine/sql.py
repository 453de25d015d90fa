"""Rules as SQL, for whole tables: which rows, without carrying each of them here.

An expression is true, false or NULL exactly where `native` says true, false or unknown.
Every value of a rule travels as a parameter; only our own column expressions are text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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
from services.alerts.domain.rules import Rule, SeverityRow
from services.alerts.domain.vocabulary import Kind
from services.alerts.engine.native import out_of_force

Columns = Mapping[str, str]
"""Name → an SQL expression of its value as facts have it: percent, points and decimals
as whole hundredths, dates as day numbers, everything else as it is."""

DAY_NUMBER = "({0} - DATE '0001-01-01' + 1)"
"""A date as `date.toordinal()` counts it."""


class Sql:
    """Writes conditions over some columns, and keeps the parameters they need."""

    def __init__(self, columns: Columns, parameters: Sequence[object] = ()) -> None:
        self.parameters: list[object] = list(parameters)
        self._columns = columns
        self._places: dict[tuple[type, object], str] = {}

    def over(self, columns: Columns) -> Sql:
        """The same with other columns and these parameters, for another part of the
        same statement."""
        other = Sql(columns)
        other.parameters, other._places = self.parameters, self._places
        return other

    def scope(self, rule: Rule) -> str:
        """Whether a row is in a rule's scope, by its dates and its `where`."""
        day = self._columns["period.end"]
        start = self._number(rule.effective.start.toordinal())
        held = f"{day} >= {start}"
        if rule.effective.end is not None:
            held += f" AND {day} < {self._number(rule.effective.end.toordinal())}"
        if rule.where is None:
            return f"({held})"
        return f"({held} AND {self.condition(rule.where.condition)})"

    def fires(self, rule: Rule) -> str:
        """Whether a whole rule is true, false or unknown of a row."""
        return f"({self.scope(rule)} AND {self.condition(rule.when.condition)})"

    def missing(self, condition: Condition) -> tuple[list[str], str]:
        """The names that a condition may lack, and an array of the places of those that
        it does, on a row of which it is unknown: as `native` names them."""
        found = list(self._missing(condition, ()))
        names = sorted({name for name, _ in found})
        places = ", ".join(
            f"CASE WHEN {where} THEN {names.index(name)} END" for name, where in found
        )
        return names, f"array_remove(ARRAY[{places}]::int[], NULL)"

    def _missing(
        self, condition: Condition, within: tuple[str, ...]
    ) -> Iterator[tuple[str, str]]:
        """(name, where it is missed); `within` is what is unknown around it."""
        if isinstance(condition, (All, Either)):
            for part in condition.parts:
                unknown = f"{self.condition(part)} IS NULL"
                yield from self._missing(part, (*within, unknown))
            return
        columns = {n: self._columns[n] for n in sorted(names_in(condition))}
        for name, column in columns.items():
            yield name, " AND ".join((*within, f"{column} IS NULL"))
        for name in out_of_force(condition):
            known = f"num_nulls({', '.join(columns.values())}) = 0"
            yield name, " AND ".join((*within, known))

    def severity(self, rows: Sequence[SeverityRow]) -> str:
        """The order of the severity of a row on which the rule fires, from 0."""
        cases = [
            f"WHEN {self.condition(row.condition.condition)} THEN {row.severity.order}"
            for row in rows
            if row.condition is not None
        ]
        last = rows[-1].severity.order
        return f"CASE {' '.join(cases)} ELSE {last} END" if cases else str(last)

    def condition(self, condition: Condition) -> str:
        """An expression that is true, false, or NULL where something is missing."""
        if isinstance(condition, (All, Either)):
            word = " AND " if isinstance(condition, All) else " OR "
            return f"({word.join(self.condition(part) for part in condition.parts)})"
        if isinstance(condition, Compare):
            left, right = self._term(condition.left), self._term(condition.right)
            sign = SIGNS[condition.operator].replace("==", "=").replace("!=", "<>")
            return f"({left} {sign} {right})"
        value = self._term(condition.ref)
        if isinstance(condition, Known):
            return f"({value} IS {'NOT ' if condition.wanted else ''}NULL)"
        if isinstance(condition, Has):
            has = f"({self._text(condition.text)} = ANY ({value}))"
            return has if condition.wanted else f"(NOT {has})"
        return self._among(condition, value)

    def _among(self, condition: In, value: str) -> str:
        texts = self._place(list(condition.texts), "text[]")
        return f"({value} {'= ANY' if condition.wanted else '<> ALL'} ({texts}))"

    def _term(self, term: Term) -> str:
        if isinstance(term, Ref):
            return self._columns[term.name]
        if isinstance(term, Const):
            return self._const(term)
        if isinstance(term, Param):
            return self._param(term)
        if isinstance(term, Anniversary):
            return self._anniversary(term)
        left, right = self._term(term.left), self._term(term.right)
        # Products of two counts may be beyond eight bytes; sums of them never are.
        wide = "numeric" if _multiplies(term) else "bigint"
        return f"({left}::{wide} {term.operator} {right})"

    def _const(self, const: Const) -> str:
        if isinstance(const.value, bool):
            return "true" if const.value else "false"
        if isinstance(const.value, str):
            return self._text(const.value)
        return self._number(const.value)

    def _param(self, param: Param) -> str:
        """The value in force on the period's last day; NULL before the first."""
        day = self._columns["period.end"]
        cases = [
            f"WHEN {day} >= {self._number(first)} THEN"
            f" {self._number(v) if isinstance(v, int) else self._text(v)}"
            for first, v in reversed(param.values)
        ]
        return f"CASE {' '.join(cases)} END"

    def _anniversary(self, term: Anniversary) -> str:
        born = f"(DATE '0001-01-01' + ({self._term(term.born)} - 1)::int)"
        if term.unit == "day":
            return f"({self._term(term.born)} + {self._number(term.count)})"
        months = term.count * (12 if term.unit == "year" else 1)
        later = f"({born} + make_interval(months => {self._number(months)}::int))::date"
        return DAY_NUMBER.format(later)

    def _number(self, value: int) -> str:
        return self._place(value, "bigint")

    def _text(self, value: str) -> str:
        return self._place(value, "text")

    def _place(self, value: object, kind: str) -> str:
        key = (type(value), value if isinstance(value, (int, str)) else repr(value))
        if key not in self._places:
            self.parameters.append(value)
            self._places[key] = f"${len(self.parameters)}::{kind}"
        return self._places[key]


def _multiplies(term: Term) -> bool:
    if not isinstance(term, Arithmetic):
        return False
    return term.operator == "*" or any(map(_multiplies, (term.left, term.right)))


def hundredths(column: str) -> str:
    """A column of two decimals as facts have it."""
    return f"({column} * 100)::bigint"


def day_number(column: str) -> str:
    """A column of dates as facts have it."""
    return DAY_NUMBER.format(column)


def of_kind(column: str, kind: Kind) -> str:
    """A column as facts have it, by what its name holds."""
    if kind in (Kind.PERCENT, Kind.POINTS, Kind.DECIMAL):
        return hundredths(column)
    return day_number(column) if kind is Kind.DATE else column
