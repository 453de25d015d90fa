"""HTTP of spreadsheets: mappings, categories, and files with figures."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Annotated, Literal

from fastapi import Path, Query, Request
from starlette.datastructures import UploadFile

from libs.common.access import Reader, allows
from libs.common.database import Database
from libs.common.http import (
    api_router,
    database_of,
    linger,
    read_period,
    request_id,
)
from libs.common.keys import Principal
from libs.common.paging import Cursor, Limit, Page, page, read_cursor
from libs.common.problems import (
    Fault,
    Text,
    TooLarge,
    UnsupportedMedia,
    invalid,
)
from libs.common.upserts import Upserted
from services.ingest.domain.choosing import needed
from services.ingest.domain.mapping import MoneyIn
from services.ingest.domain.reading import Asked
from services.ingest.sheets import files, shown, store, usecases
from services.ingest.sheets.schemas import CategoriesIn, MappingIn
from services.ingest.sheets.shown import CategoryShown, MappingShown
from services.ingest.shown import ReceiptShown
from services.ingest.usecases import batch_at_its_end

UPLOAD_LIMIT = 32 * 1024 * 1024
_ENVELOPE = 64 * 1024

router = api_router("ingest")
Ingest = Annotated[Database, database_of("ingest")]
Steward = Annotated[Principal, allows("steward")]
Name = Annotated[
    str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,59}$", examples=["appendix"])
]


@router.get("/v1/mappings/{name}")
async def get_mapping(
    name: Name,
    _: Reader,
    database: Ingest,
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> MappingShown:
    """How a kind of sheet is read: the latest version, or an earlier one."""
    async with database.reading() as connection:
        return shown.mapping(await usecases.mapping_named(connection, name, version))


@router.put("/v1/mappings/{name}")
async def put_mapping(
    name: Name, body: MappingIn, principal: Steward, database: Ingest
) -> MappingShown:
    """Say how a kind of sheet is read. A change is a new version; earlier ones stay.

    Columns are named by the titles over them, from the top down; rows by the unit's
    name, alias or code, or by a label of the mapping.
    """
    kept = body.model_dump(mode="json", exclude_defaults=True)
    row = await usecases.put_mapping(database, principal, name, kept, body.labels)
    return shown.mapping(row)


@router.get("/v1/categories")
async def list_categories(
    _: Reader, database: Ingest, limit: Limit = 100, cursor: Cursor = None
) -> Page[CategoryShown]:
    """The declared categories. Reports may carry others, which nothing sums."""
    after = read_cursor(cursor, str)
    async with database.reading() as connection:
        rows = await store.categories(
            connection, after=str(after[0]) if after else "", limit=limit + 1
        )
    return page(rows, limit, lambda row: [row["code"]], shown.category)


@router.put("/v1/categories")
async def put_categories(
    body: CategoriesIn,
    _: Annotated[Principal, allows("steward", at_root=True)],
    database: Ingest,
) -> Upserted:
    """Declare categories. Only those of one `partition` may be added up."""
    rows = [(c.code, c.title.vi, c.title.en, c.partition) for c in body.categories]
    return await usecases.put_categories(database, rows)


@router.post(
    "/v1/reports/upload",
    status_code=202,
    max_body_size=UPLOAD_LIMIT + _ENVELOPE,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {
                            "file": {
                                "type": "string",
                                "format": "binary",
                                "description": "An .xlsx or a .csv (UTF-8, UTF-16),"
                                " at most 32 MiB.",
                            }
                        },
                    }
                }
            },
        }
    },
)
async def upload_reports(
    request: Request,
    principal: Annotated[Principal, allows("reporter")],
    database: Ingest,
    mapping: Annotated[str, Query(max_length=60, examples=["appendix"])],
    period: Annotated[str | None, Query(max_length=10, examples=["2022M05"])] = None,
    money_in: MoneyIn | None = None,
    sheet: Annotated[str | None, Query(max_length=300)] = None,
    reason: Annotated[str | None, Query(max_length=2000)] = None,
    on_error: Literal["abort", "accept_valid"] = "abort",
    wait: Annotated[int, Query(ge=0, le=30)] = 0,
    dry_run: bool = False,
) -> ReceiptShown:
    """Send units' figures as a spreadsheet, read by a mapping.

    The figures take the same way as those of `POST /v1/reports`, and so does the
    receipt; faults point to sheet, row and column. `sheet` says which table of the
    mapping a .csv holds, or which sheet is read instead of the one that it names.
    """
    asked_period = None if period is None else read_period(period)
    async with database.reading() as connection:
        found = await usecases.mapping_named(connection, mapping)
    how = MappingIn.model_validate(found["body"]).mapping()
    content, name = await _file(request)
    wanted = partial(needed, mapping=how, asked=sheet)
    async with request.app.state.sheet_readers:
        sheets = await asyncio.to_thread(files.sheets_in, content, name, wanted)
    read = await usecases.read_by(
        database,
        principal,
        sheets,
        how,
        Asked(asked_period, money_in, sheet, name, reason),
    )
    made = await usecases.record(
        database,
        principal,
        read,
        accept_valid=on_error == "accept_valid",
        request=request_id(),
        dry_run=dry_run,
    )
    if wait:
        batch = made.receipt.batch
        linger(request, lambda: batch_at_its_end(database, batch, None, wait))
    return shown.receipt(made.receipt, made.read)


async def _file(request: Request) -> tuple[bytes, str]:
    """The one file of a form, and its name without folders."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise UnsupportedMedia("unsupported_media_type", _FORM)
    async with request.form(max_files=1, max_fields=10) as form:
        others = [name for name in form if name != "file"]
        file = form.get("file")
        if others or not isinstance(file, UploadFile):
            raise invalid([Fault("/file", "missing", _FORM)])
        content = await file.read()
        if len(content) > UPLOAD_LIMIT:
            raise TooLarge("too_large", _TOO_LARGE)
        return content, _bare_name(file.filename or "")


def _bare_name(name: str) -> str:
    last = re.split(r"[/\\]", name)[-1]
    return re.sub(r"[\x00-\x1f\x7f\ud800-\udfff\ufeff]", "", last)[:200] or "csv"


_FORM = Text(
    "Hãy gửi multipart/form-data với đúng một tệp, tên trường là «file».",
    "Send multipart/form-data with exactly one file in the field `file`.",
)
_TOO_LARGE = Text("Tệp lớn hơn 32 MiB.", "The file is larger than 32 MiB.")
