"""Expressions of rules as a typed tree in which every number is whole."""

from __future__ import annotations

import operator
import unicodedata
from calendar import monthrange
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from services.alerts.domain.syntax import (
    AGE_UNITS,
    ArithmeticNode,
    CallNode,
    CompareNode,
    ExpressionError,
    Fault,
    FlagNode,
    HasNode,
    InNode,
    JoinNode,
    KnownNode,
    MinusNode,
    Misread,
    NameNode,
    Node,
    NotNode,
    NumberNode,
    TextNode,
    nearest,
    read_tree,
)
from services.alerts.domain.vocabulary import (
    LARGEST,
    LATER,
    NUMERIC,
    UNITS,
    VOCABULARY,
    Kind,
    Names,
    NotAValue,
    day,
    printed,
    scaled,
)

__all__ = [
    "All",
    "Anniversary",
    "Arithmetic",
    "Compare",
    "Condition",
    "Const",
    "Either",
    "Expression",
    "ExpressionError",
    "Fault",
    "Has",
    "In",
    "Known",
    "Operator",
    "Param",
    "ParamTable",
    "ParamValue",
    "Ref",
    "Term",
    "leaves",
    "names_in",
    "param_value",
    "parse",
    "written",
]

Operator = Literal["lt", "le", "gt", "ge", "eq", "ne"]
AgeUnit = Literal["year", "month", "day"]

_OPERATORS: Final[Mapping[str, Operator]] = {
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
    "==": "eq",
    "!=": "ne",
}
SIGNS: Final[Mapping[Operator, str]] = {name: sign for sign, name in _OPERATORS.items()}
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
_MONEY_OR_CASES: Final = frozenset({Kind.COUNT, Kind.VND, Kind.CASES})
_ADDED: Final = frozenset(
    {Kind.POINTS, Kind.NUMBER, Kind.DAYS, Kind.WDAYS, *_MONEY_OR_CASES}
)


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


@dataclass(frozen=True, slots=True)
class _Bare:
    """A number without a unit, still waiting for the other side's."""

    value: Decimal


@dataclass(frozen=True, slots=True)
class _BareParam:
    """A parameter without a unit, still waiting for the other side's."""

    name: str
    table: ParamTable


@dataclass(frozen=True, slots=True)
class _Span:
    """So many years, months or days: only an age compares with it."""

    count: int
    unit: AgeUnit


@dataclass(frozen=True, slots=True)
class _Age:
    """How old something is on a day: only a span compares with it."""

    born: Ref | Const
    on: Ref | Const


_Loose = Term | _Bare | _BareParam | _Span | _Age


def parse(
    text: str,
    *,
    names: Names = VOCABULARY,
    params: Mapping[str, ParamTable] | None = None,
) -> Expression:
    """Read, check and simplify one condition. Raises ExpressionError."""
    try:
        tree = read_tree(text)
        condition = _Checker(names, params or {}).condition(tree, wanted=True)
    except Misread as fault:
        raise fault.located(text) from None
    return Expression(text, condition)


def param_value(text: str) -> ParamValue:
    """Read a parameter's value: `4`, `-10 pp`, `20_000_000 vnd`, or else a text."""
    as_text = ParamValue(text, unicodedata.normalize("NFC", text))
    try:
        node = read_tree(text)
    except Misread:
        return as_text
    sign = 1
    if isinstance(node, MinusNode):
        sign, node = -1, node.operand
    if not isinstance(node, NumberNode):
        return as_text
    if node.unit is not None and node.unit not in UNITS:
        raise NotAValue(text)
    unit = UNITS[node.unit] if node.unit else None
    return ParamValue(text, sign * node.value, unit)


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
    if const.kind in (Kind.NUMBER, Kind.COUNT, Kind.DATE):
        return text
    return f"{text} {const.kind.value}"


