"""Erasing cases with all their history, by the database's owner alone.

The service's own role has no right to delete a case. Batches stay: they hold nothing
of a case. A record sent again later is a new case. Who erased how many stays on record.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from libs.common import keys
from libs.common.database import Connection
from services.ingest.cases import store


@dataclass(frozen=True, slots=True)
class Erasure:
    """Which cases: all conditions that are given hold together.

    One case by its id goes whatever its status, others only when they are finished.
    """

    unit: str | None
    before: date | None
    units: tuple[str, ...] | None
    case: int | None


async def chosen(
    connection: Connection,
    *,
    unit: str | None,
    before: date | None,
    months: int | None,
    case: int | None,
) -> Erasure:
    """The cases to erase; `months` counts back from today without a day.

    Raises LookupError for a unit that there is not. A unit stands for all under it.
    """
    if before is None and case is None and months is not None:
        before = await store.months_ago(connection, months)
    units = None
    if unit is not None:
        if unit not in await keys.known_units(connection, [unit]):
            raise LookupError(unit)
        units = tuple(sorted(await keys.subtree(connection, [unit])))
    return Erasure(unit, before, units, case)


async def count(connection: Connection, erasure: Erasure) -> int:
    """How many cases would go."""
    return await store.count_erasable(
        connection, erasure.before, erasure.units, erasure.case
    )


async def erase(connection: Connection, erasure: Erasure, login: str) -> int:
    """Erase them for good, also from the tables' files; how many went.

    `login` is who runs the command; it is kept with the count.
    """
    async with connection.transaction():
        gone = await store.erase(
            connection, erasure.before, erasure.units, erasure.case
        )
        await store.keep_erasure(
            connection,
            login=login,
            cases=gone,
            case=erasure.case,
            before=erasure.before,
            unit=erasure.unit,
        )
    await store.wipe_erased(connection)
    return gone
