"""Queries of schema `scoring`: set-based, a whole period at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from libs.common.database import Connection, Row

Cell = tuple[str, int, str, str]
"""Unit, year, measure and category: what a target is a target of."""


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A target as it is kept; a later row of the same cell amends the earlier.

    As it holds for a period, `rate` is None where its table is silent.
    """

    unit: str
    year: int
    measure: str
    category: str
    rate: Decimal | None
    operator: str
    basis: str | Mapping[str, str]
    document: Mapping[str, object]

    @property
    def cell(self) -> Cell:
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


async def one_writer_of_targets(connection: Connection, years: Iterable[int]) -> None:
    """Hold the targets of these years until the transaction ends."""
    for year in sorted(years):
        await connection.execute("SELECT pg_advisory_xact_lock(11, $1)", year)


async def ever_set(connection: Connection, cells: Set[Cell]) -> list[TargetRow]:
    """All that was ever set for these cells, in the order in which it was set."""
    unit, year, measure, category = zip(*cells, strict=True)
    rows = await connection.fetch(
        "SELECT unit, year, measure, category, rate, operator, basis, document"
        " FROM scoring.target JOIN unnest($1::text[], $2::int[], $3::text[], $4::text[])"
        "  AS t (unit, year, measure, category) USING (unit, year, measure, category)"
        " ORDER BY id",
        unit,
        year,
        measure,
        category,
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
    history: bool,
    after: int,
    limit: int,
) -> list[Row]:
    """Targets among these units, oldest first: those in force, or all that ever were."""
    return await connection.fetch(
        "SELECT * FROM (SELECT *, id = max(id) OVER (PARTITION BY unit, year, measure,"
        "  category) AS in_force FROM scoring.target"
        " WHERE unit = ANY($1) AND ($2::int IS NULL OR year = $2)"
        " AND recorded_at <= (SELECT platform.known_at())) t"
        " WHERE (in_force OR $5) AND id > $3 ORDER BY id LIMIT $4",
        units,
        year,
        after,
        limit,
        history,
    )


Cells = tuple[list[str], list[str]]
"""Measures and categories: every pair of one of each."""


async def cells_of(
    connection: Connection, batches: Sequence[str], *, proposed: bool
) -> Cells:
    """The measures and the categories of which these batches changed rows, or would."""
    changed = (
        "SELECT r->>'measure' AS measure, r->>'category' AS category"
        " FROM platform.preview p, jsonb_array_elements(p.rows) r"
        " WHERE p.batch = ANY($1) AND p.kind = 'figures'"
        if proposed
        else "SELECT measure, category FROM ingest.changed_cell WHERE batch = ANY($1)"
    )
    row = await connection.fetchrow(
        "SELECT coalesce(array_agg(DISTINCT measure), '{}') AS measures,"
        " coalesce(array_agg(DISTINCT category), '{}') AS categories"
        f" FROM ({changed}) changed",
        list(batches),
    )
    assert row is not None
    return row["measures"], row["categories"]


async def is_remembered(
    connection: Connection, period: str, batches: Sequence[str], measures: Sequence[str]
) -> bool:
    """Whether what the months before a period say of its units still holds: it was
    worked out for these measures, and none of these batches changed another period."""
    remembered: bool = await connection.fetchval(
        "SELECT NOT EXISTS (SELECT FROM ingest.published_report"
        "  WHERE batch = ANY($2) AND period <> $1)"
        " AND NOT EXISTS (SELECT FROM unnest($3::text[]) AS wanted (measure)"
        "  WHERE measure IN ('cases', 'money') AND NOT EXISTS (SELECT FROM"
        "   scoring.history h WHERE h.period = $1 AND h.measure = wanted.measure))",
        period,
        list(batches),
        list(measures),
    )
    return remembered


async def is_reported(connection: Connection, period: str) -> bool:
    """Whether any unit reported this period."""
    reported: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM ingest.published_report WHERE period = $1)", period
    )
    return reported


