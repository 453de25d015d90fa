"""Queries of schema `scoring`: set-based, a whole period at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from libs.common.database import Connection, Row
from libs.common.periods import Period

_VALUES = (
    "revision",
    "illustrative",
    "done",
    "enforceable",
    "done_basis",
    "rate",
    "target_rate",
    "target_operator",
    "target_document",
    "target_unit",
    "last_period",
    "last_rate",
    "last_basis",
    "last_why",
    "last_illustrative",
    "national_rate",
    "rank_position",
    "rank_of",
    "rank_from_bottom",
    "rolled_done",
    "rolled_enforceable",
)

_OURS = ", ".join(f"s.{name}" for name in _VALUES)
_THEIRS = ", ".join(f"excluded.{name}" for name in _VALUES)

_FIGURE = "unit, measure, category, revision, illustrative, done, enforceable, done_basis, rate"
_SUM = (
    "s.unit, s.measure, s.category, 0, s.illustrative, s.done, s.enforceable,"
    " 'rolled_up', scoring.published_rate(s.done, s.enforceable)"
)

# $1 period, $2 its last day, $3 the same cut a year earlier, $4…$9 the targets of
# the year as they hold for this period, $10 the last day of $3. A row's figures are the
# reported ones, else the sum of its children. Ranks run over everything; only readers
# are filtered.
_SCORE = f"""
WITH RECURSIVE tree AS (
  SELECT code, kind, parent FROM platform.unit
  WHERE valid_from <= $2 AND (valid_to IS NULL OR valid_to > $2)),
above AS (
  SELECT code, code AS ancestor, 0 AS steps FROM tree
  UNION ALL
  SELECT above.code, tree.parent, steps + 1 FROM above
  JOIN tree ON tree.code = above.ancestor WHERE tree.parent IS NOT NULL),
lineage AS (
  SELECT predecessor, successor FROM platform.lineage
  WHERE effective <= $2 AND effective > $10),
target AS (
  SELECT * FROM unnest($4::text[], $5::text[], $6::text[], $7::numeric[],
    $8::text[], $9::jsonb[]) AS t (unit, measure, category, rate, operator, document)),
nearest AS (
  SELECT DISTINCT ON (above.code, measure, category)
    above.code, measure, category, rate, operator, document, target.unit
  FROM above JOIN target ON target.unit = above.ancestor
  ORDER BY above.code, measure, category, steps),
sums AS MATERIALIZED (SELECT * FROM scoring.rolled_up($1, $2)),
sums_before AS MATERIALIZED (SELECT * FROM scoring.rolled_up($3, $10)),
now AS MATERIALIZED (
  SELECT {_FIGURE} FROM scoring.rated_figure WHERE period = $1
  UNION ALL SELECT {_SUM} FROM sums s WHERE NOT EXISTS (
    SELECT FROM scoring.rated_figure f WHERE f.period = $1 AND f.unit = s.unit
    AND f.measure = s.measure AND f.category = s.category)),
before AS MATERIALIZED (
  SELECT {_FIGURE} FROM scoring.rated_figure WHERE period = $3
  UNION ALL SELECT {_SUM} FROM sums_before s WHERE NOT EXISTS (
    SELECT FROM scoring.rated_figure f WHERE f.period = $3 AND f.unit = s.unit
    AND f.measure = s.measure AND f.category = s.category)),
-- The same cut of the units that a unit came from, all of their counts or nothing; a
-- unit that was split has no one successor to pass its counts to.
parts AS (
  SELECT l.successor AS unit, l.predecessor AS part FROM lineage l
  JOIN tree ON tree.code = l.successor
  UNION SELECT parts.unit, l.predecessor FROM parts
  JOIN lineage l ON l.successor = parts.part),
leaves AS (
  SELECT unit, part, part IN (SELECT predecessor FROM lineage GROUP BY predecessor
    HAVING count(*) > 1) AS split
  FROM parts WHERE part NOT IN (SELECT successor FROM lineage)),
restated AS (
  SELECT leaves.unit, cell.measure, cell.category, bool_or(split) AS split,
    count(*) = count(b.done) FILTER (WHERE b.enforceable IS NOT NULL) AS whole,
    sum(b.done)::bigint AS done, sum(b.enforceable)::bigint AS enforceable,
    bool_or(b.illustrative) AS illustrative
  FROM leaves JOIN (SELECT unit, measure, category FROM now) cell ON cell.unit = leaves.unit
  LEFT JOIN before b ON b.unit = leaves.part AND b.measure = cell.measure
    AND b.category = cell.category
  GROUP BY leaves.unit, cell.measure, cell.category),
ranked AS (
  SELECT unit, measure, category,
    rank() OVER (PARTITION BY measure, category, kind ORDER BY rate DESC) AS position,
    rank() OVER (PARTITION BY measure, category, kind ORDER BY rate) AS from_bottom,
    count(*) OVER (PARTITION BY measure, category, kind) AS of
  FROM now JOIN tree ON tree.code = now.unit
  WHERE rate IS NOT NULL AND kind <> 'national'),
