"""Ages compare with years, months or days, by anniversaries."""

from __future__ import annotations

from services.alerts.domain.advice import constants
from services.alerts.domain.expressions import (
    TURNED,
    Anniversary,
    Compare,
    Const,
    Operator,
)
from services.alerts.domain.faults import Misread
from services.alerts.domain.settling import Age, Loose, Span
from services.alerts.domain.syntax import CompareNode, NumberNode
from services.alerts.domain.vocabulary import Kind


def by_age(node: CompareNode, op: Operator, left: Loose, right: Loose) -> Compare:
    """age(born, on) > n is: on comes after the n-th anniversary of born."""
    if isinstance(right, Age):
        op, left, right = TURNED[op], right, left
    if isinstance(right, Const) and right.kind is Kind.DAYS:
        right = Span(int(right.value), "day")
    if not isinstance(left, Age) or not isinstance(right, Span):
        raise Misread(
            node.at,
            "Tuổi chỉ so được với số năm, tháng hoặc ngày.",
            "An age compares only with years, months or days.",
            _in_years(node),
        )
    if isinstance(left.born, Const) and isinstance(left.on, Const):
        raise constants(node.at)
    return Compare(op, left.on, Anniversary(left.born, right.count, right.unit))


def _in_years(node: CompareNode) -> str | None:
    """The same comparison, its number taken for years."""
    for age, number in ((node.left, node.right), (node.right, node.left)):
        if isinstance(number, NumberNode) and number.value % 1 == 0:
            count = f"{int(number.value)} year"
            return f"{node.operator} {count}" if age is node.left else count
    return None
