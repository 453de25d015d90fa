"""Loose values of an expression, settled by what stands beside them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from services.alerts.domain import meant
from services.alerts.domain.expressions import (
    AgeUnit,
    Const,
    Param,
    ParamTable,
    Ref,
    Term,
    kind_of,
)
from services.alerts.domain.faults import Misread
from services.alerts.domain.numerals import rewritten
from services.alerts.domain.syntax import (
    AGE_UNITS,
    ArithmeticNode,
    CompareNode,
    NumberNode,
)
from services.alerts.domain.vocabulary import (
    HUNDREDTHS,
    NUMERIC,
    UNITS,
    Kind,
    NotAValue,
    day,
    scaled,
)


@dataclass(frozen=True, slots=True)
class Bare:
    """A number without a unit, still waiting for the other side's."""

    value: Decimal


@dataclass(frozen=True, slots=True)
class BareParam:
    """A parameter without a unit, still waiting for the other side's."""

    name: str
    table: ParamTable


@dataclass(frozen=True, slots=True)
class Span:
    """So many years, months or days: only an age compares with it."""

    count: int
    unit: AgeUnit


@dataclass(frozen=True, slots=True)
class Age:
    """How old something is on a day: only a span compares with it."""

    born: Ref | Const
    on: Ref | Const


Loose = Term | Bare | BareParam | Span | Age


def number(node: NumberNode) -> Loose:
    if node.unit is None:
        return Bare(node.value)
    if node.unit in UNITS:
        return _const(node.value, UNITS[node.unit], node.at)
    return _span(node.value, node.unit, node.at)


def _span(value: Decimal, unit: str, at: int) -> Span:
    if value != value.to_integral_value() or value > 1000:
        raise Misread(
            at,
            "Tuổi phải là số nguyên, không quá 1000.",
            "An age is a whole number of at most 1000.",
        )
    name = AGE_UNITS[unit]
    return Span(int(value), "year" if name == "year" else "month")


def _const(value: Decimal, kind: Kind, at: int) -> Const:
    try:
        return Const(scaled(value, kind), kind)
    except NotAValue:
        other = rewritten(str(value), whole=kind not in HUNDREDTHS)
        raise Misread(
            at,
            f"{value} không phải là giá trị {kind.value}: phần trăm và điểm có tối đa"
            " 2 số lẻ, các loại khác là số nguyên.",
            f"{value} is no {kind.value}: percent and points have at most 2 decimals,"
            " everything else is whole.",
            other and other[1],
        ) from None


def settled(
    node: CompareNode | ArithmeticNode, left: Loose, right: Loose
) -> tuple[Term, Term]:
    """Give a side without a unit that of the other side."""
    first = settle(left, right, node.left.at)
    second = settle(right, first, node.right.at)
    return first, second


def settle(term: Loose, other: Loose, at: int) -> Term:
    if isinstance(term, (Age, Span)):
        raise only_ages(at)
    if isinstance(term, (Bare, BareParam)):
        return with_kind(term, kind_wanted(other), at)
    if isinstance(term, Const) and isinstance(term.value, str):
        return maybe_date(term, other, at)
    return term


def kind_wanted(other: Loose) -> Kind:
    if isinstance(other, (Bare, BareParam, Age, Span)):
        return Kind.NUMBER
    return kind_of(other)


def with_kind(term: Bare | BareParam, kind: Kind, at: int) -> Term:
    if kind is Kind.DATE:
        raise Misread(
            at,
            'Một số không so được với ngày; ngày viết, ví dụ: "2022-03-08".',
            'A number cannot stand beside a date; one is, for example: "2022-03-08".',
        )
    if kind not in NUMERIC:
        raise Misread(
            at,
            f"Một số không so được với {kind.value}.",
            f"A number cannot stand beside a {kind.value}.",
        )
    if isinstance(term, Bare):
        return _const(term.value, kind, at)
    return _param_of(term.name, term.table, kind, at)


def maybe_date(term: Const, other: Loose, at: int) -> Const:
    """A text beside a date is a date."""
    if isinstance(other, (Bare, BareParam, Age, Span)):
        return term
    if kind_of(other) is not Kind.DATE or not isinstance(term.value, str):
        return term
    try:
        return Const(day(term.value).toordinal(), Kind.DATE)
    except NotAValue:
        words, instead = meant.no_day(term.value), meant.day(term.value)
        hint = f'"{instead}"' if instead else None
        raise Misread(at, words.vi, words.en, hint) from None


def param_term(name: str, table: ParamTable, at: int) -> Param | BareParam:
    units = {value.unit for _, value in table}
    texts = {isinstance(value.value, str) for _, value in table}
    if len(units) != 1 or len(texts) != 1:
        raise Misread(
            at,
            f"Các giá trị của tham số {name!r} không cùng đơn vị.",
            f"The values of the parameter {name!r} have different units.",
        )
    if texts == {True}:
        return _param_of(name, table, Kind.TEXT, at)
    unit = units.pop()
    return BareParam(name, table) if unit is None else _param_of(name, table, unit, at)


def _param_of(name: str, table: ParamTable, kind: Kind, at: int) -> Param:
    values: list[tuple[int, int | str]] = []
    for first_day, each in table:
        if isinstance(each.value, str):
            values.append((first_day.toordinal(), each.value))
        else:
            whole = _const(each.value, kind, at).value
            values.append((first_day.toordinal(), whole))
    return Param(name, kind, tuple(values))


def only_ages(at: int) -> Misread:
    return Misread(
        at,
        "Năm, tháng và age(…) chỉ dùng để so sánh với nhau; ví dụ: age(case.decided_on,"
        " at) > 1 year.",
        "Years, months and age(…) only compare with each other; for example:"
        " age(case.decided_on, at) > 1 year.",
    )
