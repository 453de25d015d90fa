"""The one computation of scorecards: a whole period, set-based, from what stands.

It is written where it stands (`score`), or laid beside it (`compute`) as figures,
targets and tree were known at a moment, or as a dry run would have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from libs.common.database import Connection, Row
from libs.common.periods import Period
from services.scoring import store
from services.scoring.cards import CARDS, VALUES
from services.scoring.past import HISTORY, REMEMBERED, TOUCHED
from services.scoring.store import Cells, TargetRow

_OURS = ", ".join(f"s.{name}" for name in VALUES)
_THEIRS = ", ".join(f"card.{name}" for name in VALUES)

# One pass: what is new is inserted, what differs is written over, and what stands with
# no card any more (all but its key null) is taken away.
_SCORE = f"""
MERGE INTO scoring.scorecard s USING (
  {CARDS}
  SELECT * FROM card
  UNION ALL SELECT s.unit, s.measure, s.category, {", ".join(f"n.{name}" for name in VALUES)}
  FROM (SELECT unit, measure, category FROM scoring.scorecard
    WHERE period = $1 AND {TOUCHED}) s
  LEFT JOIN scoring.scorecard n ON false WHERE NOT EXISTS (
    SELECT FROM now WHERE now.unit = s.unit AND now.measure = s.measure
    AND now.category = s.category)) card
ON s.period = $1 AND s.unit = card.unit AND s.measure = card.measure
  AND s.category = card.category
WHEN MATCHED AND card.revision IS NULL THEN DELETE
WHEN MATCHED AND ({_OURS}) IS DISTINCT FROM ({_THEIRS})
  THEN UPDATE SET ({", ".join(VALUES)}) = ROW({_THEIRS})
WHEN NOT MATCHED THEN INSERT (period, unit, measure, category, {", ".join(VALUES)})
  VALUES ($1, card.unit, card.measure, card.category, {_THEIRS})
"""


_BESIDE = f"""
{CARDS.replace(HISTORY, "pg_temp.history")}
INSERT INTO pg_temp.computed (period, unit, measure, category, {", ".join(VALUES)})
SELECT $1, card.* FROM card
"""
_BESIDE_IT = REMEMBERED.replace(HISTORY, "pg_temp.history")

# The rows that would change, and those that would be no more (all but their key null).
_CHANGES = f"""
SELECT c.period, c.unit, c.measure, c.category, {", ".join(f"c.{name}" for name in VALUES)}
FROM pg_temp.computed c LEFT JOIN scoring.scorecard s USING (period, unit, measure, category)
WHERE s.unit IS NULL OR ({_OURS}) IS DISTINCT FROM ({", ".join(f"c.{name}" for name in VALUES)})
UNION ALL
SELECT s.period, s.unit, s.measure, s.category, {", ".join(f"n.{name}" for name in VALUES)}
FROM scoring.scorecard s
LEFT JOIN scoring.scorecard n ON false
WHERE s.period = $1 AND ($2::text[] IS NULL OR s.measure = ANY($2))
AND ($3::text[] IS NULL OR s.category = ANY($3)) AND NOT EXISTS (
  SELECT FROM pg_temp.computed c WHERE c.unit = s.unit AND c.measure = s.measure
  AND c.category = s.category)
"""


# The planner knows nothing of the sizes of these parts, and a loop inside a loop over
# a national month takes minutes; hashing is never much slower, compiling always. So
# every plan is the same plan, and making it takes longer than a small period itself.
_PLANNED = """
SET LOCAL plan_cache_mode = force_generic_plan;
SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_sort = off;
SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; SET LOCAL random_page_cost = 1.1
"""


async def score(
    connection: Connection,
    period: Period,
    targets: Sequence[TargetRow],
    cells: Cells | None = None,
    *,
    remembered: bool = False,
) -> None:
    """Write the scorecards of a period from the figures that stand, and no others.

    With `cells` only those of these measures and categories: no other can change. What
    the months before say of each unit may be `remembered` where none of them changed.
    """
    await connection.execute(_PLANNED)
    if not remembered:
        await _forget(connection, period, cells)
        # A month that nobody reported yet hears nothing of those before it.
        if await store.is_reported(connection, period.code):
            await _remember(connection, REMEMBERED, period, cells)
    await _run(connection, _SCORE, period, targets, cells)


async def compute(
    connection: Connection,
    period: Period,
    targets: Sequence[TargetRow],
    cells: Cells | None = None,
) -> None:
    """Lay a period's scorecards into `pg_temp.computed`, gone with the transaction."""
    await connection.execute("DROP TABLE IF EXISTS pg_temp.computed")
    await connection.execute(
        "CREATE TEMP TABLE computed (LIKE scoring.scorecard) ON COMMIT DROP"
    )
    await connection.execute("DROP TABLE IF EXISTS pg_temp.history")
    await connection.execute(
        f"CREATE TEMP TABLE history (LIKE {HISTORY}) ON COMMIT DROP"
    )
    await connection.execute(_PLANNED)
    await _remember(connection, _BESIDE_IT, period, cells)
    await _run(connection, _BESIDE, period, targets, cells)


async def changes(
    connection: Connection, period: Period, cells: Cells | None
) -> list[Row]:
    """Computed rows that differ from the stored ones; `revision` null where gone."""
    return await connection.fetch(_CHANGES, period.code, *(cells or (None, None)))


async def _run(
    connection: Connection,
    statement: str,
    period: Period,
    targets: Sequence[TargetRow],
    cells: Cells | None,
) -> None:
    last, previous = period.year_earlier(), period.month_before()
    months = [month.code for month in period.two_years()]
    numbers = [13, 24, 25] if months else []
    await connection.execute(
        statement,
        period.code,
        period.end,
        last.code,
        last.end,
        previous and previous.code,
        previous and previous.end,
        [t.unit for t in targets],
        [t.measure for t in targets],
        [t.category for t in targets],
        [t.rate for t in targets],
        [t.operator for t in targets],
        [t.document for t in targets],
        [months[number - 1] for number in numbers],
        _since(period),
        *(cells or (None, None)),
        numbers,
    )


async def _forget(connection: Connection, period: Period, cells: Cells | None) -> None:
    await connection.execute(
        f"DELETE FROM {HISTORY} WHERE period = $1 AND ($2::text[] IS NULL"
        "  OR measure = ANY($2) AND 'all' = ANY($3))",
        period.code,
        *(cells or (None, None)),
    )


async def _remember(
    connection: Connection, statement: str, period: Period, cells: Cells | None
) -> None:
    """Lay down what the months before one say of each unit."""
    before = [month.code for month in period.two_years()[:-1]]
    if not before or (cells is not None and "all" not in cells[1]):
        return
    await connection.execute(
        statement,
        period.code,
        period.end,
        before,
        _since(period),
        *(cells or (None, None)),
        list(range(1, len(before) + 1)),
    )


def _since(period: Period) -> date:
    """The first day of the two years that a month looks back at."""
    months = period.two_years()
    return months[0].start if months else period.start
