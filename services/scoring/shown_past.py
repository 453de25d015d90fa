"""Change, pace and month of a scorecard as the API gives them."""

from __future__ import annotations

from decimal import Decimal

from typing_extensions import TypedDict

from libs.common.database import Row
from services.scoring.domain import change as changes
from services.scoring.domain import pace as paces
from services.scoring.domain.change import Counts
from services.scoring.domain.pace import Days


class Change(TypedDict):
    """The points against last year: from finishing, and from the denominator."""

    numerator_effect: str
    denominator_effect: str
    denominator_share: str | None


class DaysLeft(TypedDict):
    """Days until 30 September, and how many of them are worked."""

    calendar: int
    working: int


class Pace(TypedDict):
    """How fast: needed and recent per working day, and where that leads."""

    at: str
    days_left: DaysLeft
    needed: int | None
    needed_per_day: str | None
    recent_per_day: str | None
    projected_rate: str | None


class Month(TypedDict):
    """What came since the month end before; stocks are what they moved by."""

    previous_rate: str | None
    done: int | None
    completed: int | None
    terminated: int | None
    newly_accepted: int | None
    entrusted: int | None
    enforceable: int | None
    separate_ledger: int | None


def month(row: Row) -> Month:
    """The month's own flows."""
    return Month(
        previous_rate=text(row["previous_rate"]),
        done=row["month_done"],
        completed=row["month_completed"],
        terminated=row["month_terminated"],
        newly_accepted=row["month_newly_accepted"],
        entrusted=row["month_entrusted"],
        enforceable=row["month_enforceable"],
        separate_ledger=row["month_separate_ledger"],
    )


def change(row: Row, why: dict[str, str]) -> Change | None:
    """Null without a rate or without counts on both sides."""
    rate, last = row["rate"], row["last_rate"]
    if rate is None or last is None:
        why["change"] = "no_last_year" if rate is not None else why["rate"]
        return None
    now = _counts(row["done"], row["enforceable"])
    then = _counts(row["last_done"], row["last_enforceable"])
    if now is None or then is None:
        why["change"] = "no_counts"
        return None
    found = changes.effects(rate - last, now, then)
    if found is None:
        why["change"] = "not_comparable"
        return None
    return Change(
        numerator_effect=str(found.numerator),
        denominator_effect=str(found.denominator),
        denominator_share=text(found.denominator_share),
    )


def _counts(done: int | None, enforceable: int | None) -> Counts | None:
    return None if done is None or enforceable is None else Counts(done, enforceable)


def pace(row: Row, needed: int | None, days: Days, why: dict[str, str]) -> Pace:
    """Days are known even where nothing else is."""
    counted = paces.Row(row["done"], row["enforceable"], needed, row["month_done"])
    found = paces.pace(counted, days)
    short = why.get("shortfall.needed") or why.get("shortfall")
    for name, reason in (
        ("needed_per_day", short or "no_days_left"),
        ("recent_per_day", _why_not_recent(counted)),
        ("projected_rate", _why_not_recent(counted)),
    ):
        if getattr(found, name) is None:
            why[f"pace.{name}"] = reason
    return Pace(
        at=days.at.isoformat(),
        days_left=DaysLeft(calendar=days.left, working=days.working_left),
        needed=needed,
        needed_per_day=text(found.needed_per_day),
        recent_per_day=text(found.recent_per_day),
        projected_rate=text(found.projected_rate),
    )


def _why_not_recent(row: paces.Row) -> str:
    if row.done is None or row.enforceable is None:
        return "no_counts"
    if row.enforceable == 0:
        return "no_denominator"
    return "no_month_before" if row.recent is None else "no_working_days"


def text(number: Decimal | None) -> str | None:
    """A decimal as it is written, with its places."""
    return None if number is None else str(number)


def minus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """A difference in points, where both sides are known."""
    return None if one is None or other is None else one - other
