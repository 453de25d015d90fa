"""Queries that find cases: whose they are, what they are flagged for, how they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from libs.common.database import Connection, Row

_KEY = "unit, case_no, year"


@dataclass(frozen=True, slots=True)
class Whose:
    """Cases of units, and those that officers deal with; `units` None is everyone's.

    `offices` are the units under which these officers ever stood: an officer's case
    lies in one of them, so it is found without an index of its own.
    """

    units: Sequence[str] | None
    officers: Sequence[str] = ()
    offices: Sequence[str] = field(default=())

    @property
    def arguments(self) -> tuple[list[str] | None, list[str], list[str]]:
        """In the order in which a query names them."""
        units = None if self.units is None else list(self.units)
        return units, list(self.officers), list(self.offices)


EVERYONES = Whose(None)


async def whose(
    connection: Connection, units: Sequence[str] | None, officers: Sequence[str]
) -> Whose:
    """Cases of these units, and of those officers that there are among these codes."""
    if units is None:
        return EVERYONES
    rows = await connection.fetch(
        "WITH RECURSIVE above AS ("
        " SELECT code AS officer, parent FROM ingest.known_unit"
        "  WHERE code = ANY($1) AND kind = 'officer'"
        " UNION SELECT officer, u.parent FROM above JOIN ingest.known_unit u"
        "  ON u.code = above.parent)"
        " SELECT DISTINCT officer, parent FROM above WHERE parent IS NOT NULL",
        list(officers),
    )
    return Whose(
        units,
        sorted({row["officer"] for row in rows}),
        sorted({row["parent"] for row in rows}),
    )


def _of(first: int) -> str:
    """The condition that a case is someone's, from this argument on."""
    units, officers, offices = (f"${n}::text[]" for n in range(first, first + 3))
    return (
        f"({units} IS NULL OR unit = ANY({units})"
        f" OR (unit = ANY({offices}) AND officer = ANY({officers})))"
    )


# A case that goes on under a successor is that one's: the same number of the same day.
# Two predecessors may both have had a number, so the day of the decision is asked too.
_GOES_ON = (
    "EXISTS (SELECT FROM ingest.lineage l JOIN ingest.enforcement_case n"
    " ON n.unit = l.successor AND n.case_no = c.case_no AND n.year = c.year"
    " WHERE l.predecessor = c.unit AND l.effective <= $1"
    " AND n.decided_on = c.decided_on)"
)

_FLAGS = {
    "over_1_year": "status = 'enforceable' AND decided_on + interval '1 year' < $1",
    "key_case": "key_case",
    "credit_20bn_3y": "status = 'enforceable' AND 'credit' = ANY(claims)"
    " AND due_vnd >= 20000000000 AND decided_on + interval '3 years' < $1",
    "held": "held_vnd > 0",
}


async def cases(
    connection: Connection,
    today: date,
    *,
    seen: Whose,
    asked: Whose,
    status: str | None,
    flag: str | None,
    after: tuple[object, ...] | None,
    limit: int,
) -> list[Row]:
    """Cases that are both seen and asked for, by (unit, number, year)."""
    return await connection.fetch(
        "SELECT * FROM ingest.enforcement_case c"
        f" WHERE {_FLAGS[flag] if flag else 'true'} AND {_of(2)} AND {_of(5)}"
        " AND ($8::text IS NULL OR status = $8)"
        f" AND ($9::text IS NULL OR ({_KEY}) > ($9, $10::text, $11::bigint))"
        f" AND NOT {_GOES_ON} ORDER BY {_KEY} LIMIT $12",
        today,
        *seen.arguments,
        *asked.arguments,
        status,
        *(after or (None, None, None)),
        limit,
    )


async def case(connection: Connection, number: int) -> Row | None:
    """One case as it stands."""
    return await connection.fetchrow(
        "SELECT * FROM ingest.enforcement_case WHERE id = $1", number
    )


async def history(connection: Connection, number: int) -> list[Row]:
    """Every record received of a case, oldest first, with what brought it."""
    return await connection.fetch(
        "SELECT h.*, i.batch, i.received_at FROM ingest.case_history h"
        " JOIN ingest.case_intake i ON i.id = h.intake"
        " WHERE case_id = $1 ORDER BY version",
        number,
    )
