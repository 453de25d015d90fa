"""What a target asks for in the middle of a year."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from libs.common.periods import Period

Basis = str | Mapping[str, str]


def rate_for(rate: Decimal, basis: Basis, period: Period) -> Decimal | None:
    """The rate that a year's target asks of one period; None when its table is silent.

    `annual` is the full-year rate as it is (the Thái Nguyên telegram does this);
    `pro_rata` is rate × n/12, by days for an ad hoc day; a table names periods.
    """
    if isinstance(basis, Mapping):
        listed = basis.get(period.code)
        return None if listed is None else Decimal(listed)
    if basis == "annual":
        return rate
    share = _elapsed(period)
    return (rate * share[0] / share[1]).quantize(Decimal("0.01"), ROUND_HALF_UP)


def _elapsed(period: Period) -> tuple[int, int]:
    if period.months is not None:
        return period.months, 12
    return _days(period.start, period.end), _days(period.start, period.year_end)


def _days(first: date, last: date) -> int:
    return (last - first).days + 1
