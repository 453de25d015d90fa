"""Rates as published: two places, half up, without a float on the way."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.figures import LARGEST_COUNT, hundredths, percent, published

counts = st.one_of(
    st.integers(0, 300), st.integers(0, 10**7), st.integers(0, LARGEST_COUNT)
)
pairs = st.tuples(counts, counts).map(sorted).filter(lambda pair: pair[1] > 0)


@given(pairs)
def test_a_rate_is_the_exact_quotient_rounded_half_up(pair: list[int]) -> None:
    done, enforceable = pair

    with localcontext(prec=60):
        exact = Decimal(100 * done) / enforceable
        expected = exact.quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert str(published(done, enforceable)) == str(expected)


@given(st.integers(0, 9_999), st.integers(1, LARGEST_COUNT // 20_000))
def test_an_exact_half_is_rounded_up(below: int, times: int) -> None:
    done, enforceable = (2 * below + 1) * times, 20_000 * times

    assert Fraction(100 * done, enforceable) == Fraction(2 * below + 1, 200)
    assert hundredths(done, enforceable) == below + 1


@given(st.integers(1, LARGEST_COUNT).filter(lambda n: n % 2 and n % 5))
def test_a_hair_below_a_half_is_rounded_down(enforceable: int) -> None:
    halves = pow(enforceable, -1, 20_000)
    done = (halves * enforceable - 1) // 20_000

    assert Fraction(done, enforceable) < Fraction(halves, 20_000)
    assert hundredths(done, enforceable) == halves // 2


@given(pairs)
def test_a_rate_lies_between_0_and_100(pair: list[int]) -> None:
    rate = published(*pair)

    assert rate is not None
    assert 0 <= rate <= 100


@given(pairs, st.integers(1, 1000))
def test_finishing_more_never_lowers_a_rate(pair: list[int], more: int) -> None:
    done, enforceable = pair

    before = hundredths(done, enforceable)
    after = hundredths(min(done + more, enforceable), enforceable)

    assert before is not None
    assert after is not None
    assert before <= after


@given(st.integers(0, 10_000))
def test_hundredths_are_printed_with_two_places(number: int) -> None:
    assert str(percent(number)) == f"{number // 100}.{number % 100:02d}"


@pytest.mark.parametrize("done", [0, 7])
def test_without_a_denominator_there_is_no_rate(done: int) -> None:
    assert published(done, 0) is None


@pytest.mark.parametrize(
    ("done", "enforceable", "rate"),
    [
        pytest.param(4778, 7479, "63.89", id="Bắc Giang, cases"),
        pytest.param(195723741000, 761546547000, "25.70", id="Bắc Giang, đồng"),
        pytest.param(195723741, 761546547, "25.70", id="the same in thousands"),
        pytest.param(56, 216, "25.93", id="Bắc Giang, credit"),
        pytest.param(8603, 10880, "79.07", id="lacks 542"),
        pytest.param(8606, 10884, "79.07", id="lacks 543"),
        pytest.param(0, 5, "0.00", id="nothing done"),
        pytest.param(5, 5, "100.00", id="everything done"),
        pytest.param(199999, 200000, "100.00", id="not quite everything"),
        pytest.param(LARGEST_COUNT - 1, LARGEST_COUNT, "100.00", id="the largest"),
    ],
)
def test_the_rates_of_the_letters(done: int, enforceable: int, rate: str) -> None:
    assert str(published(done, enforceable)) == rate
