"""HTTP of the timetable: periods, obligations, completeness, the calendar."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import Path, Query

from libs.common import clock, lenses
from libs.common.access import Reader, allows, in_scope
from libs.common.database import Database
from libs.common.http import Day, api_router, database_of, read_period, request_id
from libs.common.keys import ROOT, Principal
from libs.common.obligations import Obligation
from libs.common.paging import Cursor, Limit, Page, page, read_cursor
from libs.common.platform import Moment
from libs.common.upserts import Upserted
from services.ingest.timetable import shown, store, usecases
from services.ingest.timetable.schemas import (
    CalendarIn,
    CloseIn,
    ObligationsIn,
    ReopenIn,
)
from services.ingest.timetable.shown import (
    CalendarShown,
    Closed,
    CompletenessShown,
    ObligationShown,
    PeriodShown,
)

router = api_router("ingest")
Ingest = Annotated[Database, database_of("ingest")]
Steward = Annotated[Principal, allows("steward")]
PeriodIn = Annotated[str, Path(max_length=10, examples=["2022M05"])]
Year = Annotated[int, Path(ge=1950, le=2199)]


@router.post("/v1/periods/{period}/close")
async def close_period(
    period: PeriodIn, principal: Steward, database: Ingest, body: CloseIn
) -> Closed:
    """Close a period for a unit and all below it; it never closes by itself.

    From then on a changed row needs a `reason` and is a correction.
    """
    cut = read_period(period)
    batch = await usecases.close(
        database,
        principal,
        cut,
        under=body.under,
        closed=True,
        reason=body.note,
        request=request_id(),
    )
    return Closed(period=cut.code, under=body.under, state="closed", batch=batch)


@router.post("/v1/periods/{period}/reopen")
async def reopen_period(
    period: PeriodIn, principal: Steward, database: Ingest, body: ReopenIn
) -> Closed:
    """Reopen a closed period for a unit and all below it."""
    cut = read_period(period)
    batch = await usecases.close(
        database,
        principal,
        cut,
        under=body.under,
        closed=False,
        reason=body.reason,
        request=request_id(),
    )
    return Closed(period=cut.code, under=body.under, state="open", batch=batch)


@router.get("/v1/periods")
async def list_periods(
    principal: Reader,
    database: Ingest,
    year: Annotated[int, Query(ge=1950, le=2199)],
    known_at: Moment | Day | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[PeriodShown]:
    """The periods of a working year that have reports or were closed, in order.

    `known_at` gives them as they were known then.
    """
    after = read_cursor(cursor, str, str)
    moment = None if known_at is None else clock.end_of(known_at)
    found = await usecases.periods(database, principal, year, moment)
    rest = [p for p in found if after is None or _place(p) > after]
    return page(rest[: limit + 1], limit, _place, shown.period)


def _place(one: usecases.PeriodState) -> tuple[str, str]:
    return one.period.end.isoformat(), one.period.code


@router.get("/v1/obligations")
async def list_obligations(
    principal: Reader,
    database: Ingest,
    known_at: Moment | Day | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ObligationShown]:
    """Who owes which report by when. Nobody owes one until an obligation says so."""
    after = read_cursor(cursor, str, str)
    async with database.reading() as connection:
        if known_at is not None:
            await lenses.as_known_at(connection, clock.end_of(known_at))
        units = await store.ways_up(connection, principal.codes)
        rows = await store.obligations(connection, units, after, limit + 1)
    return page(
        rows,
        limit,
        lambda r: [r["name"], r["valid_from"].isoformat()],
        shown.obligation,
    )


@router.put("/v1/obligations")
async def put_obligations(
    body: ObligationsIn, principal: Steward, database: Ingest
) -> Upserted:
    """Upsert obligations by (name, valid_from); end one by its `valid_to`."""
    sent = [
        (
            Obligation(
                o.name,
                o.kind,
                o.under,
                tuple(sorted(set(o.months))),
                tuple((row.measure, row.category) for row in o.rows),
                o.within_working_days,
                o.valid_from,
                o.valid_to,
            ),
            o.document.model_dump(mode="json"),
        )
        for o in body.obligations
    ]
    return await usecases.put_obligations(database, principal, sent)


@router.get("/v1/completeness")
async def completeness(
    period: Annotated[str, Query(max_length=10)],
    principal: Reader,
    database: Ingest,
    under: str = ROOT,
    kind: Literal["national", "province", "office", "officer", "other"] | None = None,
    state: Literal["on_time", "late", "awaited", "missing"] | None = None,
    known_at: Moment | Day | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> CompletenessShown:
    """What was owed for a period against what came, on time or late.

    A report is complete when every row that is owed stands; the moment of its last
    row decides. Counts speak of all that the key may see; `state` filters the items.
    `known_at` gives what was owed, and what of it had come, as it was known then.
    """
    cut = read_period(period)
    moment = None if known_at is None else clock.end_of(known_at)
    after = read_cursor(cursor, int)
    start = int(str(after[0])) if after else 0
    async with database.reading() as connection:
        if moment is not None:
            await lenses.as_known_at(connection, moment)
        units = await in_scope(connection, principal, under, cut.end)
        found = await usecases.completeness(connection, cut, units, kind, moment)
    wanted = [r for r in found.returns if state in (None, r.state)]
    numbered = list(enumerate(wanted, 1))[start : start + limit + 1]
    listed = page(
        numbered,
        limit,
        lambda one: [one[0]],
        lambda one: shown.owed(one[1], found.names),
    )
    return shown.completeness(cut.code, found, listed["items"], listed["next"])


@router.get("/v1/calendar/{year}")
async def get_calendar(year: Year, _: Reader, database: Ingest) -> CalendarShown:
    """The public holidays of a year, and the days decreed on or off work."""
    async with database.connection() as connection:
        return shown.calendar(year, await store.decreed_days(connection, year))


@router.put("/v1/calendar/{year}")
async def put_calendar(
    year: Year,
    body: CalendarIn,
    principal: Annotated[Principal, allows("steward", at_root=True)],
    database: Ingest,
) -> CalendarShown:
    """Replace the decreed days of a year (swap days, a longer Tết).

    Deadlines from then on obey them; those that stand already stay as they were.
    """
    days: list[tuple[date, bool, str, str | None]] = [
        (d.day, d.works, d.name, d.document) for d in body.days
    ]
    await usecases.put_calendar(database, principal, year, days)
    async with database.connection() as connection:
        return shown.calendar(year, await store.decreed_days(connection, year))
