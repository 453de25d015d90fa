"""What is done with spreadsheets: mappings kept, files read, their figures recorded."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache

from libs.common import clock
from libs.common.database import Connection, Database, Row
from libs.common.keys import Principal
from libs.common.problems import (
    Fault,
    Forbidden,
    NotFound,
    Text,
    Unacceptable,
    escaped,
    invalid,
    unknown_unit_in_body,
)
from libs.common.upserts import Upserted
from services.ingest import store as trees
from services.ingest import usecases
from services.ingest.domain import reading
from services.ingest.domain.drafts import Read
from services.ingest.domain.grid import Sheet
from services.ingest.domain.mapping import Mapping
from services.ingest.domain.naming import Naming
from services.ingest.domain.reading import Asked
from services.ingest.domain.reports import Intake, Odd
from services.ingest.sheets import store
from services.ingest.sheets.store import CategoryRow
from services.ingest.usecases import Receipt


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A receipt, and where in the file each of its reports stands."""

    receipt: Receipt
    read: Read


async def put_mapping(
    database: Database,
    principal: Principal,
    name: str,
    body: Dictionary[str, object],
    labels: Dictionary[str, str],
) -> Row:
    """Keep a new version where it differs from the latest; the version that stands."""
    async with database.transaction() as connection:
        await trees.one_writer(connection, [f"mapping {name}"])
        latest = await store.mapping(connection, name)
        if latest and not all(principal.sees(unit) for unit in latest["units"]):
            raise Forbidden("not_yours", _NOT_YOURS)
        await _refuse_unknown_units(connection, principal, labels)
        if latest is None or latest["body"] != body:
            await store.keep_mapping(
                connection,
                name,
                latest["version"] + 1 if latest else 1,
                body,
                units=principal.units,
                author=principal.key,
                now=await clock.business_now(connection),
            )
        return await mapping_named(connection, name)


async def _refuse_unknown_units(
    connection: Connection, principal: Principal, labels: Dictionary[str, str]
) -> None:
    known = {u.code for u in await trees.tree(connection) if principal.sees(u.code)}
    faults = [
        unknown_unit_in_body(f"/labels/{escaped(name)}", code)
        for name, code in labels.items()
        if code not in known
    ]
    if faults:
        raise invalid(faults)


async def mapping_named(
    connection: Connection, name: str, version: int | None = None
) -> Row:
    """A mapping's latest version, or one of its versions; NotFound names the others."""
    found = await store.mapping(connection, name, version)
    if found is None:
        raise _unknown_mapping(name, await store.mapping_names(connection))
    return found


async def record(
    database: Database,
    principal: Principal,
    read: Read,
    *,
    accept_valid: bool,
    request: str | None,
    dry_run: bool = False,
) -> Uploaded:
    """Record what was read, as JSON would be; faults point into the file."""
    named: dict[str, list[str]] = defaultdict(list)
    for report in read.reports:
        named[report.period].append(report.unit)
    found = Intake([*read.reports], [*read.faults], Odd(read.warnings))
    try:
        receipt = await usecases.record(
            database,
            principal,
            named,
            lambda: found,
            accept_valid=accept_valid,
            request=request,
            dry_run=dry_run,
        )
    except Unacceptable as problem:
        placed = [read.placed(fault) for fault in problem.errors]
        raise Unacceptable(problem.code, problem.detail, placed) from None
    return Uploaded(receipt, read)


async def read_by(
    database: Database,
    principal: Principal,
    sheets: Sequence[Sheet],
    mapping: Mapping,
    asked: Asked,
) -> Read:
    """The reports in the sheets, as far as the key sees their units."""
    async with database.reading() as connection:
        units = [u for u in await trees.tree(connection) if principal.sees(u.code)]
        began: dict[str, date] = {}
        for link in await trees.links(connection):
            began.setdefault(link.successor, link.effective)

    @cache
    def naming(day: date) -> Naming:
        return Naming(units, day, began, mapping.labels or {})

    return await asyncio.to_thread(reading.read, sheets, mapping, asked, naming)


async def put_categories(
    database: Database, categories: Sequence[CategoryRow]
) -> Upserted:
    """Declare categories; those not mentioned stay as they are."""
    twice = _twice([code for code, *_ in categories])
    if twice:
        raise invalid(twice)
    async with database.transaction() as connection:
        await trees.one_writer(connection, ["categories"])
        before = {row["code"]: tuple(row) for row in await store.categories(connection)}
        changed = [c for c in categories if before.get(c[0]) != c]
        await store.put_categories(connection, changed)
    created = sum(code not in before for code, *_ in changed)
    return Upserted(
        created=created,
        updated=len(changed) - created,
        unchanged=len(categories) - len(changed),
    )


def _twice(codes: Sequence[str]) -> list[Fault]:
    message = Text("Loại này đã có ở trên.", "This category stands above already.")
    return [
        Fault(f"/categories/{index}/code", "duplicate_row", message)
        for index, code in enumerate(codes)
        if code in codes[:index]
    ]


_NOT_YOURS = Text(
    "Mẫu đọc này do đơn vị khác khai; hãy đặt tên khác cho mẫu của mình.",
    "Another unit's key put this mapping; put yours under a name of its own.",
)


def _unknown_mapping(name: str, known: Sequence[str]) -> NotFound:
    listed = ", ".join(known[:50])
    return NotFound(
        "unknown_mapping",
        Text(
            f"Không có mẫu đọc «{name[:80]}»; hiện có: {listed}.",
            f"There is no mapping {name[:80]!r}; there are: {listed}.",
        ),
    )
