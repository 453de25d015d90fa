"""HTTP of ingest: take a schema, call one use case, name the answer."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import Path, Query, Request

from libs.common import clock, lenses
from libs.common.access import Reader, allows, in_scope
from libs.common.database import Database
from libs.common.http import (
    Day,
    api_router,
    database_of,
    linger,
    read_period,
    request_id,
)
from libs.common.keys import Principal
from libs.common.paging import Cursor, Limit, Page, page, read_cursor
from libs.common.platform import Moment
from libs.common.problems import (
    NotFound,
    Text,
    UnsupportedMedia,
    unknown_unit_in_path,
)
from libs.common.upserts import Upserted
from services.ingest import intake, shown, store, usecases
from services.ingest.domain.changes import changes
from services.ingest.domain.lineage import Reorganisation
from services.ingest.domain.tree import Unit
from services.ingest.schemas import (
    REPORTS_EXAMPLE,
    ReorganisationIn,
    UnitsIn,
    reports_schema,
)
from services.ingest.shown import (
    BatchShown,
    ReceiptShown,
    ReorganisationShown,
    ReportShown,
    RevisionShown,
    UnitShown,
)

router = api_router("ingest")
Ingest = Annotated[Database, database_of("ingest")]
Code = Annotated[str, Path(max_length=40)]


@router.put("/v1/units")
async def put_units(
    body: UnitsIn, principal: Annotated[Principal, allows("steward")], database: Ingest
) -> Upserted:
    """Upsert dated rows of the tree by (code, valid_from).

    A merger or a split is a new unit; a mere change of name is a new dated row.
    """
    units = [
        Unit(
            u.code,
            u.name,
            u.kind,
            u.parent,
            u.valid_from,
            u.valid_to,
            tuple(u.aliases),
            tuple(c.model_dump(mode="json", by_alias=True) for c in u.codes),
        )
        for u in body.units
    ]
    return await usecases.put_units(database, principal, units)


@router.post("/v1/reorganisations")
async def reorganise(
    body: ReorganisationIn,
    principal: Annotated[Principal, allows("steward")],
    database: Ingest,
) -> Upserted:
    """Say which units became which. Reported rows are never touched.

    The predecessors end and the successors begin on `effective` (set by
    `PUT /v1/units`); comparisons with last year then add up the predecessors. A unit
    that is split needs `shares`, or its parts have nothing to compare with; sent
    again with other shares, these hold from now on.
    """
    shares = {unit: Decimal(share) for unit, share in (body.shares or {}).items()}
    change = Reorganisation(
        body.effective,
        tuple(body.from_),
        tuple(body.into),
        body.document.model_dump(mode="json"),
        shares or None,
    )
    return await usecases.reorganise(database, principal, change)


@router.get("/v1/reorganisations")
async def list_reorganisations(
    principal: Reader,
    database: Ingest,
    unit: str | None = None,
    known_at: Moment | Day | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ReorganisationShown]:
    """Which units became which, the latest first; of one `unit`, or of all.

    Units outside the key's subtree are left out of a change.
    """
    after = read_cursor(cursor, int)
    start = int(str(after[0])) if after else 0
    async with database.reading() as connection:
        if known_at is not None:
            await lenses.as_known_at(connection, clock.end_of(known_at))
        if unit is not None:
            if not principal.sees(unit):
                raise unknown_unit_in_path(unit)
            await in_scope(connection, principal, unit)
        found = changes(await store.decided_links(connection))
    seen = [
        change
        for change in found
        for codes in ((*change.predecessors, *change.successors),)
        if any(principal.sees(code) for code in codes) and unit in (None, *codes)
    ]
    return page(
        list(enumerate(seen, 1))[start : start + limit + 1],
        limit,
        lambda one: [one[0]],
        lambda one: shown.reorganisation(one[1], principal.sees),
    )


@router.get("/v1/units")
async def list_units(
    principal: Reader,
    database: Ingest,
    on: Day | None = None,
    known_at: Moment | Day | None = None,
    under: str = "VN",
    kind: Literal["national", "province", "office", "officer", "other"] | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[UnitShown]:
    """The tree as of a day (today by default), in Vietnamese order of names."""
    after = read_cursor(cursor, str, str)
    async with database.reading() as connection:
        day = on or clock.day_of(await clock.business_now(connection))
        if known_at is not None:
            await lenses.as_known_at(connection, clock.end_of(known_at))
        codes = await in_scope(connection, principal, under, on=on)
        rows = await store.units_on(
            connection, day, codes=codes, kind=kind, after=after, limit=limit + 1
        )
    return page(rows, limit, lambda r: [r["name_sort"], r["code"]], shown.unit)


@router.get("/v1/units/{code}")
async def get_unit(
    code: Code,
    principal: Reader,
    database: Ingest,
    on: Day | None = None,
    known_at: Moment | Day | None = None,
) -> UnitShown:
    """One unit as of a day (today by default)."""
    async with database.reading() as connection:
        day = on or clock.day_of(await clock.business_now(connection))
        if known_at is not None:
            await lenses.as_known_at(connection, clock.end_of(known_at))
        rows = await store.units_on(connection, day, codes=[code], limit=1)
    if not rows or not principal.sees(code):
        raise unknown_unit_in_path(code)
    return shown.unit(rows[0])


@router.post(
    "/v1/reports",
    status_code=202,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": reports_schema(),
                    "example": REPORTS_EXAMPLE,
                }
            },
        }
    },
)
async def send_reports(
    request: Request,
    principal: Annotated[Principal, allows("reporter")],
    database: Ingest,
    on_error: Literal["abort", "accept_valid"] = "abort",
    wait: Annotated[int, Query(ge=0, le=30)] = 0,
    dry_run: bool = False,
) -> ReceiptShown:
    """Send units' figures. The same values again change nothing.

    A row replaces the stored row whole, rows not mentioned stay, and
    `"withdrawn": true` takes one back; nothing is overwritten: each change is a
    revision. `wait` holds the answer until the batch is evaluated. `dry_run` stores
    nothing: its batch ends as `previewed` and says which scorecards and escalations
    would change.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip()
    if kind.lower() != "application/json":
        raise UnsupportedMedia(
            "unsupported_media_type",
            Text("Hãy gửi application/json.", "Send application/json."),
        )
    # In a thread, for a large body must not hold up everyone else's answers.
    sent = await asyncio.to_thread(intake.decoded, await request.body())
    receipt = await usecases.record(
        database,
        principal,
        sent.named(),
        sent.checked,
        accept_valid=on_error == "accept_valid",
        request=request_id(),
        dry_run=dry_run,
    )
    if wait:
        at_its_end = usecases.batch_at_its_end
        linger(request, lambda: at_its_end(database, receipt.batch, None, wait))
    return shown.receipt(receipt)


