"""HTTP of case records."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import Path, Query, Request
from starlette.requests import ClientDisconnect

from libs.common import clock
from libs.common.access import Reader, allows, in_scope
from libs.common.database import Connection, Database, Row
from libs.common.http import api_router, database_of, linger, request_id
from libs.common.keys import ROOT, Principal
from libs.common.paging import Cursor, Limit, Page, page, read_cursor
from libs.common.problems import (
    NotFound,
    Text,
    Unreadable,
    UnsupportedMedia,
    unknown_unit_in_path,
)
from services.ingest.cases import finding, lines, shown, usecases
from services.ingest.cases.finding import Whose
from services.ingest.cases.schemas import bodies
from services.ingest.cases.shown import CaseShown, HistoryShown
from services.ingest.domain.cases import number_of
from services.ingest.shown import ReceiptShown, receipt
from services.ingest.usecases import batch_at_its_end

router = api_router("ingest")
Ingest = Annotated[Database, database_of("ingest")]
CaseId = Annotated[str, Path(max_length=40, examples=["cas_0000000004711"])]
Status = Literal[
    "enforceable",
    "not_enforceable",
    "postponed",
    "suspended",
    "completed",
    "terminated",
    "ledger",
]
Flag = Literal["over_1_year", "key_case", "credit_20bn_3y", "held"]

_WAYS = {"application/json": lines.of_json, "application/x-ndjson": lines.of_ndjson}


@router.post(
    "/v1/cases",
    status_code=202,
    max_body_size=lines.NDJSON_LIMIT,
    openapi_extra={"requestBody": bodies()},
)
async def send_cases(
    request: Request,
    principal: Annotated[Principal, allows("reporter")],
    database: Ingest,
    on_error: Literal["abort", "accept_valid"] = "abort",
    wait: Annotated[int, Query(ge=0, le=30)] = 0,
) -> ReceiptShown:
    """Send case records: as JSON, or one a line as NDJSON, in one transaction.

    A case is known by its unit, its number and the year of its decision. A record
    not newer (`as_of`; a day means its end) than the one that stands is kept in the
    history and changes nothing (warning `older`); so the order of batches does not
    matter. `accepted` counts the records that changed their case, `unchanged` all
    others that are in order. Lines are counted from 0, blank ones too.

    Each unit whose cases changed is judged at once, by the rules that watch cases;
    `wait` holds the answer until all of them are.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in _WAYS:
        raise UnsupportedMedia(
            "unsupported_media_type",
            Text(
                "Hãy gửi application/json hoặc application/x-ndjson.",
                "Send application/json or application/x-ndjson.",
            ),
        )
    made = await usecases.record(
        database,
        principal,
        _WAYS[kind](_body(request)),
        accept_valid=on_error == "accept_valid",
        request=request_id(),
    )
    if wait:
        linger(request, lambda: batch_at_its_end(database, made.batch, None, wait))
    return receipt(made)


async def _body(request: Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect:
        raise Unreadable("cut_off", _CUT_OFF) from None


@router.get("/v1/cases")
async def list_cases(
    principal: Reader,
    database: Ingest,
    unit: str | None = None,
    under: str = ROOT,
    status: Status | None = None,
    flag: Flag | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[CaseShown]:
    """Cases as they stand, by unit and number; `unit` alone, or all `under` one.

    An officer as `unit` (or `under`) gives the cases that the officer deals with. A
    case that was sent again for its unit's successor stands there alone.

    Flags are as of today. `over_1_year`: enforceable, and past the anniversary of
    its decision; `credit_20bn_3y`: a credit claim of 20 tỷ đồng or more, the same
    after three years; `key_case`; `held`: money is held that was not paid out.
    """
    after = read_cursor(cursor, str, str, int)
    async with database.reading() as connection:
        asked = await _asked(connection, principal, unit, under)
        today = clock.day_of(await clock.business_now(connection))
        rows = await finding.cases(
            connection,
            today,
            seen=await finding.whose(connection, principal.codes, principal.units),
            asked=asked,
            status=status,
            flag=flag,
            after=after,
            limit=limit + 1,
        )
    return page(
        rows,
        limit,
        lambda row: [row["unit"], row["case_no"], row["year"]],
        lambda row: shown.case(row, today),
    )


async def _asked(
    connection: Connection, principal: Principal, unit: str | None, under: str
) -> Whose:
    """Whose cases are asked for: of a unit alone, or of all under one.

    An officer's are those that the officer deals with.
    """
    if unit is not None:
        if not principal.sees(unit):
            raise unknown_unit_in_path(unit)
        await in_scope(connection, principal, unit)
    if under == ROOT:
        codes = None if unit is None else [unit]
    else:
        codes = await in_scope(connection, principal, under)
        codes = codes if unit is None else [code for code in codes if code == unit]
    officers = [code for code in codes or () if code == (unit or under)]
    return await finding.whose(connection, codes, officers)


@router.get("/v1/cases/{id}")
async def get_case(id: CaseId, principal: Reader, database: Ingest) -> CaseShown:
    """One case as its newest record has it."""
    async with database.reading() as connection:
        row = await _case(connection, principal, id)
        today = clock.day_of(await clock.business_now(connection))
    return shown.case(row, today)


@router.get("/v1/cases/{id}/history")
async def get_case_history(
    id: CaseId, principal: Reader, database: Ingest
) -> HistoryShown:
    """Every record received of a case, oldest first, applied or not."""
    async with database.reading() as connection:
        row = await _case(connection, principal, id)
        return shown.history(row, await finding.history(connection, row["id"]))


async def _case(connection: Connection, principal: Principal, id: str) -> Row:
    """A case of a unit, or an officer's own, that the key sees; no other exists."""
    number = number_of(id)
    row = None if number is None else await finding.case(connection, number)
    if row is None or not (
        principal.sees(row["unit"]) or row["officer"] in principal.units
    ):
        raise NotFound(
            "unknown_case",
            Text(f"Không có việc «{id}».", f"There is no case {id!r}."),
        )
    return row


_CUT_OFF = Text(
    "Kết nối đứt giữa chừng; chưa có gì được lưu, hãy gửi lại.",
    "The connection broke off; nothing was stored, send it again.",
)
