"""Reporting periods and the arithmetic that compares one with another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

_MONTHS = re.compile(r"[0-9]{4}M(0[1-9]|1[0-2])")
# fromisoformat alone would also take 20250912 and 2025-W37-5.
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIRST_YEAR, _LAST_YEAR = 1950, 2199


class InvalidPeriod(ValueError):
    """Neither months of a working year (2022M05) nor a cut-off day (2025-09-12)."""


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """What was done since 1 October, up to a month's end or a cut-off day.

    The working year 2022 runs from 1 October 2021, so 2022M05 ends with
    February 2022. Periods of one year overlap: they are never added up.
    Source: Circular 06/2019/TT-BTP Art. 4 and Circular 05/2024/TT-BTP Art. 7.
    """

    code: str

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read a period's code; a day that ends a month is that month's period.

        >>> Period.parse("2022-02-28").code
        '2022M05'
        """
        period = cls._read(text)
        if not _FIRST_YEAR <= period.working_year <= _LAST_YEAR:
            raise InvalidPeriod(text)
        return period

    @classmethod
    def _read(cls, text: str) -> Period:
        if _MONTHS.fullmatch(text) and int(text[:4]) > 1:
            return cls(text)
        try:
            return cls.ending(date.fromisoformat(text if _DAY.fullmatch(text) else ""))
        except (ValueError, OverflowError):
            raise InvalidPeriod(text) from None

    @classmethod
    def ending(cls, day: date) -> Period:
        """The period that ends with this day."""
        if not _ends_month(day):
            return cls(day.isoformat())
        return cls(f"{_working_year(day):04d}M{(day.month + 2) % 12 + 1:02d}")

    @property
    def months(self) -> int | None:
        """How many months of the working year it covers; None for an ad hoc day."""
        return int(self.code[5:]) if self.code[4] == "M" else None

    @property
    def end(self) -> date:
        """Its last day.

        >>> Period("2022M05").end.isoformat()
        '2022-02-28'
        """
        return _end(self.code)

    @property
    def working_year(self) -> int:
        """The year that it belongs to, named by its end on 30 September."""
        return _working_year(self.end)

    @property
    def start(self) -> date:
        """Always 1 October of the year before the working year's name."""
        return date(self.working_year - 1, 10, 1)

    @property
    def year_end(self) -> date:
        """30 September, when the working year closes."""
        return date(self.working_year, 9, 30)

    def year_earlier(self) -> Period:
        """The same cut a year before, with which it is compared.

        >>> Period.parse("2024-02-28").year_earlier().code
        '2023M05'
        """
        year = int(self.code[:4]) - 1
        return Period._read(f"{year:04d}{self.code[4:]}")

    def month_before(self) -> Period | None:
        """The month end before it in the same working year; None in October.

        >>> Period.parse("2025-09-12").month_before().code
        '2025M11'
        """
        last = Period.ending(self.end.replace(day=1) - timedelta(days=1))
        return last if last.working_year == self.working_year else None

    def two_years(self) -> tuple[Period, ...]:
        """The 24 months before a month, and itself; empty for an ad hoc day.

        >>> [p.code for p in Period.parse("2022M05").two_years()][::12]
        ['2020M05', '2021M05', '2022M05']
        """
        if self.months is None:
            return ()
        last = int(self.code[:4]) * 12 + self.months - 1
        counted = (divmod(month, 12) for month in range(last - 24, last + 1))
        return tuple(Period(f"{y:04d}M{m + 1:02d}") for y, m in counted)

    def later_cuts(self) -> tuple[Period, ...]:
        """Every period whose year-earlier cut this is.

        A leap year makes two: 2024M05 and the day 2024-02-28 both look back
        at 2023M05.
        """
        year = int(self.code[:4]) + 1
        cuts = [self.code[4:]] if self.months else []
        cuts.append(f"-{self.end.month:02d}-{self.end.day:02d}")
        found = set()
        for cut in cuts:
            base = year if cut[0] == "M" else self.end.year + 1
            try:
                later = Period.parse(f"{base:04d}{cut}")
            except InvalidPeriod:  # 29 February has no day a year later
                continue
            if later.year_earlier() == self:
                found.add(later)
        return tuple(sorted(found))


def _working_year(day: date) -> int:
    return day.year + (day.month > 9)


@lru_cache(maxsize=4096)  # a national month asks for the ends of a few cuts often
def _end(code: str) -> date:
    if code[4] != "M":
        return date.fromisoformat(code)
    months = int(code[:4]) * 12 - 3 + int(code[5:])
    return date(months // 12, months % 12 + 1, 1) - timedelta(days=1)


def _ends_month(day: date) -> bool:
    return (day + timedelta(days=1)).day == 1
