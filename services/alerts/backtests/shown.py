"""Backtests as the API gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired

from typing_extensions import TypedDict

from libs.common.clock import written
from libs.common.database import Row
from services.alerts.backtests.judging import Found
from services.alerts.shown import RuleVersion

MOST_ROWS = 200
"""Rows of a difference that a period names; the counts are of all."""


class RowShown(TypedDict):
    """A row on which a rule fires; reports and cases have no measure or category."""

    unit: str
    measure: str | None
    category: str | None


class Against(TypedDict):
    """What the active version says of the same period, and the rows that differ."""

    fired: int
    held: int
    silent: int
    more: int
    less: int
    more_rows: list[RowShown]
    less_rows: list[RowShown]


class Missing(TypedDict):
    """A figure that was not known, and how many rows (or cases) that held."""

    name: str
    count: int


class PeriodFound(TypedDict):
    """What the rule would have said of one period; `cases` counts those it fires on.

    `missing` says for want of what rows were held, the most frequent first; one that
    lacks several figures counts under each. Backtests of before do not have it.
    """

    period: str
    at: str
    fired: int
    held: int
    missing: NotRequired[list[Missing]]
    silent: int
    cases: NotRequired[int]
    units: list[str]
    against: Against | None


class FirstFired(TypedDict):
    """When a unit would first have heard of it."""

    unit: str
    period: str
    on: str


class Checked(TypedDict):
    """Rows that native judged beside SQL, and how often they differed."""

    rows: int
    disagreed: int


class Backtest(TypedDict):
    """A version judged over past periods; `running` while periods are missing."""

    backtest: str
    rule: RuleVersion
    state: str
    known: str
    cases: NotRequired[str]
    against: int | None
    actor: str
    at: str | None
    periods: list[PeriodFound]
    first_fired: list[FirstFired]
    checked: Checked


def found(one: Found, other: Found | None, at: str) -> dict[str, Any]:
    """What one period came to, as it is kept."""
    against = None
    if other is not None:
        mine, theirs = set(one.fired), set(other.fired)
        more, less = sorted(mine - theirs), sorted(theirs - mine)
        against = {
            "fired": len(other.fired),
            "held": other.held,
            "silent": other.silent,
            "more": len(more),
            "less": len(less),
            "more_rows": [_row(row) for row in more[:MOST_ROWS]],
            "less_rows": [_row(row) for row in less[:MOST_ROWS]],
        }
    kept: dict[str, Any] = {
        "at": at,
        "fired": len(one.fired),
        "held": one.held,
        "missing": {name: count for name, count in one.missing.items() if count},
        "silent": one.silent,
        "units": sorted({unit for unit, _, _ in one.fired}),
        "against": against,
        "checked": [one.checked, one.disagreed],
    }
    return kept if one.cases is None else kept | {"cases": one.cases}


def _row(row: tuple[str, str, str]) -> RowShown:
    unit, measure, category = row
    return RowShown(unit=unit, measure=measure or None, category=category or None)


def backtest(row: Row) -> Backtest:
    """A backtest with all that was found so far."""
    by_period: Mapping[str, dict[str, Any]] = row["found"]
    periods = [one for one in row["periods"] if one in by_period]
    checks = [by_period[one]["checked"] for one in periods]
    first: dict[str, FirstFired] = {}
    for period in periods:
        for unit in by_period[period]["units"]:
            on = by_period[period]["at"]
            first.setdefault(unit, FirstFired(unit=unit, period=period, on=on))
    shown = Backtest(
        backtest=row["id"],
        rule=RuleVersion(id=row["rule"], version=row["version"]),
        state="done" if len(periods) == len(row["periods"]) else "running",
        known=row["known"],
        against=row["against"],
        actor=row["actor"],
        at=written(row["at"]),
        periods=[_period(one, by_period[one]) for one in periods],
        first_fired=sorted(first.values(), key=lambda one: (one["on"], one["unit"])),
        checked=Checked(
            rows=sum(rows for rows, _ in checks),
            disagreed=sum(wrong for _, wrong in checks),
        ),
    )
    if any("cases" in by_period[one] for one in periods):
        shown["cases"] = "as_they_stand"
    return shown


def _period(period: str, kept: Mapping[str, Any]) -> PeriodFound:
    shown = PeriodFound(
        period=period,
        at=kept["at"],
        fired=kept["fired"],
        held=kept["held"],
        silent=kept["silent"],
        units=kept["units"],
        against=kept["against"],
    )
    if "missing" in kept:
        by_count = sorted(kept["missing"].items(), key=lambda one: (-one[1], one[0]))
        shown["missing"] = [Missing(name=name, count=count) for name, count in by_count]
    if "cases" in kept:
        shown["cases"] = kept["cases"]
    return shown
