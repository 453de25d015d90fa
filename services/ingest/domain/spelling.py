"""Figures as people write them in Vietnam, read exactly or not at all.

A dot before groups of exactly three digits is a thousands mark and a comma the
decimal mark; `79.07` can only be decimal. What could mean two numbers is refused.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from libs.common.figures import LARGEST_COUNT
from libs.common.periods import InvalidPeriod, Period
from libs.common.problems import Text

_GROUPED = r"[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?"
_NUMBER = rf"(?:{_GROUPED}|\d+,\d+|\d+\.\d+|\d+)"
_SIGNED = re.compile(rf"(?P<minus>-\s*)?(?P<number>{_NUMBER})", re.ASCII)
_CASES = re.compile(r"\s*(?:vụ\s+)?việc$")
_PART = re.compile(
    rf"\s*(?P<number>{_NUMBER})\s*"
    r"(?P<scale>(?:nghìn|ngàn)\s+t[ỷỉ]|t[ỷỉ]|triệu|nghìn|ngàn)?\s*"
    r"(?P<currency>đồng|vnđ|vnd|đ)?(?=\s|$)",
    re.ASCII,
)
_SCALES = {"t": 10**9, "triệu": 10**6, "nghìn": 10**3, "ngàn": 10**3}
TY = 10**9
LONGEST = 100
"""Letters that a figure may have; nobody writes more."""

LONGEST_TEXT = 1000
"""How far a text is looked at: a title that names its period is shorter."""


@dataclass(eq=False)
class Misspelt(ValueError):
    """What is written is no figure of this kind, or could be two of them."""

    code: str
    message: Text


def plain(text: str) -> str:
    """NFC, lower case, single spaces, one kind of minus; of a long text its start."""
    start = unicodedata.normalize("NFC", text[:LONGEST_TEXT])
    spaced = " ".join(start.casefold().split())
    return re.sub("[‐-―−]", "-", spaced)


def count(text: str) -> int:
    """A number of cases: `7.479`, `7.479 việc`.

    >>> count("7.479 việc")
    7479
    """
    said = _CASES.sub("", plain(text))
    return whole(_number(said, text, three_after_comma=False))


def rate(text: str) -> Decimal:
    """A percentage or a number of points: `79.07%`, `52,50%`, `(- 10,60%)`.

    >>> rate("25,7%"), rate("(- 10,60%)")
    (Decimal('25.70'), Decimal('-10.60'))
    """
    said = plain(text)
    if said.startswith("(") and said.endswith(")"):
        said = said[1:-1].strip()
        if not said.startswith("-"):
            raise Misspelt("not_a_number", _not_a_number(text))
    said = said.removesuffix("%").rstrip()
    if re.fullmatch(rf"-?\s*{_GROUPED}", said, re.ASCII):
        raise Misspelt("ambiguous_number", _ambiguous(text))
    return two_places(_number(said, text, three_after_comma=True))


def amount(text: str, unit: int | None) -> int:
    """Đồng; what stands without words counts `unit` đồng each, None is refused.

    >>> amount("761 tỷ 546 triệu 547 nghìn đồng", 1)
    761546547000
    >>> amount("195.723.741", 1000)
    195723741000
    """
    said = plain(text)
    if said.startswith("-"):
        raise Misspelt("negative", _negative(text))
    parts = _parts(said, text, unit)
    if len(parts) == 1:
        number, scale, bare = parts[0]
        if bare and unit is None:
            raise Misspelt("missing_money_in", MONEY_IN)
        return whole(number * (unit if bare and unit else scale))
    _refuse_disorder(parts, text)
    return whole(sum((number * scale for number, scale, _ in parts), Decimal(0)))


def _parts(said: str, text: str, unit: int | None) -> list[tuple[Decimal, int, bool]]:
    """Each number with its scale, and whether it stands without any word."""
    parts, place = [], 0
    while place < len(said):
        found = _PART.match(said, place) if len(said) <= LONGEST else None
        if found is None or (found["currency"] and found.end() < len(said)):
            raise Misspelt("not_a_number", _not_a_number(text))
        bare = not found["scale"] and not found["currency"]
        # Nobody writes so many tỷ that they need a mark for thousands of them.
        in_ty = bool(found["scale"]) or (bare and unit == TY)
        number = _number(found["number"], text, three_after_comma=in_ty)
        parts.append((number, _scale(found["scale"]), bare))
        place = found.end()
    if not parts:
        raise Misspelt("not_a_number", _not_a_number(text))
    return parts


def _scale(words: str | None) -> int:
    scale = 1
    for word in (words or "").split():
        scale *= _SCALES[word if word in _SCALES else word[0]]
    return scale


def _refuse_disorder(parts: list[tuple[Decimal, int, bool]], text: str) -> None:
    """`2 triệu 3 tỷ`, `1 tỷ 2000 triệu` and `1,5 tỷ 3 triệu` are slips of the pen."""
    for (first, above, _), (number, scale, bare) in pairwise(parts):
        fits = scale < above and number * scale < above
        if not fits or bare or first % 1 or number % 1:
            raise Misspelt("not_a_number", _not_a_number(text))


def _number(said: str, text: str, *, three_after_comma: bool) -> Decimal:
    """One number; `three_after_comma` says whether `7,479` may be a decimal."""
    found = _SIGNED.fullmatch(said) if len(said) <= LONGEST else None
    if found is None:
        raise Misspelt("not_a_number", _not_a_number(text))
    written = found["number"]
    if re.fullmatch(_GROUPED, written, re.ASCII):
        written = written.replace(".", "")
    if not three_after_comma and re.fullmatch(r"\d+,\d{3}", written):
        raise Misspelt("ambiguous_number", _ambiguous(text))
    number = Decimal(written.replace(",", "."))
    return -number if found["minus"] else number


def whole(number: Decimal) -> int:
    """A count or an amount, which is whole, not negative, and exact everywhere."""
    if number < 0:
        raise Misspelt("negative", _negative(str(number)))
    if number > LARGEST_COUNT:
        raise Misspelt("out_of_range", _TOO_LARGE)
    if number != number.to_integral_value():
        raise Misspelt("not_whole", _not_whole(str(number)))
    return int(number)


def two_places(number: Decimal) -> Decimal:
    """A rate with its two places; more places would have to be rounded by someone."""
    if abs(number) > LARGEST_COUNT:
        raise Misspelt("out_of_range", _TOO_LARGE)
    if number != number.quantize(Decimal("0.01")):
        raise Misspelt("too_precise", _too_precise(str(number)))
    return number.quantize(Decimal("0.01"))


_MONTHS = re.compile(r"(\d{1,2}) tháng (?:đầu )?(?:công tác )?năm (\d{4})", re.ASCII)
_VIETNAMESE_DAY = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})", re.ASCII)


def period(text: str) -> Period | None:
    """A period as a title names it; None when it names none, or several.

    >>> period("KẾT QUẢ THI HÀNH ÁN 5 THÁNG NĂM 2022 VỀ VIỆC").code
    '2022M05'
    >>> period("đến hết ngày 12/9/2025").code
    '2025-09-12'
    """
    said = plain(text)
    codes = [f"{year}M{int(months):02d}" for months, year in _MONTHS.findall(said)]
    codes += [
        f"{year}-{int(month):02d}-{int(day):02d}"
        for day, month, year in _VIETNAMESE_DAY.findall(said)
    ]
    codes = codes or [said.upper()]
    try:
        found = {Period.parse(code) for code in codes}
    except InvalidPeriod:
        return None
    return found.pop() if len(found) == 1 else None


def _not_a_number(text: str) -> Text:
    shown = text[:LONGEST]
    return Text(f"«{shown}» không phải là số.", f"{shown!r} is not a number.")


def _ambiguous(text: str) -> Text:
    shown = text[:LONGEST]
    return Text(
        f"«{shown}» có thể hiểu hai cách; hãy viết không có dấu phân cách hàng nghìn.",
        f"{shown!r} could be two numbers; write it without a thousands mark.",
    )


def _negative(text: str) -> Text:
    text = text[:LONGEST]
    return Text(f"Số âm ({text}).", f"A negative number ({text}).")


def _not_whole(text: str) -> Text:
    shown = text[:LONGEST]
    return Text(f"{shown} không phải số nguyên.", f"{shown} is not a whole number.")


def _too_precise(text: str) -> Text:
    shown = text[:LONGEST]
    return Text(
        f"{shown} có quá 2 số lẻ; hãy viết đúng tỷ lệ đã công bố, ví dụ 79,07.",
        f"{shown} has more than 2 decimals; write the rate as published, e.g. 79,07.",
    )


_TOO_LARGE = Text("Lớn hơn 2^53 − 1.", "More than 2^53 − 1.")
MONEY_IN = Text(
    "Không rõ đơn vị tiền; hãy thêm tham số money_in: vnd, thousand_vnd hoặc ty.",
    "The unit of money is not known; add money_in: vnd, thousand_vnd or ty.",
)
