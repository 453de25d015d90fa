"""What rules judge one by one: rows of scorecards, and reports that are owed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from libs.common import keys, working_days
from libs.common.database import Connection, Row
from libs.common.obligations import Obligation, Return, State, returned
from libs.common.periods import Period
from libs.common.working_days import IsWorking, between
from services.alerts import cards, store
from services.alerts.domain import facts as facts_
from services.alerts.domain.facts import Words
from services.alerts.domain.rules import Rule
from services.alerts.domain.vocabulary import Facts


@dataclass(frozen=True, slots=True)
class Subject:
    """One row that rules judge; `figures` stand in its matter whatever a rule reads."""

    unit: str
    unit_name: str
    measure: str | None
    category: str | None
    facts: Facts
    figures: Mapping[str, object]
    illustrative: bool = False
    last_illustrative: bool = False
    previous_illustrative: bool = False
    members: Sequence[Mapping[str, object]] | None = None
    """Of a unit's cases: the first of those on which the rule fires."""


async def scorecards(
    connection: Connection,
    period: Period,
    at: date,
    units: Sequence[str] | None,
    rules: Sequence[Rule] | None = None,
) -> list[Subject]:
    """The rows of a period's scorecards, on an evaluation day: those of which any of
    these rules speaks, with what they read of them. Without rules, everything."""
    words = facts_.ALL
    if rules is not None:
        words = Words.of(frozenset().union(*(rule.names for rule in rules), _ALWAYS))
    rows = await cards.scorecard_rows(connection, period, at, units, rules, words)
    categories = sorted({row["category"] for row in rows})
    earlier = []
    for cut, columns in (
        (period.month_before(), words.previous),
        (period.year_earlier(), words.last_year),
    ):
        read = list(columns.values())
        earlier.append(
            await cards.earlier_rows(connection, cut, units, categories, read)
        )
    previous, last_year = earlier
    return [
        _scored(row, facts_.facts_of(row, period, at, before, year, words), before)
        for row in rows
        for cell in [(row["unit"], row["measure"], row["category"])]
        for before, year in [(previous.get(cell), last_year.get(cell))]
    ]


_ALWAYS = frozenset({"unit.kind"})
"""What is read for the name by which a message calls the unit."""


def _scored(row: Row, facts: Facts, previous: Row | None) -> Subject:
    return Subject(
        row["unit"],
        row["unit_name"],
        row["measure"],
        row["category"],
        facts,
        {
            "rate": None if row["rate"] is None else str(row["rate"]),
            "done": row["done"],
            "enforceable": row["enforceable"],
        },
        row["illustrative"],
        row["last_illustrative"],
        previous is not None and previous["illustrative"],
    )


@dataclass(frozen=True, slots=True)
class Owed:
    """What became of a report that a unit owes under one obligation."""

    returned: Return
    unit_name: str
    unit_kind: str


async def owed_reports(
    connection: Connection,
    period: Period,
    at: date,
    units: Sequence[str] | None,
    now: datetime,
) -> list[Subject]:
    """Every unit that owes a report of a period, once: by what it owes first."""
    is_working = await working_days.calendar(connection)
    owed: dict[str, Owed] = {}
    async for one in _owed(connection, period, is_working, now):
        code = one.returned.unit
        if units is None or code in units:
            before = owed.get(code)
            if before is None or _sooner(one.returned, before.returned):
                owed[code] = one
    return list(_subjects(owed, period, at, is_working))


async def missed_on(
    connection: Connection, period: Period, day: date, now: datetime
) -> list[Owed]:
    """Reports of a period whose last day in time this was, and that had not come."""
    is_working = await working_days.calendar(connection)
    found = [one async for one in _owed(connection, period, is_working, now, day)]
    return [one for one in found if one.returned.state is State.MISSING]


async def _owed(
    connection: Connection,
    period: Period,
    is_working: IsWorking,
    now: datetime,
    due_on: date | None = None,
) -> AsyncIterator[Owed]:
    """Each report that is owed, of all obligations or of those due on a day."""
    obligations = [
        (one, due)
        for one in map(Obligation.of, await store.obligations(connection))
        if one.binds(period)
        for due in [one.due_on(period, is_working)]
        if due_on is None or due == due_on
    ]
    came = await store.arrivals(connection, period.code) if obligations else {}
    for one, due in obligations:
        below = await keys.subtree(connection, [one.under], period.end)
        for row in await store.units_of_kind(connection, one.kind, period.end):
            code = row["code"]
            if code in below:
                found = returned(one, code, due, came.get(code, {}), now)
                yield Owed(found, row["name"], one.kind)


def _sooner(one: Return, other: Return) -> bool:
    """What has not come stands before what has, and the earlier before the later."""
    return (_came(one), one.due_on) < (_came(other), other.due_on)


def _came(one: Return) -> bool:
    return one.state in (State.ON_TIME, State.LATE)


def _subjects(
    owed: Mapping[str, Owed],
    period: Period,
    at: date,
    is_working: IsWorking,
) -> Iterator[Subject]:
    for unit, each in sorted(owed.items()):
        one = each.returned
        until = at if one.complete_at is None else one.complete_at.date()
        late = between(one.due_on, until, is_working)
        yield Subject(
            unit,
            each.unit_name,
            None,
            None,
            {
                "unit.code": unit,
                "unit.kind": each.unit_kind,
                "at": at.toordinal(),
                "period.months": period.months,
                "period.end": period.end.toordinal(),
                "reported": _came(one),
                "obligation.name": one.obligation,
                "obligation.due": one.due_on.toordinal(),
                "obligation.wdays_late": late,
            },
            {"obligation": one.obligation, "due_on": one.due_on.isoformat()},
        )
