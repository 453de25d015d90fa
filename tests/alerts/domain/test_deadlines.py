"""Deadlines of the letters, to the moment."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.working_days import working_days
from services.alerts.domain.deadlines import MOST_STANDING, due_of, next_of
from services.alerts.domain.rules import Every, OnDay, Within

FEBRUARY = date(2022, 2, 28)
BY_20TH = OnDay(20, inclusive=True)


@pytest.mark.parametrize(
    ("rule", "period_end", "opened_on", "on", "ends_at"),
    [
        pytest.param(
            OnDay(15, inclusive=True), FEBRUARY, date(2022, 3, 8), "2022-03-15",
            "2022-03-16T00:00:00+07:00", id="by the 15th: the whole of it",
        ),
        pytest.param(
            OnDay(15, inclusive=False), FEBRUARY, date(2022, 3, 8), "2022-03-15",
            "2022-03-15T00:00:00+07:00", id="before the 15th: none of it",
        ),
        pytest.param(
            OnDay(15, inclusive=True), date(2025, 9, 12), date(2025, 9, 15), "2025-10-15",
            "2025-10-16T00:00:00+07:00", id="an ad hoc day: the month after its own",
        ),
        pytest.param(
            OnDay(5, inclusive=True), date(2021, 12, 31), date(2022, 1, 2), "2022-01-05",
            "2022-01-06T00:00:00+07:00", id="December is followed by January",
        ),
        pytest.param(
            OnDay(31, inclusive=True), date(2022, 1, 31), date(2022, 2, 1), "2022-02-28",
            "2022-03-01T00:00:00+07:00", id="a shorter month ends it",
        ),
        pytest.param(
            Within(2), date(2025, 9, 12), date(2025, 9, 15), "2025-09-17",
            "2025-09-18T00:00:00+07:00", id="the telegram: two days after Monday",
        ),
        pytest.param(
            Within(2), date(2025, 9, 12), date(2025, 9, 18), "2025-09-22",
            "2025-09-23T00:00:00+07:00", id="over a weekend",
        ),
        pytest.param(
            Within(1), date(2022, 1, 31), date(2022, 1, 28), "2022-02-07",
            "2022-02-08T00:00:00+07:00", id="over Tết",
        ),
        pytest.param(
            Within(1), date(2025, 4, 30), date(2025, 4, 29), "2025-05-05",
            "2025-05-06T00:00:00+07:00", id="over 30 April, 1 May and a day swapped",
        ),
        pytest.param(
            Within(1, from_period_end=True), FEBRUARY, date(2022, 3, 8), "2022-03-01",
            "2022-03-02T00:00:00+07:00", id="counted from the period's end",
        ),
        pytest.param(
            Within(0), FEBRUARY, date(2022, 3, 12), "2022-03-12",
            "2022-03-13T00:00:00+07:00", id="at once: the day of the opening",
        ),
    ],
)  # fmt: skip
def test_is_due(
    rule: OnDay | Within, period_end: date, opened_on: date, on: str, ends_at: str
) -> None:
    due = due_of(
        rule, period_end=period_end, opened_on=opened_on, is_working=working_days()
    )

    assert due is not None
    assert due.on == date.fromisoformat(on)
    assert due.ends_at == datetime.fromisoformat(ends_at)
    assert due.ends_at.utcoffset() == timedelta(hours=7)


def test_nothing_owed_is_never_due() -> None:
    assert (
        due_of(None, period_end=FEBRUARY, opened_on=FEBRUARY, is_working=working_days())
        is None
    )


def test_is_written_as_the_api_gives_it() -> None:
    due = due_of(
        OnDay(15, inclusive=True),
        period_end=FEBRUARY,
        opened_on=FEBRUARY,
        is_working=working_days(),
    )

    assert due is not None
    assert due.as_json() == {
        "on": "2022-03-15",
        "inclusive": True,
        "ends_at": "2022-03-16T00:00:00+07:00",
    }


@pytest.mark.parametrize(
    ("every", "opened_on", "on"),
    [
        pytest.param(
            Every(1, Within(2, from_period_end=True)),
            date(2022, 3, 8),
            "2022-04-04",
            id="of March",
        ),
        pytest.param(
            Every(1, Within(2, from_period_end=True)),
            date(2022, 3, 31),
            "2022-04-04",
            id="its last day",
        ),
        pytest.param(
            Every(3, Within(4, from_period_end=True)),
            date(2022, 1, 20),
            "2022-04-06",
            id="of a quarter",
        ),
        pytest.param(
            Every(3, Within(0, from_period_end=True)),
            date(2022, 10, 1),
            "2022-12-31",
            id="on its last day",
        ),
        pytest.param(
            Every(1, BY_20TH), date(2022, 3, 8), "2022-04-20", id="by the 20th"
        ),
        pytest.param(
            Every(1, BY_20TH), date(2022, 3, 31), "2022-04-20", id="at its end"
        ),
        pytest.param(
            Every(1, BY_20TH), date(2022, 12, 1), "2023-01-20", id="next year"
        ),
        pytest.param(
            Every(3, BY_20TH), date(2022, 1, 8), "2022-04-20", id="a quarter's"
        ),
        pytest.param(
            Every(1, OnDay(31, inclusive=False)),
            date(2022, 1, 8),
            "2022-02-28",
            id="before the last day of a short month",
        ),
    ],
)
def test_a_standing_report_is_due_after_the_month_of_its_opening(
    every: Every, opened_on: date, on: str
) -> None:
    due = due_of(
        every, period_end=FEBRUARY, opened_on=opened_on, is_working=working_days()
    )

    assert due is not None
    assert due.on.isoformat() == on


@given(
    months=st.sampled_from([1, 3]),
    report=st.builds(
        Within, st.integers(0, MOST_STANDING), from_period_end=st.just(True)
    )
    | st.builds(OnDay, st.integers(1, 31), inclusive=st.booleans()),
    opened_on=st.dates(date(2015, 1, 1), date(2040, 1, 1)),
)
def test_standing_reports_are_due_once_for_each_month_or_quarter(
    months: int, report: Within | OnDay, opened_on: date
) -> None:
    every, is_working = Every(months, report), working_days()
    due = due_of(
        every, period_end=opened_on, opened_on=opened_on, is_working=is_working
    )
    assert due is not None
    ends = opened_on
    for _ in range(5):
        following = next_of(every, due.on, is_working=is_working)
        step = due_of(every, period_end=ends, opened_on=ends, is_working=is_working)
        assert step is not None
        while step.on <= due.on:
            ends += timedelta(days=20)
            step = due_of(every, period_end=ends, opened_on=ends, is_working=is_working)
            assert step is not None
        assert following == step
        due = following
