"""What a year's target asks of a period in its middle."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.figures import percent
from libs.common.periods import Period
from services.scoring.domain.yardsticks import rate_for

rates = st.integers(0, 10_000).map(percent)
periods = st.dates(date(1999, 10, 1), date(2199, 9, 30)).map(Period.ending)


def half_up(exact: Fraction) -> Decimal:
    return percent(
        (200 * exact.numerator + exact.denominator) // (2 * exact.denominator)
    )


@given(rates, periods)
def test_an_annual_target_holds_all_year(rate: Decimal, period: Period) -> None:
    assert rate_for(rate, "annual", period) == rate


@given(rates, periods)
def test_pro_rata_asks_for_the_share_of_the_year_that_is_over(
    rate: Decimal, period: Period
) -> None:
    if period.months:
        share = Fraction(period.months, 12)
    else:
        over = (period.end - period.start).days + 1
        share = Fraction(over, (period.year_end - period.start).days + 1)

    asked = rate_for(rate, "pro_rata", period)

    assert str(asked) == str(half_up(Fraction(rate) * share))


@given(rates, st.integers(2000, 2199))
def test_pro_rata_asks_for_everything_at_the_year_end(rate: Decimal, year: int) -> None:
    assert rate_for(rate, "pro_rata", Period(f"{year}M12")) == rate


@given(rates, st.integers(2000, 2199), st.integers(1, 11))
def test_pro_rata_never_falls_from_month_to_month(
    rate: Decimal, year: int, month: int
) -> None:
    earlier = rate_for(rate, "pro_rata", Period(f"{year}M{month:02d}"))
    later = rate_for(rate, "pro_rata", Period(f"{year}M{month + 1:02d}"))

    assert earlier is not None
    assert later is not None
    assert earlier <= later


@pytest.mark.parametrize(
    ("period", "asked"),
    [
        pytest.param("2025M01", "7.00", id="a twelfth"),
        pytest.param("2025M05", "35.02", id="five months"),
        pytest.param("2025M06", "42.03", id="half a year: 42.025 is rounded up"),
        pytest.param("2025-09-12", "79.91", id="347 of 365 days"),
        pytest.param("2025M12", "84.05", id="the year"),
    ],
)
def test_pro_rata_of_84_05(period: str, asked: str) -> None:
    assert str(rate_for(Decimal("84.05"), "pro_rata", Period(period))) == asked


@given(periods, rates)
def test_a_table_is_silent_about_other_periods(period: Period, rate: Decimal) -> None:
    table = {"2025M06": "41.95", "2025-09-12": "80"}

    asked = rate_for(rate, table, period)

    listed = table.get(period.code)
    assert asked == (None if listed is None else Decimal(listed))
    assert rate_for(rate, table, Period("2025M06")) == Decimal("41.95")