card (unit, measure, category, {", ".join(_VALUES)}) AS MATERIALIZED (
SELECT now.unit, now.measure, now.category, now.revision, now.illustrative,
  now.done, now.enforceable, now.done_basis, now.rate,
  nearest.rate, nearest.operator, nearest.document, nearest.unit,
  $3,
  CASE WHEN before.unit IS NOT NULL THEN before.rate
       WHEN restated.whole AND NOT restated.split
       THEN scoring.published_rate(restated.done, restated.enforceable) END,
  CASE WHEN before.rate IS NOT NULL THEN 'as_reported'
       WHEN before.unit IS NULL AND restated.whole AND NOT restated.split
         AND restated.enforceable > 0 THEN 'restated' END,
  CASE WHEN before.rate IS NOT NULL THEN NULL
       WHEN before.unit IS NOT NULL THEN 'no_rate'
       WHEN restated.unit IS NULL THEN 'not_reported'
       WHEN restated.split THEN 'predecessor_split'
       WHEN NOT restated.whole THEN 'predecessors_missing'
       WHEN restated.enforceable = 0 THEN 'no_denominator' END,
  coalesce(before.illustrative, restated.whole AND restated.illustrative, false),
  national.rate,
  ranked.position, ranked.of, ranked.from_bottom, sums.done, sums.enforceable
FROM now JOIN tree ON tree.code = now.unit
LEFT JOIN sums USING (unit, measure, category)
LEFT JOIN before USING (unit, measure, category)
LEFT JOIN restated USING (unit, measure, category)
LEFT JOIN now AS national ON national.unit = 'VN'
  AND national.measure = now.measure AND national.category = now.category
LEFT JOIN nearest ON nearest.code = now.unit
  AND nearest.measure = now.measure AND nearest.category = now.category
LEFT JOIN ranked ON ranked.unit = now.unit
  AND ranked.measure = now.measure AND ranked.category = now.category),
gone AS (
  DELETE FROM scoring.scorecard s WHERE s.period = $1 AND NOT EXISTS (
    SELECT FROM card WHERE card.unit = s.unit AND card.measure = s.measure
    AND card.category = s.category))
INSERT INTO scoring.scorecard AS s (period, unit, measure, category, {", ".join(_VALUES)})
SELECT $1, card.* FROM card
ON CONFLICT (period, unit, measure, category) DO UPDATE
SET ({", ".join(_VALUES)}) = ROW({_THEIRS})
WHERE ({_OURS}) IS DISTINCT FROM ({_THEIRS})
"""


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


async def score(
    connection: Connection,
    period: str,
    end: date,
    last: Period,
    targets: Sequence[TargetRow],
) -> None:
    """Write the scorecards of a period from the figures that stand, and no others."""
    # The planner knows nothing of the sizes of these parts, and a loop inside a loop
    # over a national month takes minutes; hashing is never much slower.
    await connection.execute("SET LOCAL enable_nestloop = off")
    await connection.execute("SET LOCAL enable_mergejoin = off")
    await connection.execute(
        _SCORE,
        period,
        end,
        last.code,
        [t.unit for t in targets],
        [t.measure for t in targets],
        [t.category for t in targets],
        [t.rate for t in targets],
        [t.operator for t in targets],
        [t.document for t in targets],
        last.end,
    )


async def current_targets(connection: Connection, year: int) -> list[TargetRow]:
    """The latest target of every cell of a year."""
    rows = await connection.fetch(
        "SELECT DISTINCT ON (unit, measure, category) unit, year, measure, category,"
        " rate, operator, basis, document FROM scoring.target WHERE year = $1"
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


_CARD = """
SELECT s.*, u.name, u.kind, u.name_sort FROM scoring.scorecard s
JOIN platform.unit u ON u.code = s.unit
  AND u.valid_from <= $2 AND (u.valid_to IS NULL OR u.valid_to > $2)
WHERE s.period = $1
"""


async def scorecards(
    connection: Connection,
    period: str,
    end: date,
    *,
    units: Sequence[str],
    measure: str | None = None,
    category: str | None = None,
    kind: str | None = None,
    after: tuple[object, ...] | None = None,
    limit: int = 1000,
) -> list[Row]:
    """Scorecards of a period among these units, in Vietnamese order of names."""
    return await connection.fetch(
        f"{_CARD} AND s.unit = ANY($3) AND ($4::text IS NULL OR measure = $4)"
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
) -> list[Row]:
    """Rows by published rate: ranked among all `under`, listed as far as seen.

    Ties share the lower number and stand in order of names; rows without a rate
    come last, unranked. `line` counts what is printed.
    """
    return await connection.fetch(
        f"SELECT * FROM (SELECT *, row_number() OVER ({_ORDER}) AS line FROM ("
        " SELECT unit, name, name_sort, rate, national_rate,"
        "  CASE WHEN rate IS NOT NULL THEN rank() OVER (ORDER BY rate DESC NULLS LAST) END AS rank"
        f" FROM ({_CARD} AND measure = $3 AND category = $4 AND kind = $5"
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
    connection: Connection, period: str, end: date, measure: str, category: str
) -> Row | None:
    """The national row, never ranked and printed first as STT 1."""
    return await connection.fetchrow(
        f"{_CARD} AND measure = $3 AND category = $4 AND kind = 'national'",
        period,
        end,
        measure,
        category,
    )
