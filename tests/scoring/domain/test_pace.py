"""How fast, how fast it would have to be, and where that leads."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.figures import LARGEST_COUNT
from libs.common.periods import Period
from services.scoring.domain.pace import Days, Pace, Row, pace


def weekdays(day: date) -> bool:
    return day.weekday() < 5


THAI_NGUYEN = Days.of(Period.parse("2025-09-12"), date(2025, 9, 15), weekdays)


def test_days_are_left_from_the_evaluation_day_not_from_the_cut() -> None:
    assert (THAI_NGUYEN.left, THAI_NGUYEN.working_left) == (15, 11)


def test_recent_days_are_those_since_the_month_end_before_the_cut() -> None:
    assert (THAI_NGUYEN.recent_working, THAI_NGUYEN.working_after_cut) == (10, 12)


@pytest.mark.parametrize("at", [date(2025, 9, 30), date(2026, 1, 1)])
def test_after_the_year_nothing_is_left(at: date) -> None:
    days = Days.of(Period.parse("2025-09-12"), at, weekdays)

    assert (days.left, days.working_left) == (0, 0)


def test_october_is_counted_from_its_first_day() -> None:
    days = Days.of(Period.parse("2022M01"), date(2021, 11, 1), weekdays)

    assert days.recent_working == 21


def test_an_example_by_hand() -> None:
    found = pace(Row(done=8603, enforceable=10880, needed=542, recent=300), THAI_NGUYEN)

    # 542 / 11; 300 / 10; (8603 + 30 x 12) / 10880
    assert found == Pace(Decimal("49.27"), Decimal("30.00"), Decimal("82.38"))


@pytest.mark.parametrize(
    ("row", "found"),
    [
        pytest.param(
            Row(None, None, None, None), Pace(None, None, None), id="a bare rate"
        ),
        pytest.param(
            Row(5, 10, 0, None),
            Pace(Decimal("0.00"), None, None),
            id="met, no month before",
        ),
        pytest.param(
            Row(0, 0, None, 0), Pace(None, Decimal("0.00"), None), id="no denominator"
        ),
        pytest.param(
            Row(5, 10, 1, -2),
            Pace(Decimal("0.09"), Decimal("-0.20"), Decimal("50.00")),
            id="corrected downwards",
        ),
    ],
)
def test_what_cannot_be_known_is_none(row: Row, found: Pace) -> None:
    assert pace(row, THAI_NGUYEN) == found


counts = st.integers(0, LARGEST_COUNT)


@given(st.tuples(counts, counts).map(sorted), st.integers(-(2**53), 2**53))
def test_a_projection_lies_between_the_rate_and_a_hundred(
    row: list[int], recent: int
) -> None:
    done, enforceable = row

    projected = pace(Row(done, enforceable, None, recent), THAI_NGUYEN).projected_rate

    if enforceable:
        assert projected is not None
        assert 0 <= projected <= 100
        assert (
            recent > 0
            or projected
            == pace(Row(done, enforceable, None, 0), THAI_NGUYEN).projected_rate
        )
