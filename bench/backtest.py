"""Every shipped rule of scorecards over five years of national months (made up).

1.26 million rows in 60 months; each month is read once for all of the rules.
"""

from __future__ import annotations

import asyncpg

from bench.measure import Result, at_most, seconds
from bench.national import lay_months, lay_tree, years
from bench.stage import database
from libs.common.database import Database
from libs.common.periods import Period
from libs.common.settings import Settings
from migrations import migrate
from services.alerts.backtests.judging import judged
from services.alerts.backtests.usecases import run as run_backtest
from services.alerts.domain.watching import Watch
from services.alerts.rulebook import shipped_rules
from services.process import prepare
from services.scoring.computing import score

MONTHS = years(2018, 2022)
REACH = 60.0


async def run() -> list[Result]:
    """All rules together, and one rule as the API judges it."""
    with database() as url:
        await migrate(url)
        await prepare(url, Settings(secret=None, database_url=None))
        owner = await asyncpg.connect(url)
        try:
            await lay_tree(owner)
            await lay_months(owner, MONTHS)
            for month in MONTHS:
                async with owner.transaction():
                    await score(owner, Period.parse(month), [])
            await owner.execute("VACUUM ANALYZE")
        finally:
            await owner.close()
        return await _measured(url)


async def _measured(url: str) -> list[Result]:
    rules = [rule for rule, _ in shipped_rules()]
    alerts = Database(url, "dondoc_alerts")
    await alerts.open()
    fired = 0
    try:

        async def together() -> None:
            nonlocal fired
            async with alerts.transaction() as connection:
                for month in MONTHS:
                    found = await judged(connection, rules, Period.parse(month))
                    fired += sum(len(one.fired) for one in found)
                    assert not any(one.disagreed for one in found)

        async def alone() -> None:
            one = next(r.id for r in rules if r.watches is Watch.SCORECARD)
            await run_backtest(alerts, "bench", one, first=MONTHS[0], last=MONTHS[-1])

        took = await seconds(together)
        one = await seconds(alone)
    finally:
        await alerts.close()
    assert fired
    return [
        at_most("backtest", [took], REACH),
        at_most("backtest of one rule", [one], REACH),
    ]
