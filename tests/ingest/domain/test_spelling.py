"""Figures as Vietnamese sheets and letters write them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.figures import LARGEST_COUNT
from services.ingest.domain import spelling
from services.ingest.domain.spelling import Misspelt

COUNTS = st.integers(0, LARGEST_COUNT)
RATES = st.integers(-100_00, 100_00).map(lambda n: Decimal(n).scaleb(-2))


def grouped(number: int) -> str:
    """A whole number with dots between its thousands, as people write it."""
    return f"{number:,}".replace(",", ".")


@given(COUNTS)
def test_a_count_written_out_reads_back(number: int) -> None:
    assert spelling.count(grouped(number)) == number
    assert spelling.count(f"{grouped(number)} việc") == number
    assert spelling.count(str(number)) == number


@given(RATES)
def test_a_rate_written_out_reads_back(rate: Decimal) -> None:
    comma = str(rate).replace(".", ",")

    assert spelling.rate(f"{comma}%") == rate
    assert spelling.rate(f"{rate} %") == rate
    assert rate >= 0 or spelling.rate(f"(- {comma[1:]}%)") == rate


@given(COUNTS)
def test_an_amount_written_out_reads_back(number: int) -> None:
    in_ty = f"{Decimal(number).scaleb(-9):f}".replace(".", ",")

    assert spelling.amount(f"{grouped(number)}đ", None) == number
    assert spelling.amount(in_words(number), None) == number
    assert spelling.amount(f"{in_ty} tỷ đồng", None) == number


def in_words(number: int) -> str:
    """`761 tỷ 546 triệu 547 nghìn đồng`, parts that are nothing left out."""
    ty, rest = divmod(number, 10**9)
    parts = [f"{grouped(ty)} tỷ"] if ty else []
    for scale, word in ((10**6, "triệu"), (10**3, "nghìn"), (1, "")):
        part, rest = divmod(rest, scale)
        parts += [f"{part} {word}".strip()] if part else []
    return " ".join([*(parts or ["0"]), "đồng"])


@given(st.text(max_size=30))
def test_any_text_is_a_figure_or_a_fault(text: str) -> None:
    for read in (spelling.count, spelling.rate, lambda t: spelling.amount(t, 1)):
        with suppress(Misspelt):
            assert read(text) is not None
    spelling.period(text)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        pytest.param("79.07%", "79.07", id="decimal point"),
        pytest.param("52,50%", "52.50", id="decimal comma"),
        pytest.param("11,85 %", "11.85", id="space before the sign"),
        pytest.param("- 10,60%", "-10.60", id="minus apart"),
        pytest.param("(- 10,60%)", "-10.60", id="in brackets"),
        pytest.param("− 10,60%", "-10.60", id="typographer's minus"),
        pytest.param("16%", "16.00", id="no decimals"),
        pytest.param("25,7%", "25.70", id="one decimal"),
        pytest.param("41,54", "41.54", id="no sign"),
        pytest.param(" 41,54\u00a0% ", "41.54", id="hard space"),
        pytest.param("0,07%", "0.07", id="below one"),
        pytest.param("100%", "100.00", id="all"),
    ],
)
def test_a_percentage(text: str, rate: str) -> None:
    assert str(spelling.rate(text)) == rate


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        pytest.param(spelling.count, "7.479 việc", 7479, id="with its noun"),
        pytest.param(spelling.count, "1.234", 1234, id="dot before three digits"),
        pytest.param(spelling.count, "1.234.567", 1_234_567, id="two dots"),
        pytest.param(spelling.count, "54 vụ việc", 54, id="another noun"),
        pytest.param(spelling.count, "12,0", 12, id="whole all the same"),
        pytest.param(spelling.amount, "195.723.741.000đ", 195_723_741_000, id="đồng"),
        pytest.param(spelling.amount, "195.723.741", 195_723_741_000, id="the column's unit"),
        pytest.param(spelling.amount, "761 tỷ 546 triệu 547 nghìn đồng", 761_546_547_000, id="in words"),
        pytest.param(spelling.amount, "761,546547 tỷ", 761_546_547_000, id="tỷ with decimals"),
        pytest.param(spelling.amount, "1.234 tỷ", 1_234 * 10**9, id="thousands of tỷ"),
        pytest.param(spelling.amount, "1,234 tỷ", 1_234 * 10**6, id="three decimals of a tỷ"),
        pytest.param(spelling.amount, "12 nghìn tỷ đồng", 12 * 10**12, id="nghìn tỷ"),
        pytest.param(spelling.amount, "5 tỉ 20 ngàn", 5_000_020_000, id="southern spelling"),
        pytest.param(spelling.amount, "500 VNĐ", 500, id="VNĐ"),
    ],
)  # fmt: skip
def test_a_count_or_an_amount(read: Callable[..., int], text: str, value: int) -> None:
    given = (text, 1000) if read is spelling.amount else (text,)

    assert read(*given) == value


@pytest.mark.parametrize(
    ("read", "text", "code"),
    [
        pytest.param(spelling.rate, "12.345%", "ambiguous_number", id="twelve or twelve thousand"),
        pytest.param(spelling.rate, "12,345%", "too_precise", id="three decimals"),
        pytest.param(spelling.rate, "(10,60%)", "not_a_number", id="brackets without a minus"),
        pytest.param(spelling.rate, "NaN", "not_a_number", id="NaN rate"),
        pytest.param(spelling.rate, "1e2%", "not_a_number", id="exponent"),
        pytest.param(spelling.rate, "１２%", "not_a_number", id="wide digits"),
        pytest.param(spelling.rate, "%", "not_a_number", id="only a sign"),
        pytest.param(spelling.count, "NaN", "not_a_number", id="NaN"),
        pytest.param(spelling.count, "∞", "not_a_number", id="infinity"),
        pytest.param(spelling.count, "Infinity", "not_a_number", id="infinity in words"),
        pytest.param(spelling.count, "-5", "negative", id="negative count"),
        pytest.param(spelling.count, "79.07", "not_whole", id="a fraction of a case"),
        pytest.param(spelling.count, "0.500", "not_whole", id="half a case"),
        pytest.param(spelling.count, "7,479", "ambiguous_number", id="English thousands"),
        pytest.param(spelling.count, "7,000", "ambiguous_number", id="seven or seven thousand"),
        pytest.param(spelling.count, "1.23.456", "not_a_number", id="uneven groups"),
        pytest.param(spelling.count, "1 234", "not_a_number", id="two numbers"),
        pytest.param(spelling.count, "-", "not_a_number", id="a dash is neither zero nor nothing"),
        pytest.param(spelling.count, "9007199254740992", "out_of_range", id="beyond 2^53 - 1"),
        pytest.param(spelling.count, "9" * 200, "not_a_number", id="absurdly long"),
        pytest.param(spelling.amount, "-5 tỷ", "negative", id="negative amount"),
        pytest.param(spelling.amount, "0,5 đồng", "not_whole", id="half a đồng"),
        pytest.param(spelling.amount, "2 triệu 3 tỷ", "not_a_number", id="the wrong way round"),
        pytest.param(spelling.amount, "1 tỷ 2000 triệu", "not_a_number", id="more than the next"),
        pytest.param(spelling.amount, "1,5 tỷ 3 triệu", "not_a_number", id="a fraction and more"),
        pytest.param(spelling.amount, "1 tỷ 5", "not_a_number", id="five of what"),
        pytest.param(spelling.amount, "5 đồng 3", "not_a_number", id="something after đồng"),
        pytest.param(spelling.amount, "đồng", "not_a_number", id="no number"),
        pytest.param(spelling.amount, "9.007.199 tỷ 300 triệu", "out_of_range", id="an amount too large"),
    ],
)  # fmt: skip
def test_what_is_unclear_is_refused(
    read: Callable[..., object], text: str, code: str
) -> None:
    given = (text, 1) if read is spelling.amount else (text,)

    with pytest.raises(Misspelt) as error:
        read(*given)

    assert error.value.code == code


def test_an_amount_without_any_unit_is_refused_and_one_with_its_own_is_not() -> None:
    assert spelling.amount("5 tỷ", None) == 5 * 10**9

    with pytest.raises(Misspelt) as error:
        spelling.amount("5", None)

    assert error.value.code == "missing_money_in"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("KẾT QUẢ THI HÀNH ÁN 5 THÁNG NĂM 2022 VỀ VIỆC", "2022M05"),
        ("6 tháng đầu năm 2022", "2022M06"),
        ("đến hết ngày 12/9/2025", "2025-09-12"),
        ("28.02.2022", "2022M05"),
        ("2022m05", "2022M05"),
        ("5 tháng năm 2022 so với 5 tháng năm 2021", None),
        ("13 tháng năm 2022", None),
        ("31/2/2022", None),
        ("năm 2022", None),
        ("", None),
    ],
)
def test_a_period_in_a_title(text: str, code: str | None) -> None:
    found = spelling.period(text)

    assert (found.code if found else None) == code