class _Checker:
    """Gives every written node its meaning, or says why it has none."""

    def __init__(self, names: Names, params: Mapping[str, ParamTable]) -> None:
        self._names = names
        self._params = params

    def condition(self, node: Node, *, wanted: bool) -> Condition:
        """The condition, or with `wanted` false its opposite: `not` goes no further
        than this, so what reaches the readings has no `not` in it."""
        if isinstance(node, NotNode):
            return self.condition(node.operand, wanted=not wanted)
        if isinstance(node, JoinNode):
            return self._joined(node, wanted)
        if isinstance(node, CompareNode):
            return self._compared(node, wanted)
        if isinstance(node, KnownNode):
            return Known(self._ref(node.operand), node.known is wanted)
        if isinstance(node, HasNode):
            ref = self._ref_of(node.operand, Kind.LIST, "has")
            return Has(ref, node.text, wanted)
        if isinstance(node, InNode):
            ref = self._ref_of(node.operand, Kind.TEXT, "in")
            return In(ref, node.texts, wanted)
        return self._flag(node, wanted)

    def _joined(self, node: JoinNode, wanted: bool) -> Condition:
        parts: list[Condition] = []
        joint = All if (node.word == "and") is wanted else Either
        for each in node.parts:
            part = self.condition(each, wanted=wanted)
            parts.extend(part.parts if isinstance(part, joint) else (part,))
        return joint(tuple(parts))

    def _flag(self, node: Node, wanted: bool) -> Condition:
        if isinstance(node, NameNode):
            ref = self._ref(node)
            if ref.kind is Kind.FLAG:
                return Compare("eq", ref, Const(wanted, Kind.FLAG))
            raise Misread(
                node.at,
                f"{ref.name} không phải là đúng/sai; hãy so sánh nó với một giá trị.",
                f"{ref.name} is no flag; compare it with something.",
                f"{ref.name} is known",
            )
        raise Misread(
            node.at,
            "Chỗ này cần một điều kiện.",
            "A condition is expected here.",
        )

    def _compared(self, node: CompareNode, wanted: bool) -> Condition:
        op = _OPERATORS[node.operator]
        if not wanted:
            op = NEGATED[op]
        left, right = self._term(node.left), self._term(node.right)
        if isinstance(left, _Age) or isinstance(right, _Age):
            return _by_age(node, op, left, right)
        first, second = self._settled(node, left, right)
        if not _comparable(kind_of(first), kind_of(second)):
            raise _mismatch(node, first, second)
        self._orderable(node, kind_of(first))
        if isinstance(first, Const) and isinstance(second, Const):
            raise _constants(node.at)
        return Compare(op, first, second)

    def _orderable(self, node: CompareNode, kind: Kind) -> None:
        if kind is Kind.LIST:
            raise Misread(
                node.left.at,
                "Danh sách chỉ dùng được với has.",
                "A list can only be asked what it has.",
                'has "…"',
            )
        if kind not in NUMERIC and node.operator not in ("==", "!="):
            raise Misread(
                node.at,
                f"Không so sánh lớn bé được với {kind.value}.",
                f"A {kind.value} has no order.",
                "==",
            )

    def _settled(
        self, node: CompareNode | ArithmeticNode, left: _Loose, right: _Loose
    ) -> tuple[Term, Term]:
        """Give a side without a unit that of the other side."""
        first = self._settle(left, right, node.left.at)
        second = self._settle(right, first, node.right.at)
        return first, second

    def _settle(self, term: _Loose, other: _Loose, at: int) -> Term:
        if isinstance(term, (_Age, _Span)):
            raise _only_ages(at)
        if isinstance(term, (_Bare, _BareParam)):
            return _with_kind(term, _kind_wanted(other), at)
        if isinstance(term, Const) and isinstance(term.value, str):
            return _maybe_date(term, other, at)
        return term

    def _term(self, node: Node) -> _Loose:
        if isinstance(node, NumberNode):
            return _number(node)
        if isinstance(node, TextNode):
            return Const(node.value, Kind.TEXT)
        if isinstance(node, FlagNode):
            return Const(node.value, Kind.FLAG)
        if isinstance(node, NameNode):
            return self._ref(node)
        if isinstance(node, CallNode):
            return self._call(node)
        if isinstance(node, MinusNode):
            return self._minus(node)
        if isinstance(node, ArithmeticNode):
            return self._arithmetic(node)
        raise Misread(node.at, "Chỗ này cần một giá trị.", "A value is expected here.")

    def _ref(self, node: Node) -> Ref:
        if not isinstance(node, NameNode):
            raise Misread(node.at, "Chỗ này cần một tên.", "A name is expected here.")
        known = self._names.get(node.name)
        if known is not None:
            return Ref(known.name, known.kind)
        if node.name.startswith(LATER):
            raise Misread(
                node.at,
                f"Phiên bản này chưa hỗ trợ tên {node.name!r}.",
                f"The name {node.name!r} is not supported by this version.",
            )
        raise Misread(
            node.at,
            f"Không có tên {node.name!r}.",
            f"There is no name {node.name!r}.",
            nearest(node.name, self._names),
        )

    def _ref_of(self, node: Node, kind: Kind, word: str) -> Ref:
        ref = self._ref(node)
        if ref.kind is kind:
            return ref
        raise Misread(
            node.at,
            f"{word!r} cần {kind.value}, nhưng {ref.name} là {ref.kind.value}.",
            f"{word!r} needs a {kind.value}, and {ref.name} is a {ref.kind.value}.",
        )

    def _call(self, node: CallNode) -> _Loose:
        if node.function == "age":
            return self._age(node)
        if node.function == "param":
            return self._param(node)
        raise Misread(
            node.at,
            f"Không có hàm {node.function!r}.",
            f"There is no function {node.function!r}.",
            nearest(node.function, ["age", "param"]),
        )

    def _age(self, node: CallNode) -> _Age:
        if len(node.arguments) != 2:
            raise Misread(
                node.at,
                "age cần hai ngày: age(từ ngày, đến ngày).",
                "age takes two dates: age(since, on).",
                "age(date, at)",
            )
        born, on = (self._date(argument) for argument in node.arguments)
        return _Age(born, on)

    def _date(self, node: Node) -> Ref | Const:
        term = self._term(node)
        if isinstance(term, Const):
            term = _maybe_date(term, Ref("", Kind.DATE), node.at)
        if isinstance(term, (Ref, Const)) and term.kind is Kind.DATE:
            return term
        raise Misread(node.at, "Chỗ này cần một ngày.", "A date is expected here.")

    def _param(self, node: CallNode) -> _Loose:
        argument = node.arguments[0]
        if len(node.arguments) != 1 or not isinstance(argument, TextNode):
            raise Misread(
                node.at,
                'param cần một tên trong ngoặc kép: param("tên").',
                'param takes one name in quotes: param("name").',
            )
        table = self._params.get(argument.value)
        if table is None:
            raise Misread(
                argument.at,
                f"Không có tham số {argument.value!r} trong params.",
                f"There is no parameter {argument.value!r} under params.",
                nearest(argument.value, self._params),
            )
        return _param_term(argument.value, table, node.at)

    def _minus(self, node: MinusNode) -> _Loose:
        operand = self._term(node.operand)
        if isinstance(operand, _Bare):
            return _Bare(-operand.value)
        return self._combined(node.at, "*", _minus_one(), operand, node.at)

    def _arithmetic(self, node: ArithmeticNode) -> _Loose:
        left, right = self._term(node.left), self._term(node.right)
        if isinstance(left, _Bare) and isinstance(right, _Bare):
            return _Bare(_folded_bare(node.operator, left.value, right.value))
        return self._combined(node.at, node.operator, left, right, node.right.at)

    def _combined(
        self, at: int, sign: str, left: _Loose, right: _Loose, right_at: int
    ) -> Term:
        if sign == "*":
            first, second = _factor(left, at), _factor(right, right_at)
        else:
            first = self._settle(left, _addend(right, left), at)
            second = self._settle(right, _addend(first, right), right_at)
        kind = _combined_kind(sign, kind_of(first), kind_of(second))
        if kind is None:
            raise _no_such_sum(at, sign, first, second)
        return _folded(Arithmetic(sign, first, second, kind), at)