@router.get("/v1/batches/{batch}")
async def get_batch(
    batch: Annotated[str, Path(max_length=64)], principal: Reader, database: Ingest
) -> BatchShown:
    """How far a batch has come: received, scored, evaluated, or failed."""
    key = None if principal.scope is None else principal.key
    row = await usecases.batch_at_its_end(database, batch, key, 0)
    if row is None:
        raise NotFound(
            "unknown_batch",
            Text(f"Không có lô «{batch}».", f"There is no batch {batch!r}."),
        )
    preview = None
    if row["dry_run"] and row["evaluated_at"]:
        preview = await usecases.preview_of(database, principal, batch)
    return shown.batch(row, preview)


@router.get("/v1/reports")
async def get_report(
    unit: str,
    period: str,
    principal: Reader,
    database: Ingest,
    known_at: Moment | Day | None = None,
) -> ReportShown:
    """One unit's report for one period, as it stands or as it was known then."""
    code = read_period(period).code
    async with database.reading() as connection:
        if not principal.sees(unit):
            raise unknown_unit_in_path(unit)
        await in_scope(connection, principal, unit)
        moment = known_at or await clock.business_now(connection)
        head, rows = await store.report_as_known(
            connection, unit, code, clock.end_of(moment)
        )
    if head is None:
        raise _not_reported(unit, code)
    return shown.report(head, rows)


@router.get("/v1/reports/{unit}/{period}/revisions")
async def list_revisions(
    unit: Code,
    period: Annotated[str, Path(max_length=10, examples=["2022M05"])],
    principal: Reader,
    database: Ingest,
    known_at: Moment | Day | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[RevisionShown]:
    """How a report came to be: each revision with its author, reason and rows."""
    code = read_period(period).code
    after = read_cursor(cursor, int)
    async with database.reading() as connection:
        if not principal.sees(unit):
            raise unknown_unit_in_path(unit)
        await in_scope(connection, principal, unit)
        if known_at is not None:
            await lenses.as_known_at(connection, clock.end_of(known_at))
        start = int(str(after[0])) if after else 0
        heads = await store.revisions_of(connection, unit, code, start, limit + 1)
        if not heads and not start:
            raise _not_reported(unit, code)
        numbers = [head["revision"] for head in heads]
        rows = await store.rows_of_revisions(connection, unit, code, numbers)
    return page(
        heads,
        limit,
        lambda head: [head["revision"]],
        lambda head: shown.revision(head, rows[head["revision"]]),
    )


def _not_reported(unit: str, code: str) -> NotFound:
    return NotFound(
        "not_reported",
        Text(
            f"«{unit}» chưa báo cáo kỳ {code}.",
            f"{unit!r} has not reported {code}.",
        ),
    )
