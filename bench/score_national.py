"""All scorecards of a national month with roll-up, rank, last year and their past.

For the first time, with all that it remembers of the months before; and again after a
late report of one unit, which is printed beside it. The limit is the barest SQL that
computes and writes rate, rank and join: one statement over the reported rows alone,
into a logged table of its own.
"""

from __future__ import annotations

import asyncpg

from bench.measure import Result, at_most_times, median, seconds
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
            took, late, limit = [], [], []
            for _ in range(RUNS):
                took.append(await _ours(connection))
                late.append(await _late(connection))
                limit.append(await _bare(connection))
        finally:
            await connection.close()
    again, first = median(late), median(took)
    return [
        at_most_times("score_national", took, limit, 2.0),
        Result(
            *("score_national after one late report", again, "s", first),
            *(round(again / first, 2), "printed", True),
        ),
    ]


async def _ours(connection: asyncpg.Connection[asyncpg.Record]) -> float:
    await connection.execute("TRUNCATE scoring.scorecard")
    return await seconds(lambda: _scored(connection))


async def _late(connection: asyncpg.Connection[asyncpg.Record]) -> float:
    await connection.execute(
        "UPDATE ingest.figure SET completed = completed + 1"
        " WHERE period = $1 AND unit = 'P1'",
        PERIOD,
    )
    return await seconds(lambda: _scored(connection, remembered=True))


async def _scored(
    connection: asyncpg.Connection[asyncpg.Record], *, remembered: bool = False
) -> None:
    async with connection.transaction():
        await score(connection, Period.parse(PERIOD), [], remembered=remembered)


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
