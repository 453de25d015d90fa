"""Periods, obligations, completeness and the calendar as the API gives them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, NotRequired

from typing_extensions import TypedDict

from libs.common.clock import written
from libs.common.database import Row
from libs.common.figures import published
from libs.common.obligations import Return, State
from libs.common.working_days import public_holidays
from services.ingest.timetable.usecases import Completeness, PeriodState


class Author(TypedDict):
    """Whose key it was."""

    key: str
    name: str | None


class Word(TypedDict):
    """That a period was closed or reopened, by whom and why."""

    action: str
    under: str
    reason: str | None
    author: Author
    at: str | None


class PeriodShown(TypedDict):
    """A period, how many units reported it, and whether it is closed."""

    period: str
    end: date
    reports: int
    state: str
    closings: list[Word]


class Closed(TypedDict):
    """A period that was closed or reopened; its batch tells when all have heard."""

    period: str
    under: str
    state: str
    batch: str


class RowShown(TypedDict):
    """A row that a report must hold."""

    measure: str
    category: str


class ObligationShown(TypedDict):
    """Who owes which report, and within how many working days."""

    name: str
    kind: str
    under: str
    months: list[int]
    rows: list[RowShown]
    within_working_days: int
    valid_from: date
    valid_to: date | None
    document: dict[str, Any]


class ReturnShown(TypedDict):
    """One report that is owed, and what came of it."""

    unit: str
    name: str
    obligation: str
    due_on: date
    state: str
    complete_at: str | None
    lacks: NotRequired[list[RowShown]]


class CompletenessShown(TypedDict):
    """What came of all that was owed; shares are percent, never above 100."""

    period: str
    expected: int
    received: int
    on_time: int
    late: int
    awaited: int
    missing: int
    received_share: str | None
    on_time_share: str | None
    items: list[ReturnShown]
    next: str | None


class DayShown(TypedDict):
    """A day that is not what its weekday says."""

    day: date
    works: bool
    name: str
    origin: str
    document: NotRequired[str]


class CalendarShown(TypedDict):
    """Public holidays of a year, and the days decreed on or off work."""

    year: int
    days: list[DayShown]


def period(one: PeriodState) -> PeriodShown:
    """A period with every word on its closing."""
    return PeriodShown(
        period=one.period.code,
        end=one.period.end,
        reports=one.reports,
        state=one.state,
        closings=[_word(word) for word in one.words],
    )


def _word(row: Any) -> Word:
    return Word(
        action="close" if row["closed"] else "reopen",
        under=row["under"],
        reason=row["reason"],
        author=Author(key=row["author"], name=row["author_name"]),
        at=written(row["at"]),
    )


def obligation(row: Row) -> ObligationShown:
    """A dated row of an obligation."""
    return ObligationShown(
        name=row["name"],
        kind=row["kind"],
        under=row["under"],
        months=row["months"],
        rows=row["rows"],
        within_working_days=row["within"],
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
        document=row["document"],
    )


def completeness(
    code: str, found: Completeness, items: list[ReturnShown], after: str | None
) -> CompletenessShown:
    """The count of a period with one page of its reports."""
    count = {s: sum(r.state is s for r in found.returns) for s in State}
    expected, received = len(found.returns), count[State.ON_TIME] + count[State.LATE]
    return CompletenessShown(
        period=code,
        expected=expected,
        received=received,
        on_time=count[State.ON_TIME],
        late=count[State.LATE],
        awaited=count[State.AWAITED],
        missing=count[State.MISSING],
        received_share=_share(published(received, expected)),
        on_time_share=_share(published(count[State.ON_TIME], expected)),
        items=items,
        next=after,
    )


def _share(share: Decimal | None) -> str | None:
    return None if share is None else str(share)


def owed(one: Return, names: Any) -> ReturnShown:
    """One report that is owed."""
    shown = ReturnShown(
        unit=one.unit,
        name=names[one.unit],
        obligation=one.obligation,
        due_on=one.due_on,
        state=one.state,
        complete_at=written(one.complete_at),
    )
    if one.lacks:
        shown["lacks"] = [RowShown(measure=m, category=c) for m, c in one.lacks]
    return shown


def calendar(year: int, decreed: list[Row]) -> CalendarShown:
    """A year's days; a decreed day stands in for the library's."""
    days = {
        day: DayShown(day=day, works=False, name=name, origin="public_holiday")
        for day, name in public_holidays(year).items()
    }
    for row in decreed:
        shown = DayShown(
            day=row["day"], works=row["works"], name=row["name"], origin="decreed"
        )
        if row["document"]:
            shown["document"] = row["document"]
        days[row["day"]] = shown
    return CalendarShown(year=year, days=[days[day] for day in sorted(days)])
