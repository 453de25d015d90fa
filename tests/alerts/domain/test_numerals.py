"""Numbers written as in a letter are found, and said as a rule writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.domain.checking import param_value, parse
from services.alerts.domain.faults import ExpressionError
from services.alerts.domain.numerals import rewritten
from services.alerts.domain.vocabulary import UNITS, NotAValue


@pytest.mark.parametrize(
    ("letter", "rule"),
    [
        ("50.000.000.000", "50_000_000_000"),
        ("50,000,000", "50_000_000"),
        ("50.000 đồng", "50_000 vnd"),
        ("50.000 vnd", "50_000 vnd"),
        ("5 VNĐ", "5 vnd"),
        ("52,5 %", "52.5 %"),
        ("52,5%", "52.5 %"),
        ("-10,5 pp", "-10.5 pp"),
        ("1.234,5 %", "1_234.5 %"),
        ("5 tỷ", "5_000_000_000 vnd"),
        ("20 Tỷ đồng", "20_000_000_000 vnd"),
        ("1,5 tỷ", "1_500_000_000 vnd"),
        ("1.500 tỷ", "1_500_000_000_000 vnd"),
        ("2 nghìn tỷ đồng", "2_000_000_000_000 vnd"),
        ("300 triệu", "300_000_000 vnd"),
        ("20 billion vnd", "20_000_000_000 vnd"),
        ("7 nghìn việc", "7_000 cases"),
        ("10 điểm %", "10 pp"),
        ("3 ngày làm việc", "3 wdays"),
        ("2 năm", "2 year"),
    ],
)
def test_a_letter_s_number_is_said_as_a_rule_writes_it(letter: str, rule: str) -> None:
    assert rewritten(letter) == (letter, rule)
    assert rewritten(rule) is None


@given(st.integers(0, 10**15), st.integers(0, 99), st.sampled_from([*UNITS, ""]))
def test_what_a_rule_takes_is_left_alone(whole: int, part: int, unit: str) -> None:
    for number in (f"{whole}", f"{whole:_}", f"{whole}.{part:02d}", f"{whole}.{part}"):
        assert rewritten(f"{number} {unit}".strip()) is None


@given(st.text("0123456789.,_ tỷđồngtriệuviệc%pp", max_size=40))
def test_no_text_of_numbers_is_more_than_a_fault(text: str) -> None:
    try:
        parse(f"done > {text}")
        param_value(text)
    except (ExpressionError, NotAValue):
        pass


def test_a_dot_before_three_digits_is_read_by_what_can_be_meant() -> None:
    assert rewritten("84.055 %") is None
    assert rewritten("84.055") is None
    assert rewritten("84.055", whole=True) == ("84.055", "84_055")
