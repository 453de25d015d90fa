"""What was meant is read from what stands there, and never guessed."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.domain import meant
from services.alerts.domain.rules import Owes, Severity

DAYS = st.dates(min_value=date(1950, 1, 1), max_value=date(2199, 1, 1))


@given(DAYS, st.sampled_from(["%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y/%m/%d"]))
def test_a_day_stays_the_same_day(day: date, form: str) -> None:
    assert meant.day(day.strftime(form)) == day.isoformat()


@pytest.mark.parametrize("text", ["2025-02-30", "31/04/2025", "09/15/2025", "0/1/2025"])
def test_no_day_is_made_of_one_that_is_none(text: str) -> None:
    assert meant.day(text) is None
    assert "no such day" in meant.no_day(text).en


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("11/2025", "2025M11"),
        ("2025-11", "2025M11"),
        ("2025M5", "2025M05"),
        ("15/09/2025", "2025-09-15"),
        ("2025M13", None),
        ("tháng 5", None),
    ],
)
def test_a_period_keeps_its_number(text: str, period: str | None) -> None:
    assert meant.period(text) == period


@pytest.mark.parametrize(
    ("text", "owed"),
    [("kế hoạch", "plan"), ("báo cáo", "report"), ("Giải trình", "explanation"),
     ("reprot", "report"), ("tiền", None), ("much", None)],
)  # fmt: skip
def test_a_member_is_one_that_is_near(text: str, owed: str | None) -> None:
    assert meant.member(text, [each.value for each in Owes]) == owed


@pytest.mark.parametrize(
    ("text", "severity"),
    [("cao", "high"), ("trung bình", "medium"), ("thấp", "low"),
     ("nghiêm trọng", "critical"), ("urgent", None)],
)  # fmt: skip
def test_severities_in_vietnamese(text: str, severity: str | None) -> None:
    assert meant.member(text, [each.value for each in Severity]) == severity


def test_no_is_never_true() -> None:
    assert [meant.flag(text) for text in ("no", "Không", "sai")] == ["false"] * 3
    assert [meant.flag(text) for text in ("yes", "có", "TRUE")] == ["true"] * 3
    assert meant.flag("maybe") is None
