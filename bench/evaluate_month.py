"""Every active rule of figures over a national month (made up), as a change of it is
judged: rows read, decided by both readings, verdicts with their traces kept, matters
opened and told.
"""

from __future__ import annotations

import asyncpg

from bench.measure import Result, at_most, seconds
from bench.national import lay_months, lay_tree, years
from bench.stage import database
from bench.sweep_cases import NOW
from libs.common.periods import Period
from migrations import migrate
from services.alerts.evaluation import Judge, foretell, ready_rules
from services.alerts.rulebook import shipped_rules
from services.alerts.rulebooks.files import publish_shipped
from services.scoring.computing import score

PERIOD, RUNS, REACH = Period.parse("2022M05"), 5, 2.0


async def run() -> list[Result]:
    """Medians of first evaluations; what each leaves behind is rolled back."""
    with database() as url:
        await migrate(url)
        connection = await asyncpg.connect(url)
        judge = Judge("durable")
        try:
            await lay_tree(connection)
            await lay_months(connection, years(2021, 2021) + years(2022, 2022)[:5])
            for cut in (PERIOD.year_earlier(), PERIOD.month_before(), PERIOD):
                assert cut is not None
                async with connection.transaction():
                    await score(connection, cut, [])
            await connection.execute("VACUUM ANALYZE")
            await publish_shipped(connection, shipped_rules(), NOW)
            await ready_rules(connection, judge)
            took = [await _once(connection, judge) for _ in range(RUNS)]
            assert judge.counters().disagreements == judge.counters().restarts == 0
        finally:
            await judge.stop()
            await connection.close()
    return [at_most("evaluate_month", took, REACH)]


async def _once(connection: asyncpg.Connection[asyncpg.Record], judge: Judge) -> float:
    opened = 0

    async def whole() -> None:
        nonlocal opened
        found = await foretell(connection, judge, PERIOD.code, now=NOW)
        opened = len(found.opened)

    took = await seconds(whole)
    assert opened
    return took
