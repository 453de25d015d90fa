"""What ingest does with case records, each in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime

from libs.common import clock
from libs.common.database import Connection, Database
from libs.common.events import CASES_CHANGED, News, publish
from libs.common.ids import new_id
from libs.common.keys import Principal
from libs.common.problems import MOST_ERRORS, Fault, Text, invalid
from services.ingest import store as units
from services.ingest.cases import store
from services.ingest.cases.intake import LINE, Reader
from services.ingest.domain.cases import Register
from services.ingest.domain.tree import Unit
from services.ingest.usecases import Receipt


async def record(
    database: Database,
    principal: Principal,
    pieces: AsyncIterator[Sequence[LINE]],
    *,
    accept_valid: bool,
    request: str | None,
) -> Receipt:
    """Keep every record in its case's history; the newest of each case stands.

    Whichever order batches come in, the same records end in the same state. Each unit
    whose cases changed is announced once.
    """
    async with database.streams, database.transaction() as connection:
        now = await clock.business_now(connection)
        reader = Reader(await _register(connection, principal, now), now)
        async with aclosing(_accepted(reader, pieces, accept_valid)) as rows:
            await store.stage(connection, rows)
        if reader.faults and not (accept_valid and reader.good):
            raise invalid(reader.faults)
        if not reader.good:
            raise invalid([Fault("/cases", "missing", _NO_RECORDS)])
        await store.one_writer_of(connection, reader.units | reader.ended)
        batch = new_id("bat")
        intake = await store.keep_intake(connection, batch, now)
        applied, older = await _kept(connection, intake, reader.good)
        await units.keep_batch(
            connection,
            batch,
            key=principal.key,
            request=request,
            now=now,
            changed=applied > 0,
        )
        changed = await _changed_units(connection, intake, applied, reader)
        news = [News(CASES_CHANGED, unit, batch, request) for unit in changed]
        await publish(connection, news)
    return Receipt(
        batch,
        applied,
        reader.good - applied,
        tuple(reader.faults),
        tuple(_warnings(reader, older)),
    )


async def _register(
    connection: Connection, principal: Principal, now: datetime
) -> Register:
    rows: dict[str, list[Unit]] = defaultdict(list)
    for unit in await units.tree(connection):
        if principal.sees(unit.code):
            rows[unit.code].append(unit)
    ended = await store.predecessors(connection)
    return Register(rows, ended & rows.keys(), clock.day_of(now))


async def _accepted(
    reader: Reader, pieces: AsyncIterator[Sequence[LINE]], accept_valid: bool
) -> AsyncGenerator[bytes]:
    """Rows to take in; with a fault that refuses all, only further faults count."""
    async for piece in pieces:
        rows = reader.rows(piece)
        if reader.faults and not accept_valid:
            if len(reader.faults) >= MOST_ERRORS:
                return
        elif rows:
            yield rows


Older = tuple[int, list[int]]


async def _kept(connection: Connection, intake: int, good: int) -> tuple[int, Older]:
    """How many records stand, and which were not newer than what stands."""
    twice = await store.several_of_one_case(connection)
    fresh = await store.keep_new(connection, intake, but_twice=twice)
    if fresh == good:
        return fresh, (0, [])
    await store.compare_rest(connection, intake, twice=twice)
    applied = await store.rank_rest(connection, twice=twice)
    await store.keep_rest(connection, intake, twice=twice)
    return fresh + applied, await store.older_lines(connection, MOST_ERRORS)


async def _changed_units(
    connection: Connection, intake: int, applied: int, reader: Reader
) -> list[str]:
    """The units of which any record was applied; mostly all that were sent."""
    if applied == reader.good and not reader.refused:
        return sorted(reader.units | reader.ended)
    return await store.units_of(connection, intake) if applied else []


def _warnings(reader: Reader, older: Older) -> list[Fault]:
    """What is odd, by line, and how much of it is not listed."""
    count, lines = older
    found = [Fault(f"/cases/{line}/as_of", "older", _OLDER) for line in lines]
    return [
        *reader.warnings,
        *found,
        *_unlisted("more_warnings", reader.odd - len(reader.warnings)),
        *_unlisted("more_older", count - len(lines)),
        *_unlisted("more_rejected", reader.refused - reader.told),
    ]


def _unlisted(code: str, count: int) -> list[Fault]:
    if count <= 0:
        return []
    said = Text(f"Còn {count} dòng không liệt kê.", f"{count} more are not listed.")
    return [Fault("", code, said)]


_NO_RECORDS = Text("Không có bản ghi nào.", "There is no record: send at least one.")
_OLDER = Text(
    "Không mới hơn bản đang có: giữ trong lịch sử, không áp dụng.",
    "Not newer than what stands: kept in the history, not applied.",
)
