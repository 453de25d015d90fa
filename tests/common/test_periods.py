"""Periods: cumulative cuts of a working year, and which one each is compared with."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.common.periods import InvalidPeriod, Period

# Every day of the working years 1950 to 2199.
days = st.dates(date(1949, 10, 1), date(2199, 9, 30))
periods = days.map(Period.ending)
LEAP_DAY = date(2024, 2, 29)


@given(days)
@example(LEAP_DAY)
def test_every_day_has_one_period_that_ends_with_it(day: date) -> None:
    period = Period.ending(day)

    assert period.end == day
    assert Period.parse(day.isoformat()) == period
    assert Period.parse(period.code) == period


@given(days)
def test_only_a_day_that_ends_a_month_makes_a_period_of_months(day: date) -> None:
    period = Period.ending(day)

    ends_month = (day + timedelta(days=1)).month != day.month
    assert (period.months is not None) == ends_month


@given(periods)
def test_a_period_starts_with_its_working_year(period: Period) -> None:
    assert period.start <= period.end <= period.year_end
    assert (period.start.month, period.start.day) == (10, 1)
    assert (period.year_end.month, period.year_end.day) == (9, 30)
    assert period.year_end.year == period.start.year + 1 == period.working_year


@given(st.integers(1950, 2199), st.integers(1, 12))
def test_months_are_counted_from_october(year: int, months: int) -> None:
    period = Period.parse(f"{year}M{months:02d}")

    begun = (period.end.year - period.start.year) * 12 + period.end.month - 10
    assert (period.months, period.working_year) == (months, year)
    assert begun + 1 == months


@given(periods.filter(lambda p: p.working_year > 1951))
@example(Period("2024M05"))
@example(Period("2024-02-28"))
def test_a_cut_is_among_the_later_cuts_of_its_own_year_earlier(period: Period) -> None:
    assert period in period.year_earlier().later_cuts()


@given(periods)
@example(Period("2023M05"))
def test_every_later_cut_looks_back_at_this_one(period: Period) -> None:
    later = period.later_cuts()

    assert [cut.year_earlier() for cut in later] == [period] * len(later)
    assert len(set(later)) == len(later)


@given(periods.filter(lambda p: p.working_year > 1951))
def test_a_year_earlier_lies_one_working_year_before(period: Period) -> None:
    earlier = period.year_earlier()

    assert earlier.working_year == period.working_year - 1
    assert 365 <= (period.end - earlier.end).days <= 366


@pytest.mark.parametrize(
    ("text", "code", "end"),
    [
        pytest.param("2022M05", "2022M05", "2022-02-28", id="letter 679"),
        pytest.param("2022-02-28", "2022M05", "2022-02-28", id="a month by its day"),
        pytest.param("2024-02-29", "2024M05", "2024-02-29", id="leap February"),
        pytest.param("2024-02-28", "2024-02-28", "2024-02-28", id="a day before it"),
        pytest.param("2022M01", "2022M01", "2021-10-31", id="begins the year before"),
        pytest.param("2021-12-31", "2022M03", "2021-12-31", id="December"),
        pytest.param("2022M12", "2022M12", "2022-09-30", id="the whole year"),
        pytest.param("2025-09-12", "2025-09-12", "2025-09-12", id="the telegram"),
    ],
)
def test_a_code_is_read_as(text: str, code: str, end: str) -> None:
    period = Period.parse(text)

    assert (period.code, period.end.isoformat()) == (code, end)


@pytest.mark.parametrize(
    ("code", "earlier"),
    [
        ("2022M05", "2021M05"),
        ("2025-09-12", "2024-09-12"),
        ("2024-02-28", "2023M05"),
        ("2024M05", "2023M05"),
        ("2025M05", "2024M05"),
    ],
)
def test_the_same_cut_a_year_earlier(code: str, earlier: str) -> None:
    assert Period.parse(code).year_earlier().code == earlier


def test_two_cuts_of_a_leap_year_look_back_at_one() -> None:
    cuts = [cut.code for cut in Period("2023M05").later_cuts()]

    assert cuts == ["2024-02-28", "2024M05"]


def test_a_day_that_next_year_ends_a_month_has_no_later_cut() -> None:
    assert Period("2024-02-28").later_cuts() == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2022",
        "2022M00",
        "2022M13",
        "2022M5",
        "2022m05",
        "2022M05 ",
        "2022M05\n",
        "2022-02-30",
        "2023-02-29",
        "2022-2-28",
        "20220228",
        "2022-W09-1",
        "2022-02-28T00:00",
        "٢٠٢٢M05",
        "-022M05",
        "1900M01",
        "9999M01",
        "9999-12-31",
        pytest.param("2199-12-31", id="a working year that has no name"),
    ],
)
def test_anything_else_is_no_period(text: str) -> None:
    with pytest.raises(InvalidPeriod):
        Period.parse(text)
