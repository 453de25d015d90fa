"""The SQL of what stands behind a figure: rows, sums, predecessors, medians."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from libs.common.database import Connection, Row
from libs.common.periods import Period
from services.scoring.heritage import line_of
from services.scoring.past import MOVEMENTS, SERIES, TOUCHED, renumbered
from services.scoring.store import FIGURE_COLUMNS


async def figures_of(connection: Connection, unit: str, period: str) -> list[Row]:
    """The rows that a unit reported for a period, with what scoring reads of them."""
    return await connection.fetch(
        "SELECT measure, category, f.revision, document, document_date, published_rate,"
        f" {', '.join(f'f.{name}' for name in FIGURE_COLUMNS)}, form, received_at,"
        " scoring.numerator(measure, done, completed, terminated, reduced, resolved,"
        "  resolved_in_time) AS counted"
        " FROM ingest.current_figure f LEFT JOIN ingest.published_report r"
        "  ON r.unit = f.unit AND r.period = f.period AND r.revision = f.revision"
        " WHERE f.unit = $1 AND f.period = $2",
        unit,
        period,
    )


async def children_of(
    connection: Connection, unit: str, period: Period, *, source: str
) -> list[Row]:
    """What each unit below gives to the sum: its own counts, else its own sum."""
    return await connection.fetch(
        "SELECT s.unit, measure, category, CASE WHEN counted THEN done ELSE rolled_done"
        " END AS done, CASE WHEN counted THEN enforceable ELSE rolled_enforceable END"
        " AS enforceable FROM (SELECT *, done IS NOT NULL AND enforceable IS NOT NULL"
        f"  AS counted FROM {source} WHERE period = $2) s"
        " JOIN platform.unit u ON u.code = s.unit AND u.parent = $1"
        "  AND u.valid_from <= $3 AND (u.valid_to IS NULL OR u.valid_to > $3)"
        " ORDER BY name_sort, s.unit",
        unit,
        period.code,
        period.end,
    )


# What a unit had: the row that it reported, else the sum of the topmost units below it
# that reported counts, where no way down ends without one. The computation of a whole
# period (`cards`) says the same of every unit at once.
_HAD = """
standing AS MATERIALIZED (
  SELECT code, parent FROM platform.unit
  WHERE valid_from <= $4 AND (valid_to IS NULL OR valid_to > $4)),
below AS (
  SELECT part AS unit FROM part
  UNION SELECT code FROM below JOIN standing ON parent = below.unit),
reported AS MATERIALIZED (
  SELECT unit, measure, category, done, enforceable,
    done IS NOT NULL AND enforceable IS NOT NULL AS counted
  FROM scoring.rated_figure
  WHERE period = $3 AND unit = ANY(ARRAY(SELECT unit FROM below))),
counted AS MATERIALIZED (SELECT * FROM reported WHERE counted),
cell AS (SELECT * FROM unnest($6::text[], $7::text[]) AS c (measure, category)),
walk AS (
  SELECT part, measure, category, part AS unit, NULL::bigint AS done,
    NULL::bigint AS enforceable, false AS counted FROM part CROSS JOIN cell
  UNION ALL
  SELECT w.part, w.measure, w.category, s.code, c.done, c.enforceable,
    c.unit IS NOT NULL
  FROM walk w JOIN standing s ON s.parent = w.unit LEFT JOIN counted c
    ON c.unit = s.code AND c.measure = w.measure AND c.category = w.category
  WHERE NOT w.counted),
total AS (
  SELECT part, measure, category, sum(done) FILTER (WHERE counted)::bigint AS done,
    sum(enforceable) FILTER (WHERE counted)::bigint AS enforceable,
    bool_or(counted) AS begun, bool_and(counted OR EXISTS (
      SELECT FROM standing s WHERE s.parent = walk.unit))
      AND sum(enforceable) FILTER (WHERE counted) <= 9007199254740991 AS whole
  FROM walk GROUP BY part, measure, category)
SELECT part, share, total.measure, total.category,
  CASE WHEN own.unit IS NOT NULL THEN own.done WHEN whole THEN total.done END AS done,
  CASE WHEN own.unit IS NOT NULL THEN own.enforceable WHEN whole THEN total.enforceable
    END AS enforceable,
  CASE WHEN own.counted OR own.unit IS NULL AND whole AND begun THEN NULL
    WHEN own.unit IS NOT NULL THEN 'no_counts'
    WHEN begun THEN 'children_missing' ELSE 'not_reported' END AS why
