"""Scorecards and targets as the API gives them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NotRequired

from typing_extensions import TypedDict

from libs.common.clock import written
from libs.common.database import Row
from libs.common.figures import published
from services.scoring.domain import arithmetic
from services.scoring.domain.arithmetic import Target, met
from services.scoring.domain.pace import Days
from services.scoring.shown_past import (
    Change,
    Month,
    Pace,
    change,
    minus,
    month,
    pace,
    text,
)


class Document(TypedDict):
    """The decision that set or amended a target."""

    number: str
    date: str
    amends: NotRequired[str]


class TargetHeld(TypedDict):
    """The target that holds for a row; `inherited_from` names whose it is."""

    rate: str
    operator: str
    document: Document
    inherited_from: str | None


class Shortfall(TypedDict):
    """What is missing: points, and exactly how many cases or đồng."""

    points: str
    exact: str | None
    needed: int | None


class LastYear(TypedDict):
    """The same cut a year earlier; `none` says why there is no comparison.

    `as_reported` is the unit's own row, `rolled_up` the sum of its children where it
    had none, `restated` that of the units it came from; with why `by_shares` it was
    apportioned from a unit that was split.
    """

    period: str
    rate: str | None
    points: str | None
    basis: str
    illustrative: bool
    why: NotRequired[str]


class Difference(TypedDict):
    """What was reported, less the sum of the children; null without counts."""

    done: int | None
    enforceable: int | None
    points: str | None


class RolledUp(TypedDict):
    """The sum of the unit's children beside what it reported itself."""

    done: int
    enforceable: int
    rate: str | None
    difference: Difference


class Rank(TypedDict):
    """The place among all units of the kind."""

    position: int
    of: int
    under: str


class Runs(TypedDict):
    """How many reported months in a row, this one last; rows of all cases or money."""

    below_last_year: int | None


class Scorecard(TypedDict):
    """Everything computed for one row; what cannot be known is null with a why."""

    unit: str
    name: str
    kind: str
    period: str
    measure: str
    category: str
    done: int | None
    enforceable: int | None
    done_basis: str | None
    rate: str | None
    target: TargetHeld | None
    met: bool | None
    shortfall: Shortfall | None
    last_year: LastYear
    rank: Rank | None
    above_national: str | None
    classification: str | None
    pace: Pace
    change: Change | None
    month: Month
    runs: Runs
    rolled_up: RolledUp | None
    illustrative: bool
    revision: int
    known_at: str | None
    why: NotRequired[dict[str, str]]


class TargetShown(TypedDict):
    """What a unit must reach in a year."""

    unit: str
    year: int
    measure: str
    category: str
    rate: str
    operator: str
    basis: str | dict[str, str]
    document: Document
    in_force: bool
    recorded_at: str | None


def scorecard(row: Row, known_at: str | None, days: Days) -> Scorecard:
    """A stored row with its comparisons, and why where one cannot be made."""
    why: dict[str, str] = {}
    rate: Decimal | None = row["rate"]
    if rate is None:
        why["rate"] = _why_no_rate(row)
    target = _target(row)
    if target is None:
        # The nearest target holds, even where its table says nothing of the period.
        silent = "no_target" if row["target_unit"] is None else "no_target_for_period"
        why |= dict.fromkeys(("target", "met", "shortfall"), silent)
    elif rate is None:
        why |= dict.fromkeys(("met", "shortfall"), why["rate"])
    judged = target is not None and rate is not None
    shortfall = _lacking(row, rate, why) if judged and rate is not None else None
    shown = Scorecard(
        unit=row["unit"],
        name=row["name"],
        kind=row["kind"],
        period=row["period"],
        measure=row["measure"],
        category=row["category"],
        done=row["done"],
        enforceable=row["enforceable"],
        done_basis=row["done_basis"],
        rate=text(rate),
        target=target,
        met=met(rate, _asked(row)) if judged and rate is not None else None,
        shortfall=shortfall,
        last_year=_last_year(row, rate),
        rank=_rank(row),
        above_national=text(minus(rate, row["national_rate"])),
        classification=_classification(row, why),
        pace=pace(row, shortfall and shortfall["needed"], days, why),
        change=change(row, why),
        month=month(row),
        runs=Runs(below_last_year=row["runs_below_last_year"]),
        rolled_up=_rolled_up(row, rate),
        illustrative=row["illustrative"],
        revision=row["revision"],
        known_at=known_at,
    )
    if why:
        shown["why"] = why
    return shown


