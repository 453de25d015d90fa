"""The names a rule may use, what kind of value each has, and how values are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

from libs.common.figures import LARGEST_COUNT
from services.alerts.domain.earlier_words import LAST_YEAR_WORDS, PREVIOUS_WORDS
from services.alerts.domain.past_words import PAST_WORDS

Value = int | str | bool | tuple[str, ...]
Facts = Mapping[str, Value | None]
"""One row as rules see it. Every number is whole: percent, points and decimals in
hundredths (73.45 is 7345), money in đồng, dates as `date.toordinal()`. A name that is
missing or None is unknown, which is not the same as zero or false."""

Printed = int | str | bool | list[str] | None


@dataclass(frozen=True, slots=True)
class Bilingual:
    """The same words in Vietnamese and in English."""

    vi: str
    en: str


class Kind(StrEnum):
    """What a value is. `count` is a column whose unit depends on the measure."""

    PERCENT = "percent"
    POINTS = "points"
    VND = "vnd"
    CASES = "cases"
    COUNT = "count"
    NUMBER = "number"
    DECIMAL = "decimal"
    DAYS = "days"
    WDAYS = "wdays"
    DATE = "date"
    FLAG = "flag"
    TEXT = "text"
    LIST = "list"


HUNDREDTHS: Final = frozenset({Kind.PERCENT, Kind.POINTS, Kind.DECIMAL})
NUMERIC: Final = frozenset(Kind) - {Kind.FLAG, Kind.TEXT, Kind.LIST}

UNITS: Final[Mapping[str, Kind]] = {
    "%": Kind.PERCENT,
    "pp": Kind.POINTS,
    "vnd": Kind.VND,
    "cases": Kind.CASES,
    "day": Kind.DAYS,
    "days": Kind.DAYS,
    "wday": Kind.WDAYS,
    "wdays": Kind.WDAYS,
}
"""How a literal's unit is written, and the kind it gives."""


@dataclass(frozen=True, slots=True)
class Name:
    """One word of the vocabulary."""

    name: str
    kind: Kind
    says: Bilingual


Names = Mapping[str, Name]

_WORDS: Final = (
    ("unit.code", Kind.TEXT, "Mã đơn vị", "Code of the unit"),
    (
        "unit.kind",
        Kind.TEXT,
        "Loại đơn vị: national, province, office, officer, other",
        "Kind of unit: national, province, office, officer, other",
    ),
    (
        "measure",
        Kind.TEXT,
        "Việc (cases), tiền (money), khiếu nại (complaints), án hành chính"
        " (administrative), quyết định (decisions), hướng dẫn nghiệp vụ (guidance)",
        "cases, money, complaints, administrative, decisions or guidance",
    ),
    (
        "category",
        Kind.TEXT,
        "Nhóm số liệu: all, credit, corruption, …",
        "Category of the figures: all, credit, corruption, …",
    ),
    (
        "period.months",
        Kind.NUMBER,
        "Số tháng của kỳ tính từ 01/10; không có với kỳ theo ngày",
        "Months in the period since 1 October; unknown for an ad hoc day",
    ),
    ("period.end", Kind.DATE, "Ngày cuối kỳ", "Last day of the period"),
    ("at", Kind.DATE, "Ngày đánh giá", "Day of the evaluation"),
    (
        "days_left",
        Kind.DAYS,
        "Số ngày còn lại đến 30/9 của năm công tác, không âm",
        "Days left until 30 September of the working year, never below 0",
    ),
    (
        "rate",
        Kind.PERCENT,
        "Tỷ lệ thi hành xong trên số có điều kiện, làm tròn 2 số lẻ",
        "Share of the enforceable that is done, as published (2 decimals)",
    ),
    ("target.rate", Kind.PERCENT, "Chỉ tiêu được giao", "The target in force"),
    (
        "target.operator",
        Kind.TEXT,
        "more_than (trên) hoặc at_least (từ … trở lên)",
        "more_than or at_least",
    ),
    (
        "last_year.rate",
        Kind.PERCENT,
        "Tỷ lệ cùng kỳ năm trước",
        "Rate of the same period last year",
    ),
    ("national.rate", Kind.PERCENT, "Tỷ lệ toàn quốc", "The national rate"),
    (
        "last_year.points",
        Kind.POINTS,
        "Tăng (+), giảm (−) so với cùng kỳ năm trước (điểm %)",
        "Points above (+) or below (−) the same period last year",
    ),
    (
        "shortfall.points",
        Kind.POINTS,
        "Còn thiếu so với chỉ tiêu (điểm %); đạt thì bằng 0",
        "Points missing to the target; 0 when it is met",
    ),
    (
        "above_national",
        Kind.POINTS,
        "Cao hơn (+), thấp hơn (−) tỷ lệ toàn quốc (điểm %)",
        "Points above (+) or below (−) the national rate",
    ),
    (
        "done",
        Kind.COUNT,
        "Thi hành xong, gồm cả đình chỉ",
        "Done, terminated included",
    ),
    ("enforceable", Kind.COUNT, "Có điều kiện thi hành", "Enforceable"),
    ("carried_over", Kind.COUNT, "Năm trước chuyển sang", "Carried over"),
    ("newly_accepted", Kind.COUNT, "Thụ lý mới", "Newly accepted"),
    ("total_accepted", Kind.COUNT, "Tổng số giải quyết", "Total accepted"),
    ("entrusted", Kind.COUNT, "Ủy thác thi hành án", "Entrusted to another unit"),
    ("withdrawn", Kind.COUNT, "Thu hồi, hủy quyết định", "Withdrawn"),
    (
        "pulled_up",
        Kind.COUNT,
        "Cấp trên rút lên thi hành",
        "Taken over by the level above",
    ),
    ("to_enforce", Kind.COUNT, "Tổng số phải thi hành", "Total to enforce"),
    ("completed", Kind.COUNT, "Thi hành xong", "Completed"),
    ("terminated", Kind.COUNT, "Đình chỉ thi hành án", "Terminated"),
    (
        "reduced",
        Kind.COUNT,
        "Giảm nghĩa vụ thi hành án (tiền)",
        "Obligation reduced (money only)",
    ),
    ("in_progress", Kind.COUNT, "Đang thi hành", "In progress"),
    (
        "postponed_suspended",
        Kind.COUNT,
        "Hoãn, tạm đình chỉ",
        "Postponed or suspended",
    ),
    (
        "not_enforceable",
        Kind.COUNT,
        "Chưa có điều kiện thi hành",
        "Not enforceable yet",
    ),
    ("carried_forward", Kind.COUNT, "Số chuyển kỳ sau", "Carried forward"),
    (
        "separate_ledger",
        Kind.COUNT,
        "Chưa có điều kiện, đã chuyển sổ theo dõi riêng",
        "Not enforceable, moved to the separate ledger",
    ),
    (
        "enforceable_over_1y",
        Kind.COUNT,
        "Có điều kiện trên 01 năm chưa thi hành xong",
        "Enforceable for over a year and not finished",
    ),
    (
        "resolved",
        Kind.COUNT,
        "Đã giải quyết (khiếu nại, quyết định, án hành chính, hướng dẫn)",
        "Resolved (complaints, decisions, administrative judgments, guidance)",
    ),
    (
        "resolved_in_time",
        Kind.COUNT,
        "Đã giải quyết đúng thời hạn",
        "Resolved in time",
    ),
    (
        "month.reclassified",
        Kind.COUNT,
        "Số có điều kiện hụt đi so với khi giữ tỷ lệ có điều kiện của cuối tháng trước;"
        " âm là tăng",
        "How much less is enforceable than if the enforceable share of the month end"
        " before had held; below 0 is more",
    ),
    ("rank.position", Kind.NUMBER, "Thứ hạng", "Place in the ranking"),
    ("rank.of", Kind.NUMBER, "Tổng số đơn vị xếp hạng", "Units ranked"),
    (
        "rank.from_bottom",
        Kind.NUMBER,
        "Thứ hạng tính từ cuối lên",
        "Place counted from the last",
    ),
    (
        "illustrative",
        Kind.FLAG,
        "Số liệu minh họa, không phải số liệu chính thức",
        "Figures made up to illustrate, not official",
    ),
    ("met", Kind.FLAG, "Đạt chỉ tiêu", "The target is met"),
)

