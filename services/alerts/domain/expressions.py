"""Expressions of rules as a typed tree in which every number is whole."""

from __future__ import annotations

import operator
from calendar import monthrange
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from services.alerts.domain.vocabulary import Kind, printed

Operator = Literal["lt", "le", "gt", "ge", "eq", "ne"]
AgeUnit = Literal["year", "month", "day"]

OPERATORS: Final[Mapping[str, Operator]] = {
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
    "==": "eq",
    "!=": "ne",
}
SIGNS: Final[Mapping[Operator, str]] = {name: sign for sign, name in OPERATORS.items()}
NEGATED: Final[Mapping[Operator, Operator]] = {
    "lt": "ge",
    "le": "gt",
    "gt": "le",
    "ge": "lt",
    "eq": "ne",
    "ne": "eq",
}
TURNED: Final[Mapping[Operator, Operator]] = {
    "lt": "gt",
    "le": "ge",
    "gt": "lt",
    "ge": "le",
    "eq": "eq",
    "ne": "ne",
}
"""a OP b says the same as b TURNED[OP] a."""

ARITHMETIC: Final[Mapping[str, Callable[[int, int], int]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}


@dataclass(frozen=True, slots=True)
class Ref:
    """The value of a name."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Const:
    """A value written in the rule."""

    value: int | str | bool
    kind: Kind


@dataclass(frozen=True, slots=True)
class Param:
    """A dated value of the rule; the one in force at the period's end holds."""

    name: str
    kind: Kind
    values: tuple[tuple[int, int | str], ...]
    """(first day as an ordinal, value), oldest first."""


@dataclass(frozen=True, slots=True)
class Anniversary:
    """The day on which something that began on `born` is `count` units old."""

    born: Ref | Const
    count: int
    unit: AgeUnit


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """A sum, difference or product of two whole numbers."""

    operator: str
    left: Term
    right: Term
    kind: Kind


Term = Ref | Const | Param | Anniversary | Arithmetic


@dataclass(frozen=True, slots=True)
class Compare:
    """True or false when both sides are known, else unknown."""

    operator: Operator
    left: Term
    right: Term


@dataclass(frozen=True, slots=True)
class Known:
    """Whether a name has a value: never unknown itself."""

    ref: Ref
    wanted: bool


@dataclass(frozen=True, slots=True)
class Has:
    """Whether a list has a text in it."""

    ref: Ref
    text: str
    wanted: bool


@dataclass(frozen=True, slots=True)
class In:
    """Whether a text is one of several."""

    ref: Ref
    texts: tuple[str, ...]
    wanted: bool


@dataclass(frozen=True, slots=True)
class All:
    """True when every part is; false when one is false; else unknown."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """True when one part is; false when every part is false; else unknown."""

    parts: tuple[Condition, ...]


Leaf = Compare | Known | Has | In
Condition = Leaf | All | Either


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression as it was written, and the tree that it means."""

    text: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class ParamValue:
    """A parameter's value. Without a unit it takes the other side's."""

    text: str
    value: Decimal | str
    unit: Kind | None = None


ParamTable = tuple[tuple[date, ParamValue], ...]
"""A parameter's values by their first day, oldest first."""


def leaves(condition: Condition) -> Iterator[Leaf]:
    """The leaves from left to right."""
    if isinstance(condition, (All, Either)):
        for part in condition.parts:
            yield from leaves(part)
    else:
        yield condition


def names_in(subject: Condition | Term) -> frozenset[str]:
    """Every name that must be known to judge this."""
    if isinstance(subject, Ref):
        return frozenset({subject.name})
    if isinstance(subject, Const):
        return frozenset()
    if isinstance(subject, Param):
        return frozenset({"period.end"})
    if isinstance(subject, Anniversary):
        return names_in(subject.born)
    if isinstance(subject, (Compare, Arithmetic)):
        return names_in(subject.left) | names_in(subject.right)
    if isinstance(subject, (Known, Has, In)):
        return frozenset({subject.ref.name})
    return frozenset().union(*(names_in(part) for part in subject.parts))


def kind_of(term: Term) -> Kind:
    """What a term's value is."""
    return Kind.DATE if isinstance(term, Anniversary) else term.kind


def written(term: Term) -> str:
    """A term as a reader of the trace sees it."""
    if isinstance(term, Ref):
        return term.name
    if isinstance(term, Const):
        return _literal(term)
    if isinstance(term, Param):
        return f'param("{term.name}")'
    if isinstance(term, Anniversary):
        return f"{written(term.born)} + {term.count} {term.unit}"
    left, right = written(term.left), written(term.right)
    if term.operator != "+" and isinstance(term.right, Arithmetic):
        right = f"({right})"
    if term.operator == "*" and isinstance(term.left, Arithmetic):
        left = f"({left})"
    return f"{left} {term.operator} {right}"


def trimmed(const: Const) -> str:
    """A number as an author would write it, without unit: 5 and not 5.00."""
    number = str(printed(const.value, const.kind))
    return number.rstrip("0").rstrip(".") if "." in number else number


def _literal(const: Const) -> str:
    if isinstance(const.value, bool):
        return "true" if const.value else "false"
    if isinstance(const.value, str):
        return f'"{const.value}"'
    text = str(printed(const.value, const.kind))
    if const.kind is Kind.PERCENT:
        return f"{text} %"
    if const.kind is Kind.POINTS:
        return f"{text} pp"
    if const.kind in (Kind.NUMBER, Kind.DECIMAL, Kind.COUNT, Kind.DATE):
        return text
    return f"{text} {const.kind.value}"


def age_day(born: date, count: int, unit: AgeUnit) -> date | None:
    """The anniversary; a month too short for it ends on its last day (29 February
    + 1 year is 28 February). None beyond the end of the calendar."""
    if unit == "day":
        ordinal = born.toordinal() + count
        return date.fromordinal(ordinal) if ordinal <= date.max.toordinal() else None
    months = born.year * 12 + born.month - 1 + count * (12 if unit == "year" else 1)
    year, month = divmod(months, 12)
    if year > date.max.year:
        return None
    return date(year, month + 1, min(born.day, monthrange(year, month + 1)[1]))