async def cells_stored(connection: Connection, period: str) -> Cells:
    """The measures and the categories that a period's scorecards have."""
    row = await connection.fetchrow(
        "SELECT coalesce(array_agg(DISTINCT measure), '{}') AS measures,"
        " coalesce(array_agg(DISTINCT category), '{}') AS categories"
        " FROM scoring.scorecard WHERE period = $1",
        period,
    )
    assert row is not None
    return row["measures"], row["categories"]


async def scored_periods(connection: Connection) -> list[str]:
    """Every period with reports: those that a new target may touch."""
    rows = await connection.fetch("SELECT DISTINCT period FROM ingest.published_report")
    return [row["period"] for row in rows]


STORED, COMPUTED = "scoring.scorecard", "pg_temp.computed"
"""Where scorecards are read: as they stand, or as they were computed beside that."""

CARD = """
SELECT s.*, u.name, u.kind, u.name_sort FROM {source} s
JOIN platform.unit u ON u.code = s.unit
  AND u.valid_from <= $2 AND (u.valid_to IS NULL OR u.valid_to > $2)
WHERE s.period = $1
"""
"""A scorecard with its unit of the day; $1 is the period, $2 its last day."""


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
        f"{CARD.format(source=source)} AND s.unit = ANY($3) AND ($4::text IS NULL OR measure = $4)"
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


FIGURE_COLUMNS = (
    *("carried_over", "newly_accepted", "total_accepted", "entrusted", "withdrawn"),
    *("pulled_up", "to_enforce", "enforceable", "done", "completed", "terminated"),
    *("reduced", "in_progress", "postponed_suspended", "not_enforceable"),
    *("carried_forward", "separate_ledger", "enforceable_over_1y"),
    *("resolved", "resolved_in_time"),
)
"""What a report may hold of one row."""


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
    min_enforceable: int = 0,
    source: str = STORED,
) -> list[Row]:
    """Rows by published rate: ranked among all `under`, listed as far as seen.

    Ties share the lower number and stand in order of names; rows without a rate, or
    with less to enforce than asked for, come last, unranked. What has a rate and no
    counts is not known to be small, nor of any size. `line` counts what is printed,
    `size` is the quartile by what is to be enforced, and each has ranks of its own.
    """
    return await connection.fetch(
        "WITH everyone AS (SELECT unit, name, name_sort, rate, national_rate, enforceable,"
        "  rate IS NOT NULL AND (enforceable >= $10 OR enforceable IS NULL) AS is_ranked"
        f" FROM ({CARD.format(source=source)} AND measure = $3 AND category = $4"
        "  AND kind = $5 AND kind <> 'national' AND s.unit = ANY($6)) rows),"
        " sized AS (SELECT *, CASE WHEN is_ranked THEN 1 + (enforceable > cuts[1])::int"
        "   + (enforceable > cuts[2])::int + (enforceable > cuts[3])::int END AS size"
        "  FROM everyone, (SELECT percentile_disc(ARRAY[0.25, 0.5, 0.75])"
        "   WITHIN GROUP (ORDER BY enforceable) AS cuts FROM everyone WHERE is_ranked) c),"
        " ranked AS (SELECT *,"
        "  CASE WHEN is_ranked THEN rank() OVER (PARTITION BY is_ranked ORDER BY rate DESC)"
        "   END AS rank, rank() OVER (PARTITION BY size ORDER BY rate DESC) AS size_rank,"
        "  count(*) OVER (PARTITION BY size) AS size_of FROM sized)"
        " SELECT * FROM (SELECT *, row_number() OVER ("
        "   ORDER BY is_ranked DESC, rate DESC NULLS LAST, name_sort, unit) AS line"
        "  FROM ranked WHERE $7::text[] IS NULL OR unit = ANY($7)) lines"
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
        min_enforceable,
    )


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
        f"{CARD.format(source=source)} AND measure = $3 AND category = $4"
        " AND kind = 'national'",
        period,
        end,
        measure,
        category,
    )
