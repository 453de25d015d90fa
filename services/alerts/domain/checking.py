"""Text of a condition becomes a typed tree, or a fault that says why it cannot."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from services.alerts.domain.advice import (
    constants,
    hyphened,
    mismatch,
    never,
    no_function,
    no_name,
    turned,
    unquoted,
)
from services.alerts.domain.ages import by_age
from services.alerts.domain.combining import combined, comparable, folded_bare
from services.alerts.domain.expressions import (
    NEGATED,
    OPERATORS,
    All,
    Compare,
    Condition,
    Const,
    Either,
    Expression,
    Has,
    In,
    Known,
    Param,
    ParamTable,
    ParamValue,
    Ref,
    Term,
    kind_of,
)
from services.alerts.domain.faults import Misread
from services.alerts.domain.meant import nearest
from services.alerts.domain.numerals import rewritten
from services.alerts.domain.settling import (
    Age,
    Bare,
    Loose,
    maybe_date,
    number,
    param_term,
    settled,
)
from services.alerts.domain.syntax import (
    ArithmeticNode,
    CallNode,
    CompareNode,
    FlagNode,
    HasNode,
    InNode,
    JoinNode,
    KnownNode,
    MinusNode,
    NameNode,
    Node,
    NotNode,
    NumberNode,
    TextNode,
    TurnedNode,
    read_tree,
)
from services.alerts.domain.vocabulary import (
    NUMERIC,
    UNITS,
    VOCABULARY,
    Kind,
    Names,
    NotAValue,
)


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
    other = rewritten(text)
    if other is not None and other[0] == text:
        raise NotAValue(text)
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
            instead = ("has", "==", (node.text,))
            return Has(self._ref_of(node, Kind.LIST, *instead), node.text, wanted)
        if isinstance(node, InNode):
            return self._among(node, wanted)
        if isinstance(node, TurnedNode):
            raise turned(node, self._names)
        return self._flag(node, wanted)

    def _joined(self, node: JoinNode, wanted: bool) -> Condition:
        parts: list[Condition] = []
        joint = All if (node.word == "and") is wanted else Either
        for each in node.parts:
            part = self.condition(each, wanted=wanted)
            parts.extend(part.parts if isinstance(part, joint) else (part,))
        return joint(tuple(parts))

    def _among(self, node: InNode, wanted: bool) -> In:
        texts = tuple(text.value for text in node.texts)
        ref = self._ref_of(node, Kind.TEXT, "in", "has", texts)
        for text in node.texts:
            _refuse(never(ref.name, text.value, text.at))
        return In(ref, texts, wanted)

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
        op = OPERATORS[node.operator]
        if not wanted:
            op = NEGATED[op]
        _refuse(unquoted(node.left, node.right, self._names))
        _refuse(unquoted(node.right, node.left, self._names))
        left, right = self._term(node.left), self._term(node.right)
        if isinstance(left, Age) or isinstance(right, Age):
            return by_age(node, op, left, right)
        first, second = settled(node, left, right)
        if not comparable(kind_of(first), kind_of(second)):
            raise mismatch(node, first, second)
        self._orderable(node, kind_of(first))
        if isinstance(first, Const) and isinstance(second, Const):
            raise constants(node.at)
        for term, other, at in (
            (first, second, node.right.at),
            (second, first, node.left.at),
        ):
            if isinstance(term, Ref):
                for text in _texts(other):
                    _refuse(never(term.name, text, at))
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
                f"Không so sánh lớn bé được với {kind.value}, chỉ == hoặc !=.",
                f"A {kind.value} has no order: only == and != compare it.",
            )

    def _term(self, node: Node) -> Loose:
        if isinstance(node, NumberNode):
            return number(node)
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
        raise no_name(node, self._names)

    def _ref_of(
        self,
        node: HasNode | InNode,
        kind: Kind,
        word: str,
        other: str,
        texts: tuple[str, ...],
    ) -> Ref:
        """What `has` or `in` asks; `other` asks the same of the other kind."""
        ref = self._ref(node.operand)
        if ref.kind is kind:
            return ref
        asked = " or ".join(f'{ref.name} {other} "{text}"' for text in texts)
        raise Misread(
            node.operand.at,
            f"{word!r} cần {kind.value}, nhưng {ref.name} là {ref.kind.value}.",
            f"{word!r} needs a {kind.value}, and {ref.name} is a {ref.kind.value}.",
            asked if ref.kind in (Kind.TEXT, Kind.LIST) else None,
        )

    def _call(self, node: CallNode) -> Loose:
        if node.function == "age":
            return self._age(node)
        if node.function == "param":
            return self._param(node)
        raise no_function(node.at, node.function)

    def _age(self, node: CallNode) -> Age:
        if len(node.arguments) != 2:
            raise Misread(
                node.at,
                "age cần hai ngày: age(từ ngày, đến ngày).",
                "age takes two dates: age(since, on).",
                _second_date(node),
            )
        born, on = (self._date(argument) for argument in node.arguments)
        return Age(born, on)

    def _date(self, node: Node) -> Ref | Const:
        term = self._term(node)
        if isinstance(term, Const):
            term = maybe_date(term, Ref("", Kind.DATE), node.at)
        if isinstance(term, (Ref, Const)) and term.kind is Kind.DATE:
            return term
        raise Misread(node.at, "Chỗ này cần một ngày.", "A date is expected here.")

    def _param(self, node: CallNode) -> Loose:
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
        return param_term(argument.value, table, node.at)

    def _minus(self, node: MinusNode) -> Loose:
        operand = self._term(node.operand)
        if isinstance(operand, Bare):
            return Bare(-operand.value)
        return combined(node.at, "*", _minus_one(), operand, node.at)

    def _arithmetic(self, node: ArithmeticNode) -> Loose:
        _refuse(hyphened(node, self._names))
        left, right = self._term(node.left), self._term(node.right)
        if isinstance(left, Bare) and isinstance(right, Bare):
            return Bare(folded_bare(node.operator, left.value, right.value))
        return combined(node.at, node.operator, left, right, node.right.at)


def _second_date(node: CallNode) -> str | None:
    """An age of one date is most likely meant as today's."""
    one = node.arguments[0]
    if len(node.arguments) == 1 and isinstance(one, NameNode) and one.name != "at":
        return f"age({one.name}, at)"
    return None


def _texts(term: Term) -> list[str]:
    """The texts that a constant is, or a parameter on some day."""
    if isinstance(term, Param):
        return [value for _, value in term.values if isinstance(value, str)]
    if isinstance(term, Const) and isinstance(term.value, str):
        return [term.value]
    return []


def _refuse(fault: Misread | None) -> None:
    if fault is not None:
        raise fault


def _minus_one() -> Const:
    return Const(-1, Kind.NUMBER)
