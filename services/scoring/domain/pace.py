"""How fast a unit works, how fast it would have to, and where that leads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from libs.common.figures import percent, published
from libs.common.periods import Period


@dataclass(frozen=True, slots=True)
class Days:
    """The days that a pace is measured in, the same for every row of a period."""

    at: date
    left: int
    working_left: int
    recent_working: int
    working_after_cut: int

    @classmethod
    def of(cls, period: Period, at: date, is_working: Callable[[date], bool]) -> Days:
        """Left from the evaluation day; recent since the month end before the cut."""
        before = period.month_before()
        since = before.end if before else period.start - timedelta(days=1)

        def worked(after: date, until: date) -> int:
            days = range(1, max(0, (until - after).days) + 1)
            return sum(is_working(after + timedelta(days=n)) for n in days)

        # Before the year began, all of it is left.
        from_day = max(at, period.start - timedelta(days=1))
        return cls(
            at,
            max(0, (period.year_end - at).days),
            worked(from_day, period.year_end),
            worked(since, period.end),
            worked(period.end, period.year_end),
        )


@dataclass(frozen=True, slots=True)
class Row:
    """What a pace is computed from; `recent` is done since the month end before."""

    done: int | None
    enforceable: int | None
    needed: int | None
    recent: int | None


@dataclass(frozen=True, slots=True)
class Pace:
    """Per working day, two places half up; what cannot be known is None."""

    needed_per_day: Decimal | None
    recent_per_day: Decimal | None
    projected_rate: Decimal | None


def pace(row: Row, days: Days) -> Pace:
    """The projection goes on from the cut as fast as recently, all else being equal."""
    return Pace(
        _per_day(row.needed, days.working_left),
        _per_day(row.recent, days.recent_working),
        _projected(row, days),
    )


def _per_day(count: int | None, days: int) -> Decimal | None:
    if count == 0:
        return Decimal("0.00")
    if count is None or days == 0:
        return None
    return percent((200 * abs(count) + days) // (2 * days) * (1 if count > 0 else -1))


def _projected(row: Row, days: Days) -> Decimal | None:
    if row.done is None or not row.enforceable or row.recent is None:
        return None
    if not days.recent_working:
        return None  # a cut so soon after a month's end that no day was worked
    further = max(0, row.recent) * days.working_after_cut
    whole = row.enforceable * days.recent_working
    reached = min(whole, row.done * days.recent_working + further)
    return published(reached, whole)
