"""What two terms give together, where they go together at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Final

from libs.common.figures import LARGEST_COUNT
from services.alerts.domain.expressions import (
    ARITHMETIC,
    Arithmetic,
    Const,
    Ref,
    Term,
    kind_of,
    trimmed,
)
from services.alerts.domain.faults import Misread
from services.alerts.domain.settling import (
    Age,
    Bare,
    BareParam,
    Loose,
    Span,
    kind_wanted,
    only_ages,
    settle,
    with_kind,
)
from services.alerts.domain.vocabulary import NUMERIC, Kind

_MONEY_OR_CASES: Final = frozenset({Kind.COUNT, Kind.VND, Kind.CASES})
_ADDED: Final = frozenset(
    {Kind.POINTS, Kind.NUMBER, Kind.DECIMAL, Kind.DAYS, Kind.WDAYS, *_MONEY_OR_CASES}
)
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


def comparable(left: Kind, right: Kind) -> bool:
    mixed = Kind.COUNT in (left, right) and {left, right} <= _MONEY_OR_CASES
    return left is right or mixed


def combined(at: int, sign: str, left: Loose, right: Loose, right_at: int) -> Term:
    if sign == "*":
        first, second = _factor(left, at), _factor(right, right_at)
    else:
        first = settle(left, _addend(right, left), at)
        second = settle(right, _addend(first, right), right_at)
    kind = _combined_kind(sign, kind_of(first), kind_of(second))
    if kind is None:
        raise _no_such_sum(at, sign, first, second)
    return _folded(Arithmetic(sign, first, second, kind), at)


def _addend(other: Loose, mine: Loose) -> Loose:
    """What a bare number is added to: days, when it is added to a date."""
    if not isinstance(mine, (Bare, BareParam)):
        return other
    return Ref("", Kind.DAYS) if kind_wanted(other) is Kind.DATE else other


def _factor(term: Loose, at: int) -> Term:
    """One side of a product: a bare number there is a plain number."""
    if isinstance(term, (Age, Span)):
        raise only_ages(at)
    if isinstance(term, (Bare, BareParam)):
        return with_kind(term, Kind.NUMBER, at)
    return term


def _combined_kind(sign: str, left: Kind, right: Kind) -> Kind | None:
    """The kind of a sum, difference or product; None when there is none."""
    if sign == "*":
        return _product_kind(left, right)
    if left is right and left in _ADDED:
        return left
    if comparable(left, right) and left in _MONEY_OR_CASES:
        return right if left is Kind.COUNT else left
    return _DIFFERENT.get((sign, left, right))


def _product_kind(left: Kind, right: Kind) -> Kind | None:
    if left is not Kind.NUMBER:
        left, right = right, left
    scalable = right in NUMERIC and right is not Kind.DATE
    return right if left is Kind.NUMBER and scalable else None


def _folded(term: Arithmetic, at: int) -> Term:
    """Constant arithmetic is done here, once."""
    left, right = term.left, term.right
    if not isinstance(left, Const) or not isinstance(right, Const):
        return term
    value = ARITHMETIC[term.operator](int(left.value), int(right.value))
    outside = term.kind is Kind.DATE and not 1 <= value <= date.max.toordinal()
    if outside or abs(value) > LARGEST_COUNT:
        raise Misread(at, "Kết quả quá lớn.", "The result is too large.")
    return Const(value, term.kind)


def folded_bare(sign: str, left: Decimal, right: Decimal) -> Decimal:
    if sign == "+":
        return left + right
    return left - right if sign == "-" else left * right


def _no_such_sum(at: int, sign: str, left: Term, right: Term) -> Misread:
    a, b = kind_of(left).value, kind_of(right).value
    vi, en, hint = (
        f"Không tính được {a} {sign} {b}",
        f"There is no {a} {sign} {b}",
        None,
    )
    if Kind.PERCENT in (kind_of(left), kind_of(right)):
        vi += "; điểm phần trăm viết pp"
        en += "; points are written pp"
        if isinstance(right, Const) and right.kind is Kind.PERCENT:
            hint = f"{trimmed(right)} pp"
    return Misread(at, f"{vi}.", f"{en}.", hint)
