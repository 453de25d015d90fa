"""Which days are worked in Viet Nam: not weekends, not public holidays, as decreed.

Public holidays come from a maintained library; what a year's decree adds or swaps (a
Saturday worked for a Monday off) from the calendar that stewards keep.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import cache
from types import MappingProxyType
from typing import Final

import holidays

from libs.common.database import Connection

IsWorking = Callable[[date], bool]

_SATURDAY: Final = 5
_NONE: Final[Mapping[date, bool]] = MappingProxyType({})
# It learns years as it is asked, so one is enough for a process.
_OFF = holidays.country_holidays("VN")


def working_days(decreed: Mapping[date, bool] = _NONE) -> IsWorking:
    """A calendar that says whether a day is worked; what was decreed comes first."""

    @cache  # thousands of matters are due on the same few days
    def is_working(day: date) -> bool:
        decided = decreed.get(day)
        if decided is not None:
            return decided
        return day.weekday() < _SATURDAY and day not in _OFF

    return is_working


def public_holidays(year: int) -> dict[date, str]:
    """The library's public holidays of a year, by day."""
    return {
        day: name
        for day, name in sorted(holidays.country_holidays("VN", years=year).items())
        if day.year == year
    }


def after(start: date, days: int, is_working: IsWorking) -> date:
    """The n-th working day after `start`, which itself never counts."""
    day = start
    while days > 0:
        day += timedelta(days=1)
        days -= is_working(day)
    return day


def between(start: date, end: date, is_working: IsWorking) -> int:
    """How many working days there are after `start` up to and with `end`."""
    days = (end - start).days
    return sum(is_working(start + timedelta(days=n)) for n in range(1, days + 1))


async def calendar(connection: Connection) -> IsWorking:
    """The calendar as it stands, with every day that was decreed."""
    rows = await connection.fetch("SELECT day, works FROM platform.calendar_day")
    return working_days({row["day"]: row["works"] for row in rows})
