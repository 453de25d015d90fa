"""Queries of the timetable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from libs.common.database import Connection, Row
from libs.common.obligations import Cell, Obligation

# Closing -----------------------------------------------------------------------------

# The latest word on any unit of the way up holds; the root speaks for units that are
# not in the tree of the period's last day.
_CLOSED = """
WITH RECURSIVE up AS (
  SELECT code AS unit, at FROM unnest($2::text[]) AS u (code), LATERAL (
    VALUES (u.code), ('VN')) AS seed (at)
  WHERE EXISTS (SELECT FROM ingest.closing WHERE period = $1)
  UNION SELECT up.unit, k.parent FROM up JOIN ingest.known_unit k ON k.code = up.at
    AND k.valid_from <= $3 AND (k.valid_to IS NULL OR k.valid_to > $3)
  WHERE k.parent IS NOT NULL)
SELECT unit FROM (
  SELECT DISTINCT ON (up.unit) up.unit, c.closed FROM up
  JOIN ingest.closing c ON c.under = up.at AND c.period = $1
    AND c.at <= (SELECT platform.known_at())
  ORDER BY up.unit, c.id DESC) latest
WHERE closed
"""


async def closed_units(
    connection: Connection, period: str, end: date, units: Sequence[str]
) -> set[str]:
    """Which of these units' reports for a period are closed."""
    rows = await connection.fetch(_CLOSED, period, list(units), end)
    return {row["unit"] for row in rows}


async def keep_closing(
    connection: Connection,
    *,
    period: str,
    under: str,
    closed: bool,
    reason: str | None,
    batch: str,
    author: str,
    now: datetime,
) -> None:
    """Append that a period was closed, or reopened, for a unit and all below it."""
    await connection.execute(
        "INSERT INTO ingest.closing (period, under, closed, reason, batch, author, at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        period,
        under,
        closed,
        reason,
        batch,
        author,
        now,
    )


async def closings(
    connection: Connection, period: str | None, units: Sequence[str] | None
) -> list[Row]:
    """Every word on closing, oldest first; `units` None is everywhere."""
    return await connection.fetch(
        "SELECT c.*, k.name AS author_name FROM ingest.closing c"
        " LEFT JOIN platform.api_key k ON k.id = c.author"
        " WHERE ($1::text IS NULL OR period = $1)"
        " AND ($2::text[] IS NULL OR under = ANY($2) OR under = 'VN')"
        " AND c.at <= (SELECT platform.known_at()) ORDER BY c.id",
        period,
        units,
    )


async def reported_periods(
    connection: Connection, units: Sequence[str] | None
) -> list[Row]:
    """Periods that any of these units reported, with how many of them did."""
    return await connection.fetch(
        "SELECT period, count(DISTINCT unit) AS reports FROM ingest.report"
        " WHERE ($1::text[] IS NULL OR unit = ANY($1))"
        " AND received_at <= (SELECT platform.known_at()) GROUP BY period",
        units,
    )


# Obligations -------------------------------------------------------------------------


async def ways_up(
    connection: Connection, units: Sequence[str] | None
) -> list[str] | None:
    """These units and all that ever stood above them; None is everywhere."""
    if units is None:
        return None
    rows = await connection.fetch(
        "WITH RECURSIVE up AS (SELECT unnest($1::text[]) AS code"
        " UNION SELECT u.parent FROM ingest.unit u JOIN up USING (code)"
        " WHERE u.parent IS NOT NULL) SELECT code FROM up",
        units,
    )
    return [row["code"] for row in rows]


async def obligations(
    connection: Connection,
    units: Sequence[str] | None = None,
    after: tuple[object, ...] | None = None,
    limit: int | None = None,
) -> list[Row]:
    """Every dated row of the obligations laid on these units, by name."""
    return await connection.fetch(
        "SELECT * FROM ingest.known_obligation"
        " WHERE ($1::text[] IS NULL OR under = ANY($1))"
        " AND ($2::text IS NULL OR (name, valid_from::text) > ($2, $3))"
        " ORDER BY name, valid_from LIMIT $4",
        units,
        *(after or (None, None)),
        limit,
    )


