"""Conditions that say what cannot be meant, and what to write instead."""

from __future__ import annotations

from typing import Final

from services.alerts.domain.expressions import (
    Arithmetic,
    Const,
    Ref,
    Term,
    kind_of,
    trimmed,
    written,
)
from services.alerts.domain.faults import Misread
from services.alerts.domain.meant import flag, member, nearest
from services.alerts.domain.syntax import (
    ArithmeticNode,
    CompareNode,
    NameNode,
    Node,
    TurnedNode,
)
from services.alerts.domain.vocabulary import NUMERIC, Kind, Names
from services.alerts.domain.watching import CLOSED, EVERY_WORD, WORDS, Watch

_TODAY: Final = ("today", "now", "current_date", "hom_nay")


def no_name(node: NameNode, names: Names) -> Misread:
    """A name that the rule's watch does not have."""
    if node.name in EVERY_WORD:
        return _elsewhere(node, of_cases=names == WORDS[Watch.CASE])
    if node.name.lower() in _TODAY and "at" in names:
        return Misread(
            node.at,
            f"Không có tên {node.name!r}; ngày xét là at.",
            f"There is no name {node.name!r}; the day of the evaluation is at.",
            "at",
        )
    if "." not in node.name:
        return _no_name_but_a_text(node, nearest(node.name, names))
    return Misread(
        node.at,
        f"Không có tên {node.name!r}.",
        f"There is no name {node.name!r}.",
        nearest(node.name, names),
    )


def _no_name_but_a_text(node: NameNode, instead: str | None) -> Misread:
    return Misread(
        node.at,
        f"Không có tên {node.name!r}; chữ thì đặt trong ngoặc kép.",
        f"There is no name {node.name!r}; a text stands in quotes.",
        instead,
    )


def _elsewhere(node: NameNode, *, of_cases: bool) -> Misread:
    watches = [watch.value for watch, names in WORDS.items() if node.name in names]
    listed = ", ".join(watches)
    vi = f"Tên {node.name!r} chỉ có với watches: {listed}"
    en = f"The name {node.name!r} belongs to watches: {listed}"
    if not of_cases:
        return Misread(node.at, f"{vi}.", f"{en}.", f"watches: {watches[0]}")
    return Misread(
        node.at,
        f"{vi}; một việc không có kỳ, không có số liệu: tên của nó bắt đầu bằng case.,"
        " ngày xét là at.",
        f"{en}; a case has neither period nor figures: its names begin with case. and"
        " its day is at.",
        "at" if node.name == "period.end" else None,
    )


def unquoted(node: Node, other: Node, names: Names) -> Misread | None:
    """A word beside a text or a list that is no name: it lacks its quotes. Beside a
    flag it is yes or no."""
    if not isinstance(node, NameNode) or not isinstance(other, NameNode):
        return None
    beside = names.get(other.name)
    if beside is None or node.name in EVERY_WORD or node.name in names:
        return None
    if beside.kind is Kind.FLAG and (instead := flag(node.name)):
        return Misread(
            node.at,
            f"{beside.name} là true hoặc false, không phải {node.name!r}.",
            f"{beside.name} is true or false, not {node.name!r}.",
            instead,
        )
    if beside.kind not in (Kind.TEXT, Kind.LIST):
        return None
    near = f'"{member(node.name, CLOSED.get(beside.name, ())) or node.name}"'
    of_list = beside.kind is Kind.LIST
    return _no_name_but_a_text(node, f"{beside.name} has {near}" if of_list else near)


def hyphened(node: ArithmeticNode, names: Names) -> Misread | None:
    """`case.status-since`: a name whose parts a hyphen keeps apart."""
    left, right = node.left, node.right
    if not isinstance(left, NameNode) or not isinstance(right, NameNode):
        return None
    name = f"{left.name}_{right.name}"
    if node.operator != "-" or right.name in names or name not in names:
        return None
    return Misread(
        left.at,
        f"Dấu - là phép trừ; không có tên {right.name!r}.",
        f"The sign - subtracts; there is no name {right.name!r}.",
        name,
    )


def no_function(at: int, name: str) -> Misread:
    """A function that no expression has."""
    return Misread(
        at,
        f"Không có hàm {name!r}.",
        f"There is no function {name!r}.",
        "at" if name.lower() in _TODAY else nearest(name, ["age", "param"]),
    )


def turned(node: TurnedNode, names: Names) -> Misread:
    """`in` after a text, or before a single name."""
    known = names.get(node.name)
    word = node.word if node.word in names else f'"{node.word}"'
    sign = "has" if known is not None and known.kind is Kind.LIST else "=="
    return Misread(
        node.at,
        "Trước in là một tên, sau in là một danh sách chữ trong ngoặc vuông.",
        "A name stands before `in`, and texts in brackets behind it.",
        f"{node.name} {sign} {word}" if known else f'["{node.name}"]',
    )


def never(name: str, text: str, at: int) -> Misread | None:
    """A text that a name never is, where all that it can be are known."""
    values = CLOSED.get(name, (text,))
    if text in values:
        return None
    listed = ", ".join(values)
    near = member(text, values)
    return Misread(
        at,
        f"{name} không bao giờ là {text!r}; có: {listed}.",
        f"{name} is never {text!r}; there are: {listed}.",
        f'"{near}"' if near else None,
    )


def constants(at: int) -> Misread:
    """Two constants that are compared with each other."""
    return Misread(
        at,
        "Hai hằng số so với nhau không nói gì về số liệu.",
        "Comparing two constants says nothing about the figures.",
    )


def mismatch(node: CompareNode, left: Term, right: Term) -> Misread:
    """Two sides of kinds that do not compare."""
    for side, term, other in (
        (node.right, right, left),
        (node.left, left, right),
    ):
        if kind_of(other) is Kind.PERCENT and (fault := _points_meant(side, term)):
            return fault
    a, b = kind_of(left).value, kind_of(right).value
    return Misread(
        node.at,
        f"{written(left)} là {a}, {written(right)} là {b}: không so sánh được.",
        f"{written(left)} is {a} and {written(right)} is {b}: they do not compare.",
        _repaired(left, right) or _repaired(right, left),
    )


def _points_meant(side: Node, term: Term) -> Misread | None:
    """`target.rate - 5` beside a rate: percent less percent, where points are meant."""
    if not isinstance(side, ArithmeticNode) or side.operator != "-":
        return None
    if not isinstance(term, Arithmetic) or not isinstance(term.right, Const):
        return None
    if kind_of(term.left) is not Kind.PERCENT or term.right.kind is not Kind.PERCENT:
        return None
    return Misread(
        side.right.at,
        "Phần trăm trừ phần trăm là điểm; bớt một số điểm khỏi phần trăm thì viết pp.",
        "Percent less percent is points; points that are taken from percent are pp.",
        trimmed(term.right) + " pp",
    )


def _repaired(const: Term, other: Term) -> str | None:
    """The same literal with the other side's unit; of a text, the list that has it."""
    if not isinstance(const, Const) or isinstance(const.value, bool):
        return None
    if isinstance(const.value, str):
        of_list = isinstance(other, Ref) and other.kind is Kind.LIST
        return f"{written(other)} has {written(const)}" if of_list else None
    if kind_of(other) not in NUMERIC or kind_of(other) is Kind.DATE:
        return None
    number = trimmed(const)
    bare = dict.fromkeys((Kind.NUMBER, Kind.DECIMAL, Kind.COUNT), "")
    unit = {Kind.PERCENT: " %", Kind.POINTS: " pp", **bare}
    return number + unit.get(kind_of(other), f" {kind_of(other).value}")
