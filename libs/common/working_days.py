"""Which days are worked in Viet Nam: not weekends, not public holidays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final

import holidays

_SATURDAY: Final = 5


def working_days() -> Callable[[date], bool]:
    """A calendar that says whether a day is worked; it learns years as it is asked."""
    off = holidays.country_holidays("VN")

    def is_working(day: date) -> bool:
        return day.weekday() < _SATURDAY and day not in off

    return is_working
