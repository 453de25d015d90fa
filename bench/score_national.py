"""All scorecards of a national month with roll-up, rank, last year and their past.

The limit is the barest SQL that computes and writes rate, rank and join: one
statement over the reported rows alone, into a logged table of its own.
"""

from __future__ import annotations

import asyncpg

from bench.measure import Result, at_most_times, seconds
from bench.national import lay_months, lay_tree, years
from bench.stage import database
from libs.common.periods import Period
from migrations import migrate
from services.scoring.computing import score

PERIOD, RUNS = "2022M05", 5

_BARE = """
INSERT INTO bench_limit
SELECT unit, measure, category, rate, last_rate, national_rate,
  rank() OVER (PARTITION BY measure, category, kind ORDER BY rate DESC)
FROM (SELECT f.unit, f.measure, f.category, u.kind,
    round(100.0 * (f.completed + f.terminated) / f.enforceable, 2) AS rate,
    round(100.0 * (l.completed + l.terminated) / l.enforceable, 2) AS last_rate,
    round(100.0 * (n.completed + n.terminated) / n.enforceable, 2) AS national_rate
  FROM ingest.figure f JOIN ingest.unit u ON u.code = f.unit
  LEFT JOIN ingest.figure l ON l.period = $2 AND l.unit = f.unit
    AND l.measure = f.measure AND l.category = f.category
  LEFT JOIN ingest.figure n ON n.period = $1 AND n.unit = 'VN'
    AND n.measure = f.measure AND n.category = f.category
  WHERE f.period = $1) rated
"""


async def run() -> list[Result]:
    """Medians of months that are scored for the first time."""
    with database() as url:
        await migrate(url)
        connection = await asyncpg.connect(url)
        try:
            await lay_tree(connection)
            await lay_months(connection, years(2020, 2021) + years(2022, 2022)[:5])
            took, limit = [], []
            for _ in range(RUNS):
                took.append(await _ours(connection))
                limit.append(await _bare(connection))
        finally:
            await connection.close()
    return [at_most_times("score_national", took, limit, 2.0)]


async def _ours(connection: asyncpg.Connection[asyncpg.Record]) -> float:
    await connection.execute("TRUNCATE scoring.scorecard")

    async def write() -> None:
        async with connection.transaction():
            await score(connection, Period.parse(PERIOD), [])

    return await seconds(write)


async def _bare(connection: asyncpg.Connection[asyncpg.Record]) -> float:
    await connection.execute("DROP TABLE IF EXISTS bench_limit")
    await connection.execute(
        "CREATE TABLE bench_limit (unit text, measure text, category text,"
        " rate numeric, last_rate numeric, national_rate numeric, place bigint,"
        " PRIMARY KEY (unit, measure, category))"
    )
    before = Period.parse(PERIOD).year_earlier().code

    async def barely() -> None:
        await connection.execute(_BARE, PERIOD, before)

    return await seconds(barely)
