"""Outliers and workload as the API gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from typing_extensions import TypedDict

from libs.common.database import Row
from services.scoring.domain.arithmetic import written
from services.scoring.domain.workload import spread
from services.scoring.shown_past import text


class Outlier(TypedDict):
    """One movement and how unusual it is, in the unit's past or among its peers.

    It `moved` by percent of what is to be enforced (`reclassified`: points of the
    enforceable share); the score is (moved − median) / (1.4826 × mad).
    """

    unit: str
    name: str
    kind: str
    period: str
    measure: str
    movement: str
    against: str
    moved: str | None
    median: str | None
    mad: str | None
    score: str
    illustrative: bool


class OfficerLoad(TypedDict):
    """What one officer has to enforce, and how far that stands from the usual.

    Usual is the median of the officers of the same unit, or where these are fewer than
    six, of all officers.
    """

    unit: str
    name: str
    to_enforce: int
    outlier: str | None


class Spread(TypedDict):
    """Between the officers of one unit, as far as they reported themselves."""

    reported: int
    least: int
    median: str
    most: int
    ratio: str | None
    officers: list[OfficerLoad]


class Load(TypedDict):
    """One unit's load per officer, and how far it stands from that of its peers."""

    to_enforce: int | None
    per_officer: str | None
    outlier: str | None
    spread: Spread | None


class UnitLoad(TypedDict):
    """The cases and the money that one unit's officers have to enforce."""

    unit: str
    name: str
    officers: int | None
    cases: Load
    money: Load


class Usual(TypedDict):
    """The median load among all units of the kind, and the median distance from it."""

    units: int
    median: str | None
    mad: str | None


class Workload(TypedDict):
    """Who has how much to enforce, unit by unit."""

    period: str
    kind: str
    usual: dict[str, Usual]
    items: list[UnitLoad]
    next: str | None


def outlier(row: Row, behind: Row | None) -> Outlier:
    """One scored movement, and what the score was computed of."""
    return Outlier(
        unit=row["unit"],
        name=row["name"],
        kind=row["kind"],
        period=row["period"],
        measure=row["measure"],
        movement=row["movement"],
        against=row["against"],
        moved=written(behind["moved"]) if behind else None,
        median=written(behind["median"]) if behind else None,
        mad=written(behind["mad"]) if behind else None,
        score=str(row["score"]),
        illustrative=row["illustrative"],
    )


def usual(row: Row) -> Usual:
    """What stands between units of one kind."""
    return Usual(
        units=row["units"], median=written(row["median"]), mad=written(row["mad"])
    )


def unit_load(
    row: Row, officers: Sequence[Row], may_see: Callable[[str], bool]
) -> UnitLoad:
    """One unit; officers are named only to those who may see them."""
    return UnitLoad(
        unit=row["unit"],
        name=row["name"],
        officers=row["officers"],
        cases=_load(row, "cases", officers, may_see),
        money=_load(row, "money", officers, may_see),
    )


def _load(
    row: Row, measure: str, officers: Sequence[Row], may_see: Callable[[str], bool]
) -> Load:
    theirs = [officer for officer in officers if officer["measure"] == measure]
    return Load(
        to_enforce=row[f"{measure}_to_enforce"],
        per_officer=text(row[f"{measure}_per_officer"]),
        outlier=text(row[f"{measure}_workload_outlier"]),
        spread=_spread(theirs, may_see) if theirs else None,
    )


def _spread(officers: Sequence[Row], may_see: Callable[[str], bool]) -> Spread:
    found = spread([officer["to_enforce"] for officer in officers])
    return Spread(
        reported=len(officers),
        least=found.least,
        median=str(written(found.median)),
        most=found.most,
        ratio=text(found.ratio),
        officers=[
            OfficerLoad(
                unit=o["unit"],
                name=o["name"],
                to_enforce=o["to_enforce"],
                outlier=text(o["workload_outlier"]),
            )
            for o in officers
            if may_see(o["unit"])
        ],
    )