def _minus_one() -> Const:
    return Const(-1, Kind.NUMBER)


def _number(node: NumberNode) -> _Loose:
    if node.unit is None:
        return _Bare(node.value)
    if node.unit in UNITS:
        return _const(node.value, UNITS[node.unit], node.at)
    return _span(node.value, node.unit, node.at)


def _span(value: Decimal, unit: str, at: int) -> _Span:
    if value != value.to_integral_value() or value > 1000:
        raise Misread(
            at,
            "Tuổi phải là số nguyên, không quá 1000.",
            "An age is a whole number of at most 1000.",
        )
    name = AGE_UNITS[unit]
    return _Span(int(value), "year" if name == "year" else "month")


def _const(value: Decimal, kind: Kind, at: int) -> Const:
    try:
        return Const(scaled(value, kind), kind)
    except NotAValue:
        raise Misread(
            at,
            f"{value} không phải là giá trị {kind.value}: phần trăm và điểm có tối đa"
            " 2 số lẻ, các loại khác là số nguyên.",
            f"{value} is no {kind.value}: percent and points have at most 2 decimals,"
            " everything else is whole.",
        ) from None


def _kind_wanted(other: _Loose) -> Kind:
    if isinstance(other, (_Bare, _BareParam, _Age, _Span)):
        return Kind.NUMBER
    return kind_of(other)