VOCABULARY: Final[Names] = {
    **{name: Name(name, kind, Bilingual(vi, en)) for name, kind, vi, en in _WORDS},
    **{
        name: Name(name, Kind(kind), Bilingual(vi, en))
        for name, kind, _, vi, en in (*PAST_WORDS, *PREVIOUS_WORDS, *LAST_YEAR_WORDS)
    },
}


class NotAValue(ValueError):
    """The text is not a value of the kind that its name has."""


def printed(value: Value | None, kind: Kind) -> Printed:
    """Write a value as the API writes it: 7345 hundredths of a percent is "73.45"."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, tuple):
        return list(value)
    if kind in HUNDREDTHS:
        return hundredths(value)
    if kind is Kind.DATE:
        return date.fromordinal(value).isoformat()
    return value


def hundredths(value: int) -> str:
    """7345 is "73.45", -5 is "-0.05"."""
    whole, part = divmod(abs(value), 100)
    return f"{'-' if value < 0 else ''}{whole}.{part:02d}"


def read(text: str, kind: Kind) -> int | str | bool:
    """Read one printed value; the opposite of `printed`."""
    if kind is Kind.TEXT or kind is Kind.LIST:
        return text
    if kind is Kind.FLAG:
        return _flag(text)
    if kind is Kind.DATE:
        return day(text).toordinal()
    return scaled(_decimal(text), kind)


def day(text: str) -> date:
    """Read YYYY-MM-DD and nothing else (fromisoformat also takes 20250912)."""
    try:
        if len(text) == 10:
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise NotAValue(text)


def scaled(value: Decimal, kind: Kind) -> int:
    """Turn a written number into the whole number the tree works with.

    What is whole is written so: 50.000 is no fifty.
    """
    whole = value * 100 if kind in HUNDREDTHS else value
    if kind not in HUNDREDTHS and "." in str(value):
        raise NotAValue(str(value))
    if whole != whole.to_integral_value() or abs(whole) > LARGEST_COUNT:
        raise NotAValue(str(value))
    return int(whole)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise NotAValue(text)
    return text == "true"


def _decimal(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise NotAValue(text) from None
    if not value.is_finite() or "e" in text.lower():
        raise NotAValue(text)
    return value
