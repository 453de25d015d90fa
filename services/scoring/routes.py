"""HTTP of scoring: targets in; scorecards and rankings out."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Response
from fastapi.responses import JSONResponse

from libs.common import clock, lenses
from libs.common.access import Reader, allows, in_scope
from libs.common.database import Database, Row
from libs.common.figures import LARGEST_COUNT
from libs.common.http import Day, api_router, database_of, read_period
from libs.common.keys import ROOT, Principal
from libs.common.paging import Cursor, Limit, Page, page, read_cursor
from libs.common.periods import Period
from libs.common.platform import Moment
from libs.common.problems import NotFound, Text, unknown_unit_in_path
from libs.common.upserts import Upserted
from services.scoring import (
    appendix,
    explaining,
    shown,
    shown_ranking,
    store,
    usecases,
)
from services.scoring.schemas import Category, Measure, TargetsIn
from services.scoring.shown import Scorecard, TargetShown
from services.scoring.shown_indicators import UnitScorecards
from services.scoring.shown_ranking import Ranking, RankingLine
from services.scoring.store import TargetRow

router = api_router("scoring")
Scoring = Annotated[Database, database_of("scoring")]
Kind = Literal["national", "province", "office", "officer", "other"]
KnownAt = Moment | Day | None
PeriodIn = Annotated[str, Path(max_length=10, examples=["2022M05"])]


@router.put("/v1/targets")
async def put_targets(
    body: TargetsIn,
    principal: Annotated[Principal, allows("steward")],
    database: Scoring,
) -> Upserted:
    """Set or amend targets; the earlier ones stay as what was known then."""
    targets = [
        TargetRow(
            t.unit,
            t.year,
            t.measure,
            t.category,
            Decimal(t.rate).quantize(Decimal("0.01")),
            t.operator,
            t.basis,
            t.document.model_dump(mode="json", exclude_none=True),
        )
        for t in body.targets
    ]
    return await usecases.put_targets(database, principal, targets)


@router.get("/v1/targets")
async def list_targets(
    principal: Reader,
    database: Scoring,
    unit: str = ROOT,
    year: Annotated[int | None, Query(ge=2000, le=2199)] = None,
    history: bool = False,
    known_at: KnownAt = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[TargetShown]:
    """The targets in force at and under a unit; with `history` the amended ones too."""
    after = read_cursor(cursor, int)
    async with database.reading() as connection:
        if known_at is not None:
            await lenses.as_known_at(connection, clock.end_of(known_at))
        units = await in_scope(connection, principal, unit)
        rows = await store.targets_listed(
            connection,
            year=year,
            units=units,
            history=history,
            after=int(str(after[0])) if after else 0,
            limit=limit + 1,
        )
    return page(rows, limit, lambda row: [row["id"]], shown.target)


@router.get("/v1/scorecards")
async def list_scorecards(
    period: Annotated[str, Query(max_length=10)],
    principal: Reader,
    database: Scoring,
    measure: Measure | None = None,
    category: Category | None = None,
    kind: Kind | None = None,
    under: str = ROOT,
    known_at: KnownAt = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Scorecard]:
    """Everything computed for the rows of a period, in order of names."""
    cut = read_period(period)
    after = read_cursor(cursor, str, str, str, str)
    async with database.computing() as connection:
        seen = await usecases.seen_at(connection, cut, known_at)
        rows = await store.scorecards(
            connection,
            cut.code,
            cut.end,
            source=seen.source,
            units=await in_scope(connection, principal, under, cut.end),
            measure=measure,
            category=category,
            kind=kind,
            after=after,
            limit=limit + 1,
        )
    return page(
        rows,
        limit,
        lambda r: [r["name_sort"], r["unit"], r["measure"], r["category"]],
        lambda row: shown.scorecard(row, seen.known_at, seen.days),
    )


@router.get("/v1/scorecards/{unit}/{period}")
async def get_scorecards(
    unit: Annotated[str, Path(max_length=40)],
    period: PeriodIn,
    principal: Reader,
    database: Scoring,
    known_at: KnownAt = None,
) -> UnitScorecards:
    """All rows of one unit for one period, with how each figure came about."""
    cut = read_period(period)
    async with database.computing() as connection:
        if not principal.sees(unit):
            raise unknown_unit_in_path(unit)
        seen = await usecases.seen_at(connection, cut, known_at)
        rows = await store.scorecards(
            connection, cut.code, cut.end, source=seen.source, units=[unit]
        )
        if not rows:
            await in_scope(connection, principal, unit)
            raise _not_reported(unit, cut)
        items = await explaining.explained(connection, rows, cut, seen)
    return UnitScorecards(unit=unit, period=cut.code, items=items)


def _not_reported(unit: str, cut: Period) -> NotFound:
    return NotFound(
        "not_reported",
        Text(
            f"«{unit}» chưa có số liệu kỳ {cut.code}.",
            f"{unit!r} has no figures for {cut.code}.",
        ),
    )


_RANKING: dict[int | str, dict[str, Any]] = {
    200: {
        "model": Ranking,
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            appendix.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}},
        },
        "description": "The appendix, as JSON, as CSV or as a workbook.",
    }
}


@router.get("/v1/rankings/{period}", response_model=None, responses=_RANKING)
async def get_ranking(
    period: PeriodIn,
    principal: Reader,
    database: Scoring,
    measure: Measure = "cases",
    category: Category = "all",
    kind: Kind = "province",
    under: str = ROOT,
    min_enforceable: Annotated[int, Query(ge=0, le=LARGEST_COUNT)] = 0,
    peers: Literal["size"] | None = None,
    format: Literal["json", "csv", "xlsx"] = "json",
    known_at: KnownAt = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """The letter's appendix: by published rate, the national row first as STT 1.

    It ranks among all units of the kind under `under` and prints those that the
    key may see. Below `min_enforceable` a unit is listed last, unranked: a few cases
    make any rate. `peers=size` also places each among the quarter of the ranked units
    that have as much to enforce. CSV and xlsx hold every line; the mapping `appendix`
    reads the xlsx.
    """
    cut = read_period(period)
    after = read_cursor(cursor, int)
    async with database.computing() as connection:
        seen = await usecases.seen_at(connection, cut, known_at)
        await in_scope(connection, principal, under)
        everyone = await usecases.everyone_under(connection, under, cut)
        national = await store.national_row(
            connection, cut.code, cut.end, measure, category, source=seen.source
        )
        rows = await store.ranking(
            connection,
            cut.code,
            cut.end,
            source=seen.source,
            measure=measure,
            category=category,
            kind=kind,
            under=everyone,
            seen=principal.codes,
            after=int(str(after[0])) if after and format == "json" else 0,
            limit=limit + 1 if format == "json" else None,
            min_enforceable=min_enforceable,
        )
    first = shown_ranking.national_line(national) if national else None

    def line(row: Row) -> RankingLine:
        return shown_ranking.ranking_line(
            row, after_national=first is not None, by_size=peers == "size"
        )

    lines = [*([first] if first else []), *(line(row) for row in rows)]
    if format == "csv":
        return Response(_csv(lines), media_type="text/csv; charset=utf-8")
    if format == "xlsx":
        file = await asyncio.to_thread(appendix.workbook, lines, cut, measure, category)
        named = f'attachment; filename="{cut.code}-{measure}-{category}.xlsx"'
        return Response(
            file,
            media_type=appendix.MEDIA_TYPE,
            headers={"Content-Disposition": named},
        )
    listed = page(rows, limit, lambda row: [row["line"]], line)
    whole = Ranking(
        period=cut.code,
        measure=measure,
        category=category,
        kind=kind,
        national=first,
        items=listed["items"],
        next=listed["next"],
    )
    return JSONResponse(whole)


_HEADER = ("stt", "rank", "unit", "name", "rate", "above_national")


def _csv(lines: Sequence[RankingLine]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, _HEADER, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue()
