"""What is missing to a target, in exact numbers and as printed."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.common.figures import LARGEST_COUNT, percent, published
from services.scoring.domain.arithmetic import (
    AT_LEAST,
    MORE_THAN,
    Target,
    met,
    needed,
    shortfall,
    written,
)

counts = st.one_of(st.integers(0, 200), st.integers(0, LARGEST_COUNT))
rows = st.tuples(counts, counts).map(sorted).filter(lambda pair: pair[1] > 0)
rates = st.integers(0, 10_000).map(percent)
targets = st.builds(Target, rates, st.sampled_from([AT_LEAST, MORE_THAN]))


def meets(done: int, enforceable: int, target: Target) -> bool:
    """The definition, in fractions."""
    reached = Fraction(100 * done, enforceable)
    asked = Fraction(target.rate)
    return reached > asked or (target.operator == AT_LEAST and reached == asked)


@given(rows, targets)
@example([8603, 10880], Target(Decimal("84.05"), AT_LEAST))
@example([8606, 10884], Target(Decimal("84.05"), AT_LEAST))
def test_needed_is_the_least_number_from_1_that_meets_the_target_exactly(
    row: list[int], target: Target
) -> None:
    done, enforceable = row

    k = needed(target, done, enforceable)

    assert k >= 1
    assert meets(done + k, enforceable, target)
    assert k == 1 or not meets(done + k - 1, enforceable, target)


@given(rows, targets)
def test_nothing_is_needed_exactly_when_the_published_rate_meets_the_target(
    row: list[int], target: Target
) -> None:
    done, enforceable = row
    rate = published(done, enforceable)
    assert rate is not None

    lacking = shortfall(rate, target, done=done, enforceable=enforceable)

    if met(rate, target):
        assert (str(lacking.points), lacking.needed) == ("0.00", 0)
    else:
        assert lacking.points >= 0
        assert lacking.needed is not None
        assert lacking.needed >= 1


@given(rates, targets)
def test_points_and_rate_make_up_the_target(rate: Decimal, target: Target) -> None:
    lacking = shortfall(rate, target, done=None, enforceable=None)

    if met(rate, target):
        assert lacking.points == 0
    else:
        assert lacking.points + rate == target.rate
        assert len(str(lacking.points).partition(".")[2]) == 2


@given(rates, targets)
def test_without_counts_only_the_points_are_known(
    rate: Decimal, target: Target
) -> None:
    lacking = shortfall(rate, target, done=None, enforceable=None)

    assert lacking.exact is None
    assert lacking.needed == (0 if met(rate, target) else None)


@given(rows, targets)
def test_the_exact_shortfall_is_not_rounded(row: list[int], target: Target) -> None:
    done, enforceable = row

    lacking = shortfall(Decimal(0), target, done=done, enforceable=enforceable)

    assert lacking.exact is not None
    exact = Fraction(target.rate) / 100 * enforceable - done
    assert Fraction(lacking.exact) == exact
    assert Fraction(written(lacking.exact) or "") == exact


@given(rates, rates)
def test_more_than_asks_for_more_than_at_least(rate: Decimal, asked: Decimal) -> None:
    at_least, more_than = Target(asked, AT_LEAST), Target(asked, MORE_THAN)

    assert met(rate, at_least) == (rate >= asked)
    assert met(rate, more_than) == (rate > asked)


@pytest.mark.parametrize(
    ("rate", "target", "points"),
    [
        pytest.param("79.07", "84.05", "4.98", id="Thái Nguyên"),
        pytest.param("73.45", "84.05", "10.60", id="area 4"),
        pytest.param("28.26", "52.08", "23.82", id="area 1, money"),
        pytest.param("52.50", "52.08", "0.00", id="ahead is not a negative shortfall"),
        pytest.param("84.05", "84.05", "0.00", id="level"),
    ],
)
def test_the_points_of_the_telegram(rate: str, target: str, points: str) -> None:
    asked = Target(Decimal(target), AT_LEAST)

    lacking = shortfall(Decimal(rate), asked, done=None, enforceable=None)

    assert str(lacking.points) == points


@pytest.mark.parametrize(
    ("done", "enforceable", "exact", "k"),
    [
        pytest.param(8603, 10880, "541.64", 542, id="542 cases"),
        pytest.param(8606, 10884, "542.002", 543, id="543 cases"),
        pytest.param(0, 100, "84.05", 85, id="from nothing"),
        pytest.param(0, 10000, "8405", 8405, id="exactly"),
    ],
)
def test_the_cases_that_the_telegram_counts(
    done: int, enforceable: int, exact: str, k: int
) -> None:
    rate = published(done, enforceable)
    assert rate is not None
    asked = Target(Decimal("84.05"), AT_LEAST)

    lacking = shortfall(rate, asked, done=done, enforceable=enforceable)

    assert (written(lacking.exact), lacking.needed) == (exact, k)


def test_level_with_more_than_lacks_one_case_at_zero_points() -> None:
    asked = Target(Decimal("50.00"), MORE_THAN)

    lacking = shortfall(Decimal("50.00"), asked, done=5, enforceable=10)

    assert (str(lacking.points), written(lacking.exact), lacking.needed) == (
        "0.00",
        "0",
        1,
    )


def test_a_rate_rounded_up_to_the_target_meets_it() -> None:
    rate = published(84045, 100_000)
    asked = Target(Decimal("84.05"), AT_LEAST)
    assert rate is not None

    lacking = shortfall(rate, asked, done=84045, enforceable=100_000)

    assert str(rate) == "84.05"
    assert (str(lacking.points), written(lacking.exact), lacking.needed) == (
        "0.00",
        "5",
        0,
    )


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("541.640000", "541.64"),
        ("542.0000", "542"),
        ("100", "100"),
        ("1E+3", "1000"),
        ("-0.50", "-0.5"),
        ("0.00", "0"),
    ],
)
def test_a_number_is_written_without_exponent_or_idle_zeros(
    number: str, text: str
) -> None:
    assert written(Decimal(number)) == text