def _why_no_rate(row: Row) -> str:
    done, enforceable = row["done"], row["enforceable"]
    if enforceable == 0:
        return "no_denominator"
    if done is not None and enforceable is not None and done > enforceable:
        return "more_done_than_there_is"
    return "no_figures"


def _classification(row: Row, why: dict[str, str]) -> str | None:
    """The enforceable share of all that is to be enforced."""
    enforceable, whole = row["enforceable"], row["to_enforce"]
    if row["measure"] not in ("cases", "money"):
        why["classification"] = "not_of_this_measure"
    elif enforceable is None or whole is None:
        why["classification"] = "no_counts"
    elif whole == 0:
        why["classification"] = "no_denominator"
    elif enforceable > whole:
        why["classification"] = "more_enforceable_than_there_is"
    else:
        return text(published(enforceable, whole))
    return None


def gone(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row that a dry run would take away."""
    cell = {name: row[name] for name in ("unit", "period", "measure", "category")}
    return {**cell, "withdrawn": True}


def _target(row: Row) -> TargetHeld | None:
    if row["target_rate"] is None:
        return None
    own = row["target_unit"] == row["unit"]
    return TargetHeld(
        rate=str(row["target_rate"]),
        operator=row["target_operator"],
        document=row["target_document"],
        inherited_from=None if own else row["target_unit"],
    )


def _asked(row: Row) -> Target:
    return Target(row["target_rate"], row["target_operator"])


def _lacking(row: Row, rate: Decimal, why: dict[str, str]) -> Shortfall:
    lacking = arithmetic.shortfall(
        rate, _asked(row), done=row["done"], enforceable=row["enforceable"]
    )
    for name in ("exact", "needed"):
        if getattr(lacking, name) is None:
            why[f"shortfall.{name}"] = "no_counts"
    return Shortfall(
        points=str(lacking.points),
        exact=arithmetic.written(lacking.exact),
        needed=lacking.needed,
    )


def _last_year(row: Row, rate: Decimal | None) -> LastYear:
    shown = LastYear(
        period=row["last_period"],
        rate=text(row["last_rate"]),
        points=text(minus(rate, row["last_rate"])),
        basis=row["last_basis"] or "none",
        illustrative=row["last_illustrative"],
    )
    if row["last_why"]:
        shown["why"] = row["last_why"]
    return shown


def _rolled_up(row: Row, rate: Decimal | None) -> RolledUp | None:
    done, enforceable = row["rolled_done"], row["rolled_enforceable"]
    if done is None:
        return None
    summed = published(done, enforceable)
    return RolledUp(
        done=done,
        enforceable=enforceable,
        rate=text(summed),
        difference=Difference(
            done=_less(row["done"], done),
            enforceable=_less(row["enforceable"], enforceable),
            points=text(minus(rate, summed)),
        ),
    )


def _less(reported: int | None, summed: int) -> int | None:
    return None if reported is None else reported - summed


def _rank(row: Row) -> Rank | None:
    if row["rank_position"] is None:
        return None
    return Rank(position=row["rank_position"], of=row["rank_of"], under="VN")


def target(row: Row) -> TargetShown:
    """A target as it was set."""
    basis: Any = row["basis"]
    return TargetShown(
        unit=row["unit"],
        year=row["year"],
        measure=row["measure"],
        category=row["category"],
        rate=str(row["rate"]),
        operator=row["operator"],
        basis=basis,
        document=row["document"],
        in_force=row["in_force"],
        recorded_at=written(row["recorded_at"]),
    )
