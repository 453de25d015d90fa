"""HTTP of reconciliation."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal

from libs.common import clock, lenses
from libs.common.access import Reader, in_scope
from libs.common.clock import VIETNAM
from libs.common.database import Connection, Database, Row
from libs.common.http import Day, api_router, database_of, read_period
from libs.common.keys import Principal
from libs.common.paging import Cursor, Limit, Page, page, read_cursor
from libs.common.periods import Period
from libs.common.platform import Moment
from libs.common.problems import unknown_unit_in_path
from services.ingest.cases import finding
from services.ingest.domain.reconciling import COLUMNS, Group, compared
from services.ingest.domain.reports import COLUMNS as FORM
from services.ingest.domain.reports import Row as FigureRow
from services.ingest.domain.reports import done_of
from services.ingest.reconciliation import shown, store
from services.ingest.reconciliation.shown import CountedCase, ReconciliationShown
from services.ingest.store import report_as_known

router = api_router("ingest")
Ingest = Annotated[Database, database_of("ingest")]
Column = Literal[
    "to_enforce",
    "enforceable",
    "done",
    "completed",
    "terminated",
    "in_progress",
    "not_enforceable",
    "postponed_suspended",
    "separate_ledger",
]


@router.get("/v1/reconciliation")
async def reconcile(
    unit: str,
    period: str,
    principal: Reader,
    database: Ingest,
    known_at: Moment | Day | None = None,
) -> ReconciliationShown:
    """A unit's reported totals (category all) beside its case records.

    Records are those of the unit and all under it, or for an officer those that the
    officer dealt with, as they stood at the end of the period's last day: of each case
    the newest with `as_of` until then, whenever it came. `difference` is reported less
    recorded. `entered` and `left` count cases that records received after the report
    moved into or out of a column; they are listed by `GET /v1/reconciliation/cases`.
    What cannot be known is null with a `why`: `not_reported`, `not_in_report`,
    `no_records`, or, for money, `collected_before_unknown`, for a form counts what was
    due on 1 October and what was collected since, and some case has no record from
    before that day. `known_at` compares the report and the records of that moment.
    """
    cut_off = read_period(period)
    # What was an officer's at the cut-off may be of another by now.
    async with database.reading(whole=True) as connection:
        head, rows, cut = await _cut(connection, principal, unit, cut_off, known_at)
        found = await store.groups(connection, cut)
    reported = None if head is None else {r["measure"]: _figures(r) for r in rows}
    return shown.reconciliation(
        unit,
        cut_off.code,
        cut_off.end,
        head,
        list(compared(reported, [_group(row) for row in found])),
    )


@router.get("/v1/reconciliation/cases")
async def list_counted_cases(
    unit: str,
    period: str,
    column: Column,
    principal: Reader,
    database: Ingest,
    likely: bool = False,
    known_at: Moment | Day | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[CountedCase]:
    """The cases that a column counts, or counted when the report was received.

    `reasons` say why the report may have counted a case otherwise: `changed_later`
    (its status has changed since the cut-off) and `received_later` (a record that
    moved it into or out of the column came after the report). `likely=true` lists
    only those that have one.
    """
    after = read_cursor(cursor, str, str, int)
    # What was an officer's at the cut-off may be of another by now.
    async with database.reading(whole=True) as connection:
        cut_off = read_period(period)
        head, _, cut = await _cut(connection, principal, unit, cut_off, known_at)
        rows = await store.cases(
            connection,
            cut,
            COLUMNS[column],
            likely=likely,
            after=after,
            limit=limit + 1,
        )
    return page(
        rows,
        limit,
        lambda row: [row["unit"], row["case_no"], row["year"]],
        lambda row: shown.counted(row, reported=head is not None),
    )


async def _cut(
    connection: Connection,
    principal: Principal,
    unit: str,
    period: Period,
    known_at: datetime | date | None,
) -> tuple[Row | None, list[Row], store.Cut]:
    """The report of category all, and which records to hold against it."""
    if not principal.sees(unit):
        raise unknown_unit_in_path(unit)
    if known_at is not None:
        await lenses.as_known_at(connection, clock.end_of(known_at))
    units = await in_scope(connection, principal, unit, on=period.end)
    whose = await finding.whose(connection, units, [unit])
    moment = known_at or await clock.business_now(connection)
    head, rows = await report_as_known(
        connection, unit, period.code, clock.end_of(moment)
    )
    received = None if head is None else head["received_at"]
    start, end = period.start, period.end + timedelta(days=1)
    cut = store.Cut(whose, start, _midnight(start), _midnight(end), received)
    return head, [row for row in rows if row["category"] == "all"], cut


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), VIETNAM)


def _figures(row: Row) -> dict[str, int | None]:
    """A reported row's columns, with `done` as it is understood."""
    counts = tuple(row[name] for name in FORM)
    done = done_of(FigureRow(row["measure"], row["category"], counts, None))
    return {**dict(zip(FORM, counts, strict=True)), "done": done}


def _group(row: Row) -> Group:
    return Group(
        row["part"], row["part_then"], row["cases"], row["owed"], row["collected"]
    )