def _addend(other: _Loose, mine: _Loose) -> _Loose:
    """What a bare number is added to: days, when it is added to a date."""
    if not isinstance(mine, (_Bare, _BareParam)):
        return other
    return Ref("", Kind.DAYS) if _kind_wanted(other) is Kind.DATE else other


def _factor(term: _Loose, at: int) -> Term:
    """One side of a product: a bare number there is a plain number."""
    if isinstance(term, (_Age, _Span)):
        raise _only_ages(at)
    if isinstance(term, (_Bare, _BareParam)):
        return _with_kind(term, Kind.NUMBER, at)
    return term


def _with_kind(term: _Bare | _BareParam, kind: Kind, at: int) -> Term:
    if kind not in NUMERIC or kind is Kind.DATE:
        raise Misread(
            at,
            f"Một số không so được với {kind.value}.",
            f"A number cannot stand beside a {kind.value}.",
            '"2022-03-08"' if kind is Kind.DATE else None,
        )
    if isinstance(term, _Bare):
        return _const(term.value, kind, at)
    return _param_of(term.name, term.table, kind, at)


def _param_term(name: str, table: ParamTable, at: int) -> Param | _BareParam:
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
    return _BareParam(name, table) if unit is None else _param_of(name, table, unit, at)


def _param_of(name: str, table: ParamTable, kind: Kind, at: int) -> Param:
    values: list[tuple[int, int | str]] = []
    for first_day, each in table:
        if isinstance(each.value, str):
            values.append((first_day.toordinal(), each.value))
        else:
            whole = _const(each.value, kind, at).value
            values.append((first_day.toordinal(), whole))
    return Param(name, kind, tuple(values))


def _maybe_date(term: Const, other: _Loose, at: int) -> Const:
    """A text beside a date is a date."""
    if isinstance(other, (_Bare, _BareParam, _Age, _Span)):
        return term
    if kind_of(other) is not Kind.DATE or not isinstance(term.value, str):
        return term
    try:
        return Const(day(term.value).toordinal(), Kind.DATE)
    except NotAValue:
        raise Misread(
            at,
            f"{term.value!r} không phải là ngày.",
            f"{term.value!r} is not a date.",
            '"2022-03-08"',
        ) from None


def _by_age(node: CompareNode, op: Operator, left: _Loose, right: _Loose) -> Compare:
    """age(born, on) > n is: on comes after the n-th anniversary of born."""
    if isinstance(right, _Age):
        op, left, right = TURNED[op], right, left
    if isinstance(right, Const) and right.kind is Kind.DAYS:
        right = _Span(int(right.value), "day")
    if not isinstance(left, _Age) or not isinstance(right, _Span):
        raise Misread(
            node.at,
            "Tuổi chỉ so được với số năm, tháng hoặc ngày.",
            "An age compares only with years, months or days.",
            "> 1 year",
        )
    if isinstance(left.born, Const) and isinstance(left.on, Const):
        raise _constants(node.at)
    return Compare(op, left.on, Anniversary(left.born, right.count, right.unit))


