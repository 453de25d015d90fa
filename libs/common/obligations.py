"""Who owes which report by when, and whether it came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from libs.common.database import Row
from libs.common.periods import Period
from libs.common.working_days import IsWorking, after

Cell = tuple[str, str]
"""A measure and a category that a report must hold."""


@dataclass(frozen=True, slots=True)
class Obligation:
    """All units of a kind under a unit report these months within working days.

    Deadlines: Circular 08/2015 and 06/2019/TT-BTP (1 working day for an enforcer, 2
    for an office, 4 for a province); later circulars set theirs by another row.
    """

    name: str
    kind: str
    under: str
    months: tuple[int, ...]
    cells: tuple[Cell, ...]
    within: int
    valid_from: date
    valid_to: date | None

    @classmethod
    def of(cls, row: Row) -> Obligation:
        """A stored row as a value."""
        return cls(
            row["name"],
            row["kind"],
            row["under"],
            tuple(row["months"]),
            tuple((owed["measure"], owed["category"]) for owed in row["rows"]),
            row["within"],
            row["valid_from"],
            row["valid_to"],
        )

    def binds(self, period: Period) -> bool:
        """Whether it asks for a report of this period; ad hoc days are never owed."""
        in_force = self.valid_from <= period.end and (
            self.valid_to is None or period.end < self.valid_to
        )
        return in_force and period.months in self.months

    def due_on(self, period: Period, is_working: IsWorking) -> date:
        """The last day in time."""
        return after(period.end, self.within, is_working)


class State(StrEnum):
    """What became of one report that is owed."""

    ON_TIME = "on_time"
    LATE = "late"
    AWAITED = "awaited"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Return:
    """One unit's report under one obligation; `lacks` names the rows not there."""

    unit: str
    obligation: str
    due_on: date
    state: State
    complete_at: datetime | None
    lacks: tuple[Cell, ...]


def returned(
    obligation: Obligation,
    unit: str,
    due_on: date,
    came: Mapping[Cell, datetime],
    now: datetime,
) -> Return:
    """Whether a unit's report is complete, and in time: its last row decides.

    `came` says when each row that stands was first there; moments carry Vietnam's
    offset.
    """
    lacks = tuple(cell for cell in obligation.cells if cell not in came)
    ends_at = datetime.combine(due_on + timedelta(days=1), time(), now.tzinfo)
    if lacks:
        state = State.AWAITED if now < ends_at else State.MISSING
        return Return(unit, obligation.name, due_on, state, None, lacks)
    complete_at = max(came[cell] for cell in obligation.cells)
    state = State.ON_TIME if complete_at < ends_at else State.LATE
    return Return(unit, obligation.name, due_on, state, complete_at, ())
