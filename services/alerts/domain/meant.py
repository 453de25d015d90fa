"""What was most likely meant by words that a rule does not have.

Each reads what stands there, and gives None where that would be a guess.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import date
from difflib import get_close_matches
from typing import Final

from libs.common.periods import InvalidPeriod, Period
from services.alerts.domain.vocabulary import Bilingual

_FLAGS: Final = {
    **dict.fromkeys(("true", "yes", "y", "on", "có", "đúng"), "true"),
    **dict.fromkeys(("false", "no", "n", "off", "không", "sai"), "false"),
}

_MEMBERS: Final = {
    "kế hoạch": "plan",
    "báo cáo": "report",
    "giải trình": "explanation",
    "không": "nothing",
    "thấp": "low",
    "trung bình": "medium",
    "cao": "high",
    "nghiêm trọng": "critical",
    "tiền": "money",
    "việc": "cases",
    "tỉnh": "province",
    "đơn vị": "unit",
    **dict.fromkeys(("tháng", "monthly", "1 month", "1 tháng"), "month"),
    **dict.fromkeys(("quý", "quarterly", "3 month", "3 months", "3 tháng"), "quarter"),
}
"""Words for members of closed lists; each counts only where its list has it."""

_DAY_FIRST: Final = re.compile(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})")
_YEAR_FIRST: Final = re.compile(r"([0-9]{4})[/.-]([0-9]{1,2})[/.-]([0-9]{1,2})")
_MONTH: Final = re.compile(
    r"(?P<m>[0-9]{1,2})[/.-](?P<y>[0-9]{4})|(?P<year>[0-9]{4})[/.Mm-](?P<month>[0-9]{1,2})"
)
_NO_LETTER: Final = re.compile(r"[^a-z0-9]+")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like this one, if any is near."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def flag(text: str) -> str | None:
    """`true` or `false` for yes and no in either language."""
    return _FLAGS.get(text.lower())


def member(text: str, known: Iterable[str]) -> str | None:
    """Which of the known words; the only one, where there is one."""
    known = list(known)
    word = " ".join(text.lower().split())
    meant = flag(word) if "true" in known else _MEMBERS.get(word)
    if meant in known:
        return meant
    return known[0] if len(known) == 1 else nearest(word, known)


def day_numbers(text: str) -> tuple[int, int, int] | None:
    """Year, month and day as they stand there, whether or not there is such a day."""
    if found := _YEAR_FIRST.fullmatch(text):
        return int(found[1]), int(found[2]), int(found[3])
    if found := _DAY_FIRST.fullmatch(text):
        return int(found[3]), int(found[2]), int(found[1])
    return None


def day(text: str) -> str | None:
    """The same day as a rule writes it.

    >>> day("15/09/2025")
    '2025-09-15'
    """
    try:
        return date(*(day_numbers(text) or (0, 0, 0))).isoformat()
    except ValueError:
        return None


def no_day(text: str) -> Bilingual:
    """Why a text is no day: there is none such, or it is written otherwise."""
    if day(text) is not None:
        return Bilingual(
            f"Quy tắc viết ngày {text!r} cách khác: năm-tháng-ngày.",
            f"A rule writes the day {text!r} otherwise: year-month-day.",
        )
    if day_numbers(text):
        return Bilingual(f"Không có ngày {text}.", f"There is no such day: {text}.")
    return Bilingual(
        f"{text!r} không phải là ngày; ví dụ: 2022-03-08.",
        f"{text!r} is no date; for example: 2022-03-08.",
    )


def period(text: str) -> str | None:
    """The same month or cut-off day as a rule writes it.

    >>> period("11/2025")
    '2025M11'
    """
    found = _MONTH.fullmatch(text)
    if found is None:
        return day(text)
    year, month = int(found["y"] or found["year"]), int(found["m"] or found["month"])
    return _month_of(year, month)


def period_of_calendar(text: str) -> str | None:
    """The period whose last month it is in the calendar.

    >>> period_of_calendar("11/2025")
    '2026M02'
    """
    found = _MONTH.fullmatch(text)
    if found is None or "m" in text.lower():
        return None
    year, month = int(found["y"] or found["year"]), int(found["m"] or found["month"])
    return _month_of(year + (month > 9), (month + 2) % 12 + 1)


def _month_of(year: int, month: int) -> str | None:
    try:
        return Period.parse(f"{year:04d}M{month:02d}").code
    except InvalidPeriod:
        return None


def id(text: str) -> str | None:
    """An id of the same letters, without their signs.

    >>> id("Tiền_thấp")
    'tien-thap'
    """
    bare = unicodedata.normalize("NFD", text.lower().replace("đ", "d"))
    bare = "".join(each for each in bare if not unicodedata.combining(each))
    return _NO_LETTER.sub("-", bare).strip("-")[:64].strip("-") or None
