"""When what a rule asks for must be there."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from libs.common.working_days import after
from services.alerts.domain.rules import Deadline, Every, OnDay, Within

MOST_STANDING: Final = 10
"""Working days that a standing report may take after its month or quarter."""

VIETNAM: Final = ZoneInfo("Asia/Ho_Chi_Minh")
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Due:
    """A deadline: the day as a letter names it, and the moment at which it is past."""

    on: date
    inclusive: bool
    ends_at: datetime

    def as_json(self) -> dict[str, str | bool]:
        return {
            "on": self.on.isoformat(),
            "inclusive": self.inclusive,
            "ends_at": self.ends_at.isoformat(),
        }


def due_of(
    due: Deadline | None,
    *,
    period_end: date,
    opened_on: date,
    is_working: Callable[[date], bool],
) -> Due | None:
    """The deadline of a matter, None when nothing is owed."""
    if due is None:
        return None
    if isinstance(due, Every):
        return _after(due.due, _end_of_months(opened_on, due.months), is_working)
    if isinstance(due, OnDay) or due.from_period_end:
        return _after(due, period_end, is_working)
    return within(due.working_days, opened_on, is_working=is_working)


def next_of(due: Every, last: date, *, is_working: Callable[[date], bool]) -> Due:
    """The deadline of a standing report after the one that was due on `last`.

    A report is due in the month after the one that it is of: on a day of it, or within
    no more than MOST_STANDING working days.
    """
    ends_on = _end_of_months(last, due.months)
    following = _after(due.due, ends_on, is_working)
    if following.on > last:
        return following
    ends_on = _end_of_months(ends_on + _DAY, due.months)
    return _after(due.due, ends_on, is_working)


def _after(due: OnDay | Within, end: date, is_working: Callable[[date], bool]) -> Due:
    """The deadline of what is owed for a period or a month that ends on `end`."""
    if isinstance(due, OnDay):
        return on(_in_next_month(end, due.day), inclusive=due.inclusive)
    return within(due.working_days, end, is_working=is_working)


def within(days: int, start: date, *, is_working: Callable[[date], bool]) -> Due:
    """The end of the n-th working day after `start`, which itself never counts."""
    return on(after(start, days, is_working), inclusive=True)


def on(day: date, *, inclusive: bool) -> Due:
    """The end of that day, or its beginning when the day itself is too late."""
    return Due(day, inclusive, midnight(day + _DAY if inclusive else day))


def midnight(day: date) -> datetime:
    """The moment a day begins in Viet Nam."""
    return datetime.combine(day, time(), VIETNAM)


def _end_of_months(day: date, months: int) -> date:
    """The last day of `day`'s month, or of its quarter (of a working year as well)."""
    month = -(-day.month // months) * months
    return date(day.year, month, monthrange(day.year, month)[1])


def _in_next_month(day: date, day_of_month: int) -> date:
    """That day of the month after `day`'s, or its last where it is shorter."""
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return date(year, month, min(day_of_month, monthrange(year, month)[1]))