async def put_obligations(
    connection: Connection,
    rows: Iterable[tuple[Obligation, object]],
    author: str,
    now: datetime,
) -> None:
    """Insert or replace (obligation, document); what was known before is kept."""
    rows = list(rows)
    await connection.execute(
        "INSERT INTO ingest.obligation_past SELECT name, valid_from, valid_to, kind,"
        ' under, months, "rows", within, document, author, recorded_at, $3'
        " FROM ingest.obligation"
        " JOIN unnest($1::text[], $2::date[]) AS sent (name, valid_from)"
        " USING (name, valid_from) ON CONFLICT DO NOTHING",
        [o.name for o, _ in rows],
        [o.valid_from for o, _ in rows],
        now,
    )
    await connection.executemany(
        "INSERT INTO ingest.obligation (name, valid_from, valid_to, kind, under,"
        " months, rows, within, document, author, recorded_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
        " ON CONFLICT (name, valid_from) DO UPDATE SET valid_to = excluded.valid_to,"
        " kind = excluded.kind, under = excluded.under, months = excluded.months,"
        " rows = excluded.rows, within = excluded.within,"
        " document = excluded.document, author = excluded.author,"
        " recorded_at = excluded.recorded_at",
        [
            (
                o.name,
                o.valid_from,
                o.valid_to,
                o.kind,
                o.under,
                list(o.months),
                [{"measure": m, "category": c} for m, c in o.cells],
                o.within,
                document,
                author,
                now,
            )
            for o, document in rows
        ],
    )


async def units_of_kind(
    connection: Connection, kind: str, on: date, codes: Iterable[str]
) -> list[Row]:
    """Units of a kind in force on a day among these, in order of names."""
    return await connection.fetch(
        "SELECT code, name FROM ingest.known_unit WHERE kind = $1"
        " AND valid_from <= $2 AND (valid_to IS NULL OR valid_to > $2)"
        " AND code = ANY($3) ORDER BY name_sort, code",
        kind,
        on,
        list(codes),
    )


async def first_there(
    connection: Connection, period: str, units: Sequence[str]
) -> dict[str, dict[Cell, datetime]]:
    """When each row that stands for a period was first there: unit → cell → moment."""
    rows = await connection.fetch(
        "SELECT f.unit, f.measure, f.category, min(f.received_at) AS came"
        " FROM ingest.figure f JOIN ingest.current_figure c"
        " USING (period, unit, measure, category)"
        " WHERE f.period = $1 AND f.unit = ANY($2) AND NOT f.removed"
        " GROUP BY f.unit, f.measure, f.category",
        period,
        list(units),
    )
    found: dict[str, dict[Cell, datetime]] = {}
    for row in rows:
        cells = found.setdefault(row["unit"], {})
        cells[row["measure"], row["category"]] = row["came"]
    return found


# Calendar ----------------------------------------------------------------------------


async def decreed_days(connection: Connection, year: int) -> list[Row]:
    """The days of a year that were decreed on or off work."""
    return await connection.fetch(
        "SELECT * FROM ingest.decreed_day"
        " WHERE day >= make_date($1, 1, 1) AND day < make_date($1 + 1, 1, 1)"
        " ORDER BY day",
        year,
    )


async def keep_decreed_days(
    connection: Connection,
    days: Sequence[tuple[date, bool | None, str, str | None]],
    author: str,
    now: datetime,
) -> None:
    """Append the latest word on days: worked, off, or (None) no longer decreed."""
    await connection.executemany(
        "INSERT INTO ingest.calendar_day (day, works, name, document, author,"
        " recorded_at) VALUES ($1, $2, $3, $4, $5, $6)",
        [(*day, author, now) for day in days],
    )
