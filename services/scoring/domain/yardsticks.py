"""What a target asks for in the middle of a year."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from libs.common.periods import Period
from libs.common.problems import Text

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


def out_of_year(basis: Basis, year: int) -> Iterator[tuple[str, str, Text]]:
    """(key, code, text) of each key of a table that is not a period of its own."""
    if not isinstance(basis, Mapping):
        return
    seen: dict[str, str] = {}
    for key in basis:
        period = Period.parse(key)
        if period.working_year != year:
            yield key, "not_in_year", _not_in(period, year)
        elif period.code in seen:
            yield key, "duplicate_period", _twice(key, seen[period.code])
        seen.setdefault(period.code, key)


def in_periods(basis: Basis) -> Basis:
    """A table by the codes of its periods, rates with two places."""
    if not isinstance(basis, Mapping):
        return basis
    places = Decimal("0.01")
    return {
        Period.parse(key).code: str(Decimal(rate).quantize(places))
        for key, rate in basis.items()
    }


def _not_in(period: Period, year: int) -> Text:
    return Text(
        f"Kỳ {period.code} thuộc năm {period.working_year}, không thuộc năm {year}.",
        f"{period.code} is of the working year {period.working_year}, not of {year}.",
    )


def _twice(one: str, other: str) -> Text:
    return Text(
        f"«{one}» và «{other}» là cùng một kỳ.",
        f"{one!r} and {other!r} are one period.",
    )


def _elapsed(period: Period) -> tuple[int, int]:
    if period.months is not None:
        return period.months, 12
    return _days(period.start, period.end), _days(period.start, period.year_end)


def _days(first: date, last: date) -> int:
    return (last - first).days + 1