def _comparable(left: Kind, right: Kind) -> bool:
    mixed = Kind.COUNT in (left, right) and {left, right} <= _MONEY_OR_CASES
    return left is right or mixed


def _combined_kind(sign: str, left: Kind, right: Kind) -> Kind | None:
    """The kind of a sum, difference or product; None when there is none."""
    if sign == "*":
        return _product_kind(left, right)
    if left is right and left in _ADDED:
        return left
    if _comparable(left, right) and left in _MONEY_OR_CASES:
        return right if left is Kind.COUNT else left
    return _DIFFERENT.get((sign, left, right))


_DIFFERENT: Final[Mapping[tuple[str, Kind, Kind], Kind]] = {
    ("-", Kind.PERCENT, Kind.PERCENT): Kind.POINTS,
    ("-", Kind.PERCENT, Kind.POINTS): Kind.PERCENT,
    ("+", Kind.PERCENT, Kind.POINTS): Kind.PERCENT,
    ("+", Kind.POINTS, Kind.PERCENT): Kind.PERCENT,
    ("-", Kind.DATE, Kind.DATE): Kind.DAYS,
    ("-", Kind.DATE, Kind.DAYS): Kind.DATE,
    ("+", Kind.DATE, Kind.DAYS): Kind.DATE,
    ("+", Kind.DAYS, Kind.DATE): Kind.DATE,
}


def _product_kind(left: Kind, right: Kind) -> Kind | None:
    if left is not Kind.NUMBER:
        left, right = right, left
    scalable = right in NUMERIC and right is not Kind.DATE
    return right if left is Kind.NUMBER and scalable else None


def _folded_bare(sign: str, left: Decimal, right: Decimal) -> Decimal:
    if sign == "+":
        return left + right
    return left - right if sign == "-" else left * right


def _folded(term: Arithmetic, at: int) -> Term:
    """Constant arithmetic is done here, once."""
    left, right = term.left, term.right
    if not isinstance(left, Const) or not isinstance(right, Const):
        return term
    value = ARITHMETIC[term.operator](int(left.value), int(right.value))
    outside = term.kind is Kind.DATE and not 1 <= value <= date.max.toordinal()
    if outside or abs(value) > LARGEST:
        raise Misread(at, "Kết quả quá lớn.", "The result is too large.")
    return Const(value, term.kind)


def _constants(at: int) -> Misread:
    return Misread(
        at,
        "Hai hằng số so với nhau không nói gì về số liệu.",
        "Comparing two constants says nothing about the figures.",
    )


def _only_ages(at: int) -> Misread:
    return Misread(
        at,
        "Năm, tháng và age(…) chỉ dùng để so sánh với nhau.",
        "Years, months and age(…) only compare with each other.",
        "age(date, at) > 1 year",
    )


def _mismatch(node: CompareNode, left: Term, right: Term) -> Misread:
    a, b = kind_of(left).value, kind_of(right).value
    return Misread(
        node.at,
        f"{written(left)} là {a}, {written(right)} là {b}: không so sánh được.",
        f"{written(left)} is {a} and {written(right)} is {b}: they do not compare.",
        _repaired(left, right) or _repaired(right, left),
    )


def _repaired(const: Term, other: Term) -> str | None:
    """The same literal with the other side's unit."""
    if not isinstance(const, Const) or isinstance(const.value, (bool, str)):
        return None
    if kind_of(other) not in NUMERIC or kind_of(other) is Kind.DATE:
        return None
    number = str(printed(const.value, const.kind))
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    unit = {Kind.PERCENT: " %", Kind.POINTS: " pp", Kind.NUMBER: "", Kind.COUNT: ""}
    return number + unit.get(kind_of(other), f" {kind_of(other).value}")


def _no_such_sum(at: int, sign: str, left: Term, right: Term) -> Misread:
    a, b = kind_of(left).value, kind_of(right).value
    hint = "5 pp" if Kind.PERCENT in (kind_of(left), kind_of(right)) else None
    return Misread(
        at,
        f"Không tính được {a} {sign} {b}.",
        f"There is no {a} {sign} {b}.",
        hint,
    )


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
