"""`dondoc import`: a file of an operator's, recorded or only rehearsed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from libs.common.database import Connection, Database
from libs.common.keys import ROOT, Principal
from services.ingest import store as trees
from services.ingest.domain.choosing import needed
from services.ingest.domain.drafts import Read
from services.ingest.domain.reading import Asked
from services.ingest.domain.reports import COLUMNS, Report, Row, Stored, changes
from services.ingest.sheets import files, usecases
from services.ingest.sheets.schemas import MappingIn
from services.ingest.usecases import Receipt, report_index

ROLE = "dondoc_ingest"
OPERATOR = Principal("cli", "cli", frozenset({"admin"}), (ROOT,), None)
"""Who runs a command on the database's own machine."""

Value = bool | int | Decimal | None
_COLUMNS = ("illustrative", "published_rate", *COLUMNS)


@dataclass(frozen=True, slots=True)
class Change:
    """One value that an import changes; None where there is none."""

    unit: str
    period: str
    measure: str
    category: str
    column: str
    now: Value
    new: Value


@dataclass(frozen=True, slots=True)
class Imported:
    """What was recorded or would be, and where in the file it stands."""

    receipt: Receipt
    read: Read
    changes: list[Change]


class Rehearsal(Database):
    """A database in which every transaction is rolled back at its end."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with self.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield connection
            finally:
                await transaction.rollback()


async def run(
    url: str,
    content: bytes,
    *,
    mapping: str,
    asked: Asked,
    accept_valid: bool,
    dry_run: bool,
    step: Callable[[str], None],
) -> Imported:
    """Read a file by a mapping and record it; with `dry_run` nothing is stored."""
    database = (Rehearsal if dry_run else Database)(url, ROLE)
    await database.open()
    try:
        async with database.connection() as connection:
            found = await usecases.mapping_named(connection, mapping)
        step("reading")
        how = MappingIn.model_validate(found["body"]).mapping()
        wanted = partial(needed, mapping=how, asked=asked.sheet)
        sheets = files.sheets_in(content, asked.document or mapping, wanted)
        step("matching")
        read = await usecases.read_by(database, OPERATOR, sheets, how, asked)
        async with database.reading() as connection:
            differing = await _changes(connection, read.reports)
        step("recording")
        made = await usecases.record(
            database, OPERATOR, read, accept_valid=accept_valid, request=None
        )
    finally:
        await database.close()
    refused = {report_index(fault) for fault in made.receipt.rejected}
    kept = [change for index, change in differing if index not in refused]
    return Imported(made.receipt, read, kept)


async def _changes(
    connection: Connection, reports: list[Report]
) -> list[tuple[int, Change]]:
    """What differs from what stands, value by value, with its report's index."""
    found: list[tuple[int, Change]] = []
    for period in sorted({report.period for report in reports}):
        some = [report for report in reports if report.period == period]
        standing = await trees.current_rows(connection, period, [r.unit for r in some])
        for report in some:
            before = standing.get(report.unit, {})
            for row in changes(report, before):
                values = _changed_values(report, row, before.get(row.cell))
                found += ((report.index, change) for change in values)
    return found


def _changed_values(
    report: Report, row: Row, before: Stored | None
) -> Iterator[Change]:
    after: Stored = (report.source.illustrative, row.published_rate, *row.counts)
    stood: Stored = before or (False, *(None for _ in after[1:]))
    for column, now, new in zip(_COLUMNS, stood, after, strict=True):
        if now != new:
            yield Change(
                report.unit, report.period, row.measure, row.category, column, now, new
            )
