"""The one computation of scorecards: a whole period, set-based, from what stands.

It is written where it stands (`score`), or laid beside it (`compute`) as figures,
targets and tree were known at a moment, or as a dry run would have them.
"""

from __future__ import annotations

from collections.abc import Sequence

from libs.common.database import Connection, Row
from libs.common.periods import Period
from services.scoring.store import TargetRow

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
_CARDS = f"""
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
  AND ranked.measure = now.measure AND ranked.category = now.category)
"""

_SCORE = f"""
{_CARDS}, gone AS (
  DELETE FROM scoring.scorecard s WHERE s.period = $1 AND NOT EXISTS (
    SELECT FROM card WHERE card.unit = s.unit AND card.measure = s.measure
    AND card.category = s.category))
INSERT INTO scoring.scorecard AS s (period, unit, measure, category, {", ".join(_VALUES)})
SELECT $1, card.* FROM card
ON CONFLICT (period, unit, measure, category) DO UPDATE
SET ({", ".join(_VALUES)}) = ROW({_THEIRS})
WHERE ({_OURS}) IS DISTINCT FROM ({_THEIRS})
"""


_BESIDE = f"""
{_CARDS}
INSERT INTO pg_temp.computed (period, unit, measure, category, {", ".join(_VALUES)})
SELECT $1, card.* FROM card
"""

# The rows that would change, and those that would be no more (all but their key null).
_CHANGES = f"""
SELECT c.period, c.unit, c.measure, c.category, {", ".join(f"c.{name}" for name in _VALUES)}
FROM pg_temp.computed c LEFT JOIN scoring.scorecard s USING (period, unit, measure, category)
WHERE s.unit IS NULL OR ({_OURS}) IS DISTINCT FROM ({", ".join(f"c.{name}" for name in _VALUES)})
UNION ALL
SELECT s.period, s.unit, s.measure, s.category, {", ".join(f"n.{name}" for name in _VALUES)}
FROM scoring.scorecard s
LEFT JOIN scoring.scorecard n ON false
WHERE s.period = $1 AND NOT EXISTS (
  SELECT FROM pg_temp.computed c WHERE c.unit = s.unit AND c.measure = s.measure
  AND c.category = s.category)
"""


async def score(
    connection: Connection, period: Period, targets: Sequence[TargetRow]
) -> None:
    """Write the scorecards of a period from the figures that stand, and no others."""
    await _run(connection, _SCORE, period, targets)


async def compute(
    connection: Connection, period: Period, targets: Sequence[TargetRow]
) -> None:
    """Lay a period's scorecards into `pg_temp.computed`, gone with the transaction."""
    await connection.execute("DROP TABLE IF EXISTS pg_temp.computed")
    await connection.execute(
        "CREATE TEMP TABLE computed (LIKE scoring.scorecard) ON COMMIT DROP"
    )
    await _run(connection, _BESIDE, period, targets)


async def changes(connection: Connection, period: Period) -> list[Row]:
    """Computed rows that differ from the stored ones; `revision` null where gone."""
    return await connection.fetch(_CHANGES, period.code)


async def _run(
    connection: Connection,
    statement: str,
    period: Period,
    targets: Sequence[TargetRow],
) -> None:
    # The planner knows nothing of the sizes of these parts, and a loop inside a loop
    # over a national month takes minutes; hashing is never much slower.
    await connection.execute("SET LOCAL enable_nestloop = off")
    await connection.execute("SET LOCAL enable_mergejoin = off")
    last = period.year_earlier()
    await connection.execute(
        statement,
        period.code,
        period.end,
        last.code,
        [t.unit for t in targets],
        [t.measure for t in targets],
        [t.category for t in targets],
        [t.rate for t in targets],
        [t.operator for t in targets],
        [t.document for t in targets],
        last.end,
    )
