"""Queries of schema `scoring`: set-based, a whole period at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from libs.common.database import Connection, Row


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A target as it is kept; a later row of the same cell amends the earlier."""

    unit: str
    year: int
    measure: str
    category: str
    rate: Decimal
    operator: str
    basis: str | Mapping[str, str]
    document: Mapping[str, object]

    @property
    def cell(self) -> tuple[str, int, str, str]:
        """What it is a target of."""
        return self.unit, self.year, self.measure, self.category


async def current_targets(connection: Connection, year: int) -> list[TargetRow]:
    """The latest target of every cell of a year."""
    rows = await connection.fetch(
        "SELECT DISTINCT ON (unit, measure, category) unit, year, measure, category,"
        " rate, operator, basis, document FROM scoring.target WHERE year = $1"
        " AND recorded_at <= (SELECT platform.known_at())"
        " ORDER BY unit, measure, category, id DESC",
        year,
    )
    return [TargetRow(**row) for row in rows]


async def keep_targets(
    connection: Connection, targets: Sequence[TargetRow], author: str, now: datetime
) -> None:
    """Append targets; the earlier ones stay as what was known then."""
    await connection.executemany(
        "INSERT INTO scoring.target (unit, year, measure, category, rate, operator,"
        " basis, document, author, recorded_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        [
            (
                t.unit, t.year, t.measure, t.category, t.rate, t.operator, t.basis,
                t.document, author, now,
            )
            for t in targets
        ],
    )  # fmt: skip


async def targets_listed(
    connection: Connection,
    *,
    year: int | None,
    units: Sequence[str],
    after: int,
    limit: int,
) -> list[Row]:
    """Targets in force among these units, oldest first."""
    return await connection.fetch(
        "SELECT * FROM (SELECT DISTINCT ON (unit, year, measure, category) *"
        " FROM scoring.target WHERE unit = ANY($1) AND ($2::int IS NULL OR year = $2)"
        " AND recorded_at <= (SELECT platform.known_at())"
        " ORDER BY unit, year, measure, category, id DESC) t"
        " WHERE id > $3 ORDER BY id LIMIT $4",
        units,
        year,
        after,
        limit,
    )


async def scored_periods(connection: Connection) -> list[str]:
    """Every period with reports: those that a new target may touch."""
    rows = await connection.fetch("SELECT DISTINCT period FROM ingest.published_report")
    return [row["period"] for row in rows]


STORED, COMPUTED = "scoring.scorecard", "pg_temp.computed"
"""Where scorecards are read: as they stand, or as they were computed beside that."""

_CARD = """
SELECT s.*, u.name, u.kind, u.name_sort FROM {source} s
JOIN platform.unit u ON u.code = s.unit
  AND u.valid_from <= $2 AND (u.valid_to IS NULL OR u.valid_to > $2)
WHERE s.period = $1
"""


async def scorecards(
    connection: Connection,
    period: str,
    end: date,
    *,
    source: str = STORED,
    units: Sequence[str],
    measure: str | None = None,
    category: str | None = None,
    kind: str | None = None,
    after: tuple[object, ...] | None = None,
    limit: int | None = 1000,
) -> list[Row]:
    """Scorecards of a period among these units, in Vietnamese order of names."""
    return await connection.fetch(
        f"{_CARD.format(source=source)} AND s.unit = ANY($3) AND ($4::text IS NULL OR measure = $4)"
        " AND ($5::text IS NULL OR category = $5) AND ($6::text IS NULL OR kind = $6)"
        " AND ($7::text IS NULL OR (name_sort, unit, measure, category) > ($7, $8, $9, $10))"
        " ORDER BY name_sort, unit, measure, category LIMIT $11",
        period,
        end,
        list(units),
        measure,
        category,
        kind,
        *(after or (None, None, None, None)),
        limit,
    )


async def ranking(
    connection: Connection,
    period: str,
    end: date,
    *,
    measure: str,
    category: str,
    kind: str,
    under: Sequence[str],
    seen: Sequence[str] | None,
    after: int,
    limit: int | None,
    source: str = STORED,
) -> list[Row]:
    """Rows by published rate: ranked among all `under`, listed as far as seen.

    Ties share the lower number and stand in order of names; rows without a rate
    come last, unranked. `line` counts what is printed.
    """
    return await connection.fetch(
        f"SELECT * FROM (SELECT *, row_number() OVER ({_ORDER}) AS line FROM ("
        " SELECT unit, name, name_sort, rate, national_rate,"
        "  CASE WHEN rate IS NOT NULL THEN rank() OVER (ORDER BY rate DESC NULLS LAST) END AS rank"
        f" FROM ({_CARD.format(source=source)} AND measure = $3 AND category = $4 AND kind = $5"
        "  AND kind <> 'national' AND s.unit = ANY($6)) all_of_them) ranked"
        " WHERE $7::text[] IS NULL OR unit = ANY($7)) lines"
        " WHERE line > $8 ORDER BY line LIMIT $9",
        period,
        end,
        measure,
        category,
        kind,
        list(under),
        None if seen is None else list(seen),
        after,
        limit,
    )


_ORDER = "ORDER BY rate DESC NULLS LAST, name_sort, unit"


async def national_row(
    connection: Connection,
    period: str,
    end: date,
    measure: str,
    category: str,
    *,
    source: str = STORED,
) -> Row | None:
    """The national row, never ranked and printed first as STT 1."""
    return await connection.fetchrow(
        f"{_CARD.format(source=source)} AND measure = $3 AND category = $4"
        " AND kind = 'national'",
        period,
        end,
        measure,
        category,
    )