FROM part JOIN total USING (part) LEFT JOIN reported own ON own.unit = part
  AND own.measure = total.measure AND own.category = total.category
ORDER BY part
"""


async def predecessors_of(
    connection: Connection, unit: str, period: Period, cells: Iterable[tuple[str, str]]
) -> list[Row]:
    """What the units that it came from had a year earlier, and its share of each.

    Each of them for each (measure, category) of `cells`; null with a why where it had
    no counts.
    """
    last, wanted = period.year_earlier(), sorted(cells)
    return await connection.fetch(
        "WITH RECURSIVE tree AS (SELECT $1::text AS period, code FROM platform.unit"
        "  WHERE valid_from <= $2 AND (valid_to IS NULL OR valid_to > $2)),"
        f" {line_of('heritage', '$4')},"
        f" part AS (SELECT part, share FROM heritage WHERE unit = $5), {_HAD}",
        period.code,
        period.end,
        last.code,
        last.end,
        unit,
        [measure for measure, _ in wanted],
        [category for _, category in wanted],
    )


async def lineage_of(connection: Connection, unit: str, period: Period) -> list[Row]:
    """The reorganisations since a year earlier through which a unit came to be."""
    return await connection.fetch(
        "WITH RECURSIVE line AS ("
        "  SELECT l.* FROM platform.lineage l WHERE successor = $1"
        "   AND effective <= $2 AND effective > $3"
        "  UNION SELECT l.* FROM line JOIN platform.lineage l"
        "   ON l.successor = line.predecessor AND l.effective < line.effective"
        "   AND l.effective > $3)"
        " SELECT effective, successor, document,"
        "  array_agg(predecessor ORDER BY predecessor) AS predecessors"
        " FROM line GROUP BY effective, successor, document"
        " ORDER BY effective, successor",
        unit,
        period.end,
        period.year_earlier().end,
    )


async def targets_of(
    connection: Connection, year: int, units: Sequence[str]
) -> list[Row]:
    """The targets in force of these units for a year, as they were set."""
    return await connection.fetch(
        "SELECT DISTINCT ON (unit, measure, category) unit, measure, category, rate,"
        " operator, basis, document FROM scoring.target"
        " WHERE year = $1 AND unit = ANY($2)"
        "  AND recorded_at <= (SELECT platform.known_at())"
        " ORDER BY unit, measure, category, id DESC",
        year,
        list(units),
    )


# What a score was computed of, by the statement that computed it: the months of these
# units and of those that some unit came from, and of all others the last two.
_THEIRS = """(idx >= 24 OR unit = ANY($5)
      OR unit = ANY(ARRAY(SELECT predecessor FROM platform.lineage)))"""
_OF_SCORES = renumbered(SERIES.replace(TOUCHED, _THEIRS), {13: 3, 14: 4, 17: 6}).rstrip(
    " ,\n"
)
_SCORED = ", ".join(
    f"('{name}', '{against}', m.{name} * 0.0001, {table}.{name}_twice * 0.00005,"
    f" {table}.{name}_fourths * 0.000025)"
    for name in MOVEMENTS
    for against, table in (("history", "outlier"), ("peers", "peers"))
)


async def scores_of(
    connection: Connection, period: Period, units: Sequence[str]
) -> list[Row]:
    """Each movement of these units in a month, its median, and the distance from it."""
    months = period.two_years()
    # As when they were computed: nothing is known of the sizes of these parts.
    await connection.execute("SET LOCAL enable_nestloop = off; SET LOCAL jit = off")
    return await connection.fetch(
        "WITH RECURSIVE tree AS MATERIALIZED ("
        "  SELECT $1::text AS period, code, kind FROM platform.unit"
        "  WHERE valid_from <= $2 AND (valid_to IS NULL OR valid_to > $2)),"
        f" {_OF_SCORES}"
        " SELECT m.unit, m.measure, movement, against, moved, median, mad FROM moves m"
        " JOIN tree ON tree.code = m.unit"
        " LEFT JOIN outlier ON outlier.unit = m.unit AND outlier.measure = m.measure"
        " LEFT JOIN peers ON peers.kind = tree.kind AND peers.measure = m.measure"
        f" CROSS JOIN LATERAL (VALUES {_SCORED})"
        "  AS v (movement, against, moved, median, mad)"
        " WHERE m.idx = 25 AND m.unit = ANY($5)",
        period.code,
        period.end,
        [month.code for month in months],
        months[0].start if months else period.start,
        list(units),
        list(range(1, len(months) + 1)),
    )
