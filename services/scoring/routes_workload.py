"""HTTP of scoring beside scorecards: indicators, outliers, workload."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Literal

from fastapi import Query
from typing_extensions import TypedDict

from libs.common.access import Reader, in_scope
from libs.common.database import Row
from libs.common.http import api_router, read_period
from libs.common.keys import ROOT
from libs.common.paging import Cursor, Limit, Page, page, read_cursor
from services.scoring import (
    behind,
    indicators,
    shown_indicators,
    shown_workload,
    store_workload,
)
from services.scoring.routes import Kind, KnownAt, PeriodIn, Scoring
from services.scoring.shown_indicators import IndicatorShown
from services.scoring.shown_workload import Outlier, UnitLoad, Workload
from services.scoring.usecases import seen_at

router = api_router("scoring")


class Indicators(TypedDict):
    """Every indicator of this version."""

    items: list[IndicatorShown]


@router.get("/v1/indicators")
async def list_indicators(_: Reader) -> Indicators:
    """What is divided by what, since when, and by which document, in both languages."""
    listed = [shown_indicators.indicator(one) for one in indicators.shipped()]
    return Indicators(items=listed)


@router.get("/v1/outliers")
async def list_outliers(
    period: Annotated[str, Query(max_length=10)],
    principal: Reader,
    database: Scoring,
    measure: Literal["cases", "money"] | None = None,
    kind: Kind | None = None,
    under: str = ROOT,
    known_at: KnownAt = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Outlier]:
    """The movements of a month that stand out, the strongest first.

    A score is (movement − median) / (1.4826 × median distance from it), against the
    unit's own 24 months before or against units of the kind in this month. Where fewer
    than six values are known, or half of them are alike, there is none.
    """
    cut = read_period(period)
    after = read_cursor(cursor, int)
    async with database.computing() as connection:
        seen = await seen_at(connection, cut, known_at)
        rows = await store_workload.outliers(
            connection,
            cut.code,
            cut.end,
            source=seen.source,
            units=await in_scope(connection, principal, under, cut.end),
            measure=measure,
            kind=kind,
            after=int(str(after[0])) if after else 0,
            limit=limit + 1,
        )
        units = {row["unit"] for row in rows[:limit]}
        computed_of = {
            _score(row): row
            for row in await behind.scores_of(connection, cut, sorted(units))
        }
    return page(
        rows,
        limit,
        lambda row: [row["line"]],
        lambda row: shown_workload.outlier(row, computed_of.get(_score(row))),
    )


def _score(row: Row) -> tuple[str, str, str, str]:
    return row["unit"], row["measure"], row["movement"], row["against"]


@router.get("/v1/workload/{period}")
async def get_workload(
    period: PeriodIn,
    principal: Reader,
    database: Scoring,
    kind: Literal["province", "office", "other"] = "office",
    under: str = ROOT,
    known_at: KnownAt = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Workload:
    """Cases and money to enforce per officer, within units and between them.

    Officers are those in force under a unit on the period's last day (letter 679/2022,
    section 2: move people to where the work is). `usual` is among all of the kind.
    """
    cut = read_period(period)
    after = read_cursor(cursor, str, str)
    async with database.computing() as connection:
        seen = await seen_at(connection, cut, known_at)
        source = seen.source
        rows = await store_workload.loads(
            connection,
            cut.code,
            cut.end,
            source=source,
            units=await in_scope(connection, principal, under, cut.end),
            kind=kind,
            after=after,
            limit=limit + 1,
        )
        theirs: dict[str, list[Row]] = defaultdict(list)
        for officer in await store_workload.officers_of(
            connection,
            cut.code,
            cut.end,
            source=source,
            units=[row["unit"] for row in rows[:limit]],
        ):
            theirs[officer["root"]].append(officer)
        between = await store_workload.usual_loads(
            connection, cut.code, cut.end, source=source, kind=kind
        )

    def shown(row: Row) -> UnitLoad:
        return shown_workload.unit_load(row, theirs[row["unit"]], principal.sees)

    listed = page(rows, limit, lambda row: [row["name_sort"], row["unit"]], shown)
    return Workload(
        period=cut.code,
        kind=kind,
        usual={row["measure"]: shown_workload.usual(row) for row in between},
        items=listed["items"],
        next=listed["next"],
    )
